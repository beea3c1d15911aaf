//! The server: opens what it keeps, connects the ports, serves, and stops without losing anything.

mod compose;
mod failure;
mod first_start;
mod indexes;
mod listener;
mod lock;
pub(crate) mod migrations;
mod operator;
mod place;
mod proxy_protocol;
mod serve;
mod tls;

pub use compose::ComposeError;
pub(crate) use failure::FailureNote;
pub(crate) use lock::DataLock;
pub use lock::LockError;
pub(crate) use place::network;
pub use serve::{Note, ServeError, serve};
pub use tls::TlsError;
