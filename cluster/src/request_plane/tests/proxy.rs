//! A wire between two nodes that can be cut, or hold back what goes one way.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What a wire lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    Fair,
    /// Nothing gets through; both connections stay open.
    Frozen,
    /// Nothing gets to the node behind the wire.
    FrozenForth,
    /// Nothing comes from the node behind the wire.
    FrozenBack,
}

/// A listener that forwards to another.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    weather: Arc<watch::Sender<Weather>>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub(super) async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let weather = Arc::new(watch::Sender::new(Weather::Fair));
        let changes = Arc::clone(&weather);
        let task = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let Ok(far) = TcpStream::connect(to).await else {
                    continue;
                };
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = far.into_split();
                let forth = changes.subscribe();
                let back = changes.subscribe();
                tokio::spawn(forward(near_read, far_write, forth, Weather::FrozenForth));
                tokio::spawn(forward(far_read, near_write, back, Weather::FrozenBack));
            }
        });
        Self { address, weather, task }
    }

    pub(super) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut weather: watch::Receiver<Weather>,
    frozen: Weather,
) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let is_fair = |weather: &Weather| *weather != Weather::Frozen && *weather != frozen;
        if weather.wait_for(is_fair).await.is_err() {
            return;
        }
        tokio::select! {
            _ = weather.changed() => {}
            read = from.read(&mut bytes) => match read {
                Ok(read) if read > 0 && to.write_all(&bytes[..read]).await.is_ok() => {}
                Ok(_) | Err(_) => return,
            },
        }
    }
}
