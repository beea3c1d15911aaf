//! Takes connections in, and finds out who calls.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::{
    accepted::Place,
    hello::{Greeting, Hello, HelloError},
    incoming,
    meter::label,
    plane::Context,
    table::Refusal,
};
use crate::{
    peers::{Lane, NodeId, Service},
    tls::{ChannelError, Stream},
};

/// Pause after a connection could not be taken in, which happens when the process has too many files open.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a connection is not taken in.
#[derive(Debug, thiserror::Error)]
enum GreetError {
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Hello(#[from] HelloError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("it did not say who it is in time")]
    Late,
    #[error("too many others have connected and not said who they are")]
    Displaced,
}

/// Takes connections in until the plane stops.
pub(super) async fn run(context: Arc<Context>, listener: TcpListener, service: Arc<dyn Service>) {
    loop {
        let accepted = tokio::select! {
            () = context.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, address)) => {
                let place = context.accepted.greet(&context.config.limits);
                let connection = take_in(Arc::clone(&context), socket, address, place, Arc::clone(&service));
                context.spawn(connection);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken in");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn take_in(
    context: Arc<Context>,
    socket: TcpStream,
    address: SocketAddr,
    mut place: Place,
    service: Arc<dyn Service>,
) {
    let lost = place.lost.clone();
    let greeting = timeout(context.config.limits.greeting, greet(&context, socket, &mut place));
    let greeted = tokio::select! {
        () = context.stop.cancelled() => return,
        () = lost.cancelled() => Err(GreetError::Displaced),
        greeted = greeting => greeted.unwrap_or(Err(GreetError::Late)),
    };
    let (node, lane, stream) = match greeted {
        Ok(greeted) => greeted,
        Err(error) => {
            let reason = error.to_string();
            if context.complaints.is_news(address.ip(), &reason) {
                tracing::warn!(%address, reason, "a connection was refused");
            } else {
                tracing::debug!(%address, reason, "a connection was refused");
            }
            return;
        }
    };
    context.table.heard(node);
    tracing::debug!(%node, lane = label(lane), %address, "a node has connected");
    let reason = tokio::select! {
        () = context.stop.cancelled() => return,
        () = lost.cancelled() => "the node has another connection, or may not have one".to_owned(),
        reason = incoming::run(&context, stream, node, lane, &service) => reason,
    };
    tracing::debug!(%node, lane = label(lane), %address, reason, "a connection has ended");
}

async fn greet(context: &Context, socket: TcpStream, place: &mut Place) -> Result<(NodeId, Lane, Stream), GreetError> {
    let config = &context.config;
    let mut channel = config.security.accept(socket).await?;
    let hello = match Hello::receive(&mut channel.stream).await {
        Ok(hello) => hello,
        Err(error) => {
            if let HelloError::Versions(_) = &error {
                let refused = Greeting::Refused(error.to_string());
                refused.send(&mut channel.stream).await.map_err(HelloError::Io)?;
            }
            return Err(error.into());
        }
    };
    let (node, lane) = (hello.from.node, hello.lane);
    let admit = || context.table.admit(config, &hello, channel.peer.as_ref());
    // Once more when its place is known: it may have been removed in between.
    let admitted = admit()
        .and_then(|()| place.settle(node, lane, &config.limits))
        .and_then(|()| admit());
    if let Err(refusal) = admitted {
        let refused = Greeting::Refused(refusal.to_string());
        refused.send(&mut channel.stream).await.map_err(HelloError::Io)?;
        return Err(refusal.into());
    }
    let welcome = Greeting::Welcome(config.identity());
    welcome.send(&mut channel.stream).await.map_err(HelloError::Io)?;
    Ok((node, lane, channel.stream))
}
