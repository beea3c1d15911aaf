//! Sockets: connections of clients that actors talk to, and that outlive activations.
//!
//! The node that a client is connected to, its *gateway*, keeps the connection; the actor has a row for it. So a socket costs
//! an idle actor nothing but rows, stays open while the actor is passivated or moves to another node, and is found again by
//! its tags.
//!
//! What a client sends arrives as a call, one after another and numbered. A call that was not answered is sent again, to
//! whoever owns the actor by then, and the number up to which an actor has handled what came is written with the turn of
//! that frame: what a frame durably does happens once. What an actor sends waits for the output gate, and then goes to the
//! gateway at most once: directly, or in the [lane](lanes) to that node. A gateway that is gone takes its sockets with it;
//! the [sweep](sweep) tells the actors. An owner that is gone may have taken something with it that it had not sent yet:
//! whose actors have sent anything under it, the next one tells that there may be [gaps]. So that neither side takes a socket
//! for open that the other has given up, gateways call the [roll].

mod actor;
mod courier;
mod departure;
mod departures;
mod exit;
mod frame;
pub(crate) mod gaps;
mod id;
mod lanes;
mod letters;
mod ports;
pub(crate) mod roll;
mod sockets;
pub(crate) mod sweep;
mod table;
#[cfg(test)]
mod tests;

pub use actor::SocketActor;
pub use courier::{Credentials, SocketSender};
pub use frame::{AutoResponse, Closing, Frame, Opening, Outgoing};
pub use id::SocketId;
pub use ports::SocketReceiver;
pub use sockets::Sockets;

pub(crate) use departure::Departing;
pub(crate) use departures::Departures;
pub(crate) use exit::{Exit, Leave};
pub(crate) use gaps::Gaps;
pub(crate) use lanes::Lanes;
pub(crate) use letters::{Gap, calls};
pub(crate) use ports::{Delivery, Ports};
pub(crate) use roll::Roll;
pub(crate) use table::{Command, Table};

/// Code of the error when an actor has no such socket.
pub(crate) const UNKNOWN: &str = "socket.unknown";
