//! Makes the connection of a link when something is to be sent on it.

use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::{
    RaftPlaneConfig,
    hello::{Greeting, Hello, HelloError, Identity},
    link::{End, Link},
    meter::label,
    outgoing,
};
use crate::{
    node_name::NodeName,
    tls::{ChannelError, Stream},
};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error("the hello failed: {0}")]
    Hello(#[from] HelloError),
    #[error("it refused the connection: {0}")]
    Refused(String),
    #[error("node {} ({}) of cluster {} answers there", .0.node, .0.name, .0.cluster)]
    AnotherNode(Identity),
    #[error("it shows the certificate of {certificate}, but calls itself {name}")]
    Certificate { certificate: NodeName, name: NodeName },
    #[error("connecting took too long")]
    Late,
}

/// Dials whenever that is wanted and allowed, until the link is closed.
pub(super) async fn run(link: Arc<Link>, config: Arc<RaftPlaneConfig>, address: String, name: Option<NodeName>) {
    let dialling = async {
        loop {
            link.wanted().await;
            once(&link, &config, &address, name.as_ref()).await;
        }
    };
    tokio::select! {
        () = link.closed.cancelled() => {}
        () = dialling => {}
    }
}

async fn once(link: &Link, config: &RaftPlaneConfig, address: &str, name: Option<&NodeName>) {
    let (node, lane) = (link.node, label(link.lane));
    let connecting = timeout(link.limits.greeting, connect(link, config, address, name));
    match connecting.await.unwrap_or(Err(DialError::Late)) {
        Ok(stream) => {
            link.connected();
            tracing::debug!(%node, lane, address, "connected");
            let since = Instant::now();
            match outgoing::run(link, stream).await {
                End::Idle => tracing::debug!(%node, lane, "the connection was not used any more"),
                End::Lost(reason) => {
                    link.lost(&reason, since.elapsed());
                    tracing::warn!(%node, lane, address, reason, "the connection to a node was lost");
                }
            }
        }
        Err(error) => {
            let reason = error.to_string();
            if link.unreachable(&reason) {
                tracing::warn!(%node, lane, address, reason, "a node cannot be reached");
            } else {
                tracing::debug!(%node, lane, address, reason, "a node can still not be reached");
            }
        }
    }
}

async fn connect(
    link: &Link,
    config: &RaftPlaneConfig,
    address: &str,
    expected: Option<&NodeName>,
) -> Result<Stream, DialError> {
    let mut channel = config.security.dial(address, expected).await?;
    let hello = Hello {
        from: config.identity(),
        to: link.node,
        lane: link.lane,
    };
    hello.send(&mut channel.stream).await.map_err(HelloError::Io)?;
    let found = match Greeting::receive(&mut channel.stream).await? {
        Greeting::Welcome(found) => found,
        Greeting::Refused(reason) => return Err(DialError::Refused(reason)),
    };
    if found.cluster != config.cluster
        || found.node != link.node
        || expected.is_some_and(|expected| *expected != found.name)
    {
        return Err(DialError::AnotherNode(found));
    }
    match channel.peer {
        Some(certificate) if certificate != found.name => Err(DialError::Certificate {
            certificate,
            name: found.name,
        }),
        Some(_) | None => Ok(channel.stream),
    }
}
