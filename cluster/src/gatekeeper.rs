//! Who may call which actor, as the host program decides.

use std::fmt;

use crate::{ActorId, Credential, Result, TenantId};

/// Who may call which actor, as the host program decides; see [`ClusterConfig::gatekeeper`](crate::ClusterConfig::gatekeeper).
///
/// It is asked at the two boundaries of a node: when a call enters from outside any actor, and when one arrives from
/// another node, whoever made it there, a durable send included. Calls between actors of one node are inside and not
/// asked about, and so is what an actor asks in a turn or in the work it pipes to itself; a task that an actor spawns
/// otherwise is outside. A call from outside to an actor of another node is asked about twice, once by each node.
///
/// What nodes ask each other for the cluster itself is no call to an actor, and not asked about: groups and their
/// membership, gossip, settings, listings, dead letters, looking in, backups. Nor is what the host program does through
/// [`Cluster`](crate::Cluster) besides calling. Between nodes that is for mutual TLS to protect
/// ([`Security`](crate::Security)).
///
/// All nodes of a cluster need gatekeepers that understand each other's credentials. While a node still runs a program that
/// knows none, calls that arrive are not asked about.
pub trait Gatekeeper: fmt::Debug + Send + Sync {
    /// Whether a call with this credential may go to this actor. It is asked once for each call that crosses a boundary,
    /// in the task that makes or receives the call, so it must neither block nor wait.
    ///
    /// # Errors
    /// Why not, as the caller hears it; its kind is best [`Forbidden`](crate::ErrorKind::Forbidden). The call then had
    /// certainly no effect: it activates nothing and breaks no reference. A durable send that is refused is tried again,
    /// and becomes a dead letter in the end unless the kind is one that may pass. Of kind
    /// [`Retryable`](crate::ErrorKind::Retryable) it says "not yet": a call that arrives from another node is then sent again
    /// by that node until its deadline.
    fn admit(&self, to: &ActorId, credential: Option<&Credential>) -> Result<()>;

    /// The credential of calls that an actor of this tenant makes on its own account: in an activation, from its alarm,
    /// from the handler of a durable send, from the work it pipes to itself and what comes back of it. It is made each
    /// time such a call leaves the node.
    fn vouch(&self, tenant: &TenantId) -> Credential;
}
