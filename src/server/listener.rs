//! The listener for clients, with TLS or without.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use actix_http::error::DispatchError;
use actix_service::{ServiceFactoryExt, fn_service};
use actix_web::dev::Server;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::tls::ServerCertificate;
use crate::{
    config::ServerConfig,
    gateway::{Gateway, connections},
};

/// Longest time until a connection is encrypted.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Listens where the configuration says.
///
/// # Errors
///
/// Fails when the address is taken or not ours.
pub(super) fn serve(
    config: &ServerConfig,
    certificate: Option<&Arc<ServerCertificate>>,
    gateway: &Gateway,
) -> io::Result<Server> {
    let mut server = Server::build().disable_signals().shutdown_timeout(config.drain_seconds);
    if config.workers > 0 {
        server = server.workers(config.workers);
    }
    let (address, gateway) = (config.bind, gateway.clone());
    let stopping = server.graceful_shutdown_signal();
    let Some(certificate) = certificate else {
        let server = server.bind("http", address, move || {
            let stopping = stopping.clone();
            fn_service(plain).and_then(connections(&gateway, address, move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            }))
        })?;
        return Ok(server.run());
    };
    let mut tls = certificate.server_config();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let server = server.bind("https", address, move || {
        let (acceptor, stopping) = (acceptor.clone(), stopping.clone());
        let accept = fn_service(move |stream: TcpStream| encrypted(acceptor.clone(), stream));
        accept.and_then(connections(&gateway, address, move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        }))
    })?;
    Ok(server.run())
}

async fn plain(stream: TcpStream) -> Result<(TcpStream, Option<SocketAddr>), DispatchError> {
    stream.set_nodelay(true).map_err(DispatchError::Io)?;
    let peer = stream.peer_addr().ok();
    Ok((stream, peer))
}

async fn encrypted(
    acceptor: TlsAcceptor,
    stream: TcpStream,
) -> Result<(TlsStream<TcpStream>, Option<SocketAddr>), DispatchError> {
    let (stream, peer) = plain(stream).await?;
    let accepted = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
    let accepted = accepted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let stream = accepted.map_err(DispatchError::Io)?;
    Ok((stream, peer))
}
