//! The plane as a whole.

use std::{fmt, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, ready},
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    RaftPlaneConfig, accepted::Accepted, complaints::Complaints, dialler, hello::Identity, link::Link, listener,
    meter::Meter, table::Table,
};
use crate::{
    node_name::NodeName,
    peers::{CallError, Lane, NodeId, Peers, Service},
    tls::ChannelError,
};

/// The connections of this node's groups with those of other nodes.
pub(crate) struct RaftPlane {
    context: Arc<Context>,
    address: SocketAddr,
    listener: Mutex<Option<TcpListener>>,
}

/// Why a plane cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    #[error("failed to listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Plaintext(#[from] ChannelError),
}

/// What the tasks of a plane share.
pub(super) struct Context {
    pub(super) config: Arc<RaftPlaneConfig>,
    pub(super) table: Table,
    pub(super) accepted: Arc<Accepted>,
    pub(super) complaints: Complaints,
    pub(super) stop: CancellationToken,
    tasks: TaskTracker,
    runtime: Handle,
}

impl RaftPlane {
    /// Begins to listen. Those who call wait until [`serve`](Self::serve). Everything runs on the present runtime.
    pub(crate) async fn bind(config: RaftPlaneConfig) -> Result<Self, BindError> {
        config.security.check_listener(config.listen)?;
        let failed = |source| BindError::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let context = Arc::new(Context {
            config: Arc::new(config),
            table: Table::default(),
            accepted: Arc::default(),
            complaints: Complaints::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
        });
        Ok(Self {
            context,
            address,
            listener: Mutex::new(Some(listener)),
        })
    }

    /// Where it listens; the port is the one it was given if it asked for any.
    #[cfg(test)]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets others call from now on. Only the first service is used.
    pub(crate) fn serve(&self, service: Arc<dyn Service>) {
        if let Some(listener) = self.listener.lock().take() {
            self.context
                .spawn(listener::run(Arc::clone(&self.context), listener, service));
        }
    }

    /// Sets where a node is reached, as host and port, and which name it must have, if that is known. What was on its
    /// way to another address is lost.
    pub(crate) fn set_peer(&self, node: NodeId, address: &str, name: Option<&NodeName>) {
        let context = &self.context;
        let new_link = |lane| {
            let limits = context.config.limits.clone();
            let closed = context.stop.child_token();
            Arc::new(Link::new(node, lane, limits, Meter::new(lane), closed))
        };
        for link in context.table.set(node, address, name, new_link).into_iter().flatten() {
            let config = Arc::clone(&context.config);
            context.spawn(dialler::run(link, config, address.to_owned(), name.cloned()));
        }
    }

    /// Removes a node for good: it is not called, and may not call.
    pub(crate) fn remove_peer(&self, node: NodeId) {
        self.context.table.remove(node);
        self.context.accepted.drop_node(node);
    }

    /// The other nodes, as this one calls them.
    pub(crate) fn peers(&self) -> Arc<dyn Peers> {
        Arc::new(RaftPeers(Arc::clone(&self.context)))
    }

    /// Why the heartbeats of the groups did not reach a node lately, if they did not.
    pub(crate) fn trouble(&self, node: NodeId) -> Option<String> {
        let link = self.context.table.link(node, Lane::Heartbeat).ok()?;
        link.trouble()
    }

    #[cfg(test)]
    pub(super) fn link(&self, node: NodeId, lane: Lane) -> Arc<Link> {
        self.context.table.link(node, lane).expect("the test has set the peer")
    }

    /// Ends all connections and calls, and waits until nothing runs any more.
    pub(crate) async fn shutdown(&self) {
        self.context.stop.cancel();
        self.context.table.stop();
        drop(self.listener.lock().take());
        self.context.tasks.close();
        self.context.tasks.wait().await;
    }
}

impl Drop for RaftPlane {
    fn drop(&mut self) {
        self.context.stop.cancel();
        self.context.table.stop();
    }
}

impl Context {
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.runtime);
    }
}

impl RaftPlaneConfig {
    pub(super) fn identity(&self) -> Identity {
        Identity {
            cluster: self.cluster,
            node: self.node,
            name: self.name.clone(),
        }
    }
}

struct RaftPeers(Arc<Context>);

impl Peers for RaftPeers {
    fn call(
        &self,
        to: NodeId,
        lane: Lane,
        request: Bytes,
        within: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        match self.0.table.link(to, lane) {
            Ok(link) => link.call(request, within),
            Err(reason) => ready(Err(CallError::NotSent {
                node: to,
                reason: reason.to_owned(),
            }))
            .boxed(),
        }
    }
}

impl fmt::Debug for RaftPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RaftPlane")
            .field("node", &self.context.config.node)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
