//! WebSockets: the TCP side of the sockets that actors have (`cluster::SocketActor`).
//!
//! A client is let in as any request is, and shows who it is by a bearer token, the session cookie (then from a page of this
//! server only), or, because pages cannot set headers here, a protocol `bearer.<token>` beside another one, which is the one
//! that is spoken. From then on one task brings what the client sends to the actor and what the actor sends to the client:
//!
//! - frames are put together up to a limit, and what breaks RFC 6455 ends the connection with the code that it names
//!   (`decoder`);
//! - pings are answered here, and so is silence: a client that shows no sign of life is taken for lost;
//! - a client whose actor does not keep up is not read from, and one that does not take what it is sent is disconnected;
//! - who is signed out is disconnected with 1008, and whoever may do something else than before with 1012, as everyone is when
//!   the server stops or the connection has lived for long: clients come back after that, and not after 1008.

mod config;
mod count;
mod decoder;
mod handshake;
mod link;
mod pump;

pub use config::SocketsConfig;
pub use count::SocketCounts;
pub(crate) use handshake::{bearer_of, is_upgrade};
pub(crate) use link::Link;
pub(crate) use pump::connect;
