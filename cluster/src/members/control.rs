//! The seam between the life of the cluster and the groups of one node.

use futures_util::future::BoxFuture;

use super::{messages::GroupReport, placement::Action};
use crate::peers::NodeId;

/// The groups of this node, as far as their members are concerned.
pub(crate) trait Control: Send + Sync + 'static {
    /// How each of them is doing.
    fn report(&self) -> Vec<GroupReport>;

    /// The node that leads the meta group, as far as this one knows.
    fn meta_leader(&self) -> Option<NodeId>;

    /// Takes a step of a group that this node leads, and says in words why not.
    fn take(&self, shard: Option<u16>, action: Action) -> BoxFuture<'static, Result<(), String>>;
}
