//! The life of a cluster: which nodes it has, where each group lives, and how a node comes and goes.
//!
//! A node is a row of the meta group ([`table`]), and knows from a file in its data directory which row is its own
//! ([`identity`]). One that has no number asks a seed for it ([`join`]). What is asked of a node, and of the leader of the
//! meta group through it, is answered by its [`registrar`]; on that leader the [`placer`] moves groups, as [`placement`]
//! decides.

mod control;
mod groups;
mod identity;
mod join;
mod local_view;
mod messages;
mod node;
mod overview;
mod placement;
mod placer;
mod registrar;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use registrar::{MendError, Registrar, RegistrarParts};
pub(crate) use table::{Introduction, Table};

pub(crate) use control::Control;
pub(crate) use groups::{EngineGroups, local_group};
pub(crate) use identity::{Identity, IdentityError, Origin, Settled};
pub(crate) use join::{Seeds, Silence, Unjoined, join, join_within};
pub use local_view::{LocalGroup, LocalNode, LocalView, Silent};
pub(crate) use messages::{GroupReport, Joined, Refusal};
pub(crate) use node::FORMAT;
pub use node::{Addresses, Member, MemberError, MemberState, NodeAddress, Role, Zone};
pub use overview::{GroupOverview, Move, MoveOutcome, NodeOverview, Overview};
pub(crate) use placement::Action;
