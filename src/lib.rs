//! A self-hosted server of virtual actors: ideas in, finished plans out.

pub mod outbound;
pub mod planes;
