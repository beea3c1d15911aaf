//! The life of a cluster: which nodes it has, where each group lives, and how a node comes and goes.

mod identity;
mod node;
mod placement;
mod table;

pub use identity::ClusterId;
pub use node::{Addresses, Member, MemberError, MemberState, NodeAddress, NodeName, Role};
