//! The domain of foundation: tenants, planning runs, the workflow engine, and the ports to the outside world.
//!
//! Everything with state is a virtual actor of the `cluster` crate; everything outside is a trait in [`ports`].

pub mod ports;
pub mod records;
pub mod workflows;
