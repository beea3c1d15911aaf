//! A peer that keeps to the protocol only as far as a test wants.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::Framed;

use super::{NodeId, config};
use crate::raft_plane::{
    frame::{Frame, FrameCodec},
    hello::{Greeting, Hello},
};

/// A peer that keeps to the protocol only as far as a test wants.
pub(super) struct Fake {
    id: NodeId,
    listener: TcpListener,
}

/// A connection to it, after the hello.
pub(super) struct Connection(Framed<TcpStream, FrameCodec>);

impl Fake {
    pub(super) async fn new(id: NodeId) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { id, listener }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Takes a connection in and says nothing.
    pub(super) async fn accept(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    /// Takes a connection in as it should be.
    pub(super) async fn greet(&self) -> Connection {
        let mut stream = self.accept().await;
        Hello::receive(&mut stream).await.unwrap();
        let welcome = Greeting::Welcome(config(self.id).identity());
        welcome.send(&mut stream).await.unwrap();
        Connection(Framed::new(stream, FrameCodec::new(16 << 20)))
    }
}

impl Connection {
    /// The next frame; empty when the connection was closed.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        self.0.next().await.transpose().unwrap_or_default()
    }

    /// Answers a request with itself.
    pub(super) async fn answer(&mut self, request: Frame) {
        let Frame::Request { call, body, .. } = request else {
            panic!("not a request: {request:?}");
        };
        self.0.send(Frame::Answer { call, body }).await.unwrap();
    }
}
