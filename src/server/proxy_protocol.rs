//! Connections that begin with a PROXY protocol header, version 1 or 2: a load balancer that passes TCP on says there who
//! called it.
//!
//! They have a listener of their own. Every connection to it must come from a trusted proxy and begin with a header:
//! whether one is there is never guessed, because then a client could write it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use actix_http::error::DispatchError;
use actix_service::{ServiceFactoryExt, fn_service};
use actix_web::dev::Server;
use ppp::{HeaderResult, PartialResult, v1, v2};
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::{
    config::ServerConfig,
    gateway::{Gateway, connections},
    outbound::Network,
};

/// Longest header of version 1, which is text.
const TEXT_BYTES_MAX: usize = 107;

/// Longest header. One of version 2 may carry more than addresses.
const HEADER_BYTES_MAX: usize = 4096;

/// Longest time until the header is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves on the address for proxies, if there is one.
///
/// # Errors
///
/// Fails when the address is taken or not ours.
pub(super) fn serve(config: &ServerConfig, gateway: &Gateway) -> io::Result<Option<Server>> {
    let Some(address) = config.proxy_address() else {
        return Ok(None);
    };
    let mut server = Server::build().disable_signals().shutdown_timeout(config.drain_seconds);
    if config.workers > 0 {
        server = server.workers(config.workers);
    }
    let (gateway, trusted) = (gateway.clone(), config.trusted_proxies.clone());
    let stopping = server.graceful_shutdown_signal();
    let server = server.bind("proxy-protocol", address, move || {
        let trusted = trusted.clone();
        let accept = fn_service(move |mut stream: TcpStream| {
            let trusted = trusted.clone();
            async move {
                let client = accept(&mut stream, &trusted).await.inspect_err(|error| {
                    tracing::debug!(%error, "a connection was refused by the listener for proxies");
                })?;
                stream.set_nodelay(true)?;
                Ok::<_, io::Error>((stream, Some(client)))
            }
        });
        let stopping = stopping.clone();
        accept
            .map_err(DispatchError::Io)
            .and_then(connections(&gateway, address, move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            }))
    })?;
    Ok(Some(server.run()))
}

/// Takes the header off a connection. Returns the address of the client; that of the proxy, if the proxy itself called.
async fn accept(stream: &mut TcpStream, trusted: &[Network]) -> io::Result<SocketAddr> {
    let peer = stream.peer_addr()?;
    if !is_trusted(peer.ip(), trusted) {
        return Err(refused(format!("{} is no trusted proxy", peer.ip())));
    }
    let client = tokio::time::timeout(PATIENCE, read_header(stream))
        .await
        .map_err(|_| refused("the PROXY protocol header took too long".to_owned()))??;
    Ok(client.unwrap_or(peer))
}

fn is_trusted(peer: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(peer.to_canonical()))
}

/// Reads a header to its end, and not a byte beyond.
async fn read_header(stream: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut header = vec![0; HEADER_BYTES_MAX];
    let mut taken = 0;
    loop {
        let seen = taken + stream.peek(&mut header[taken..]).await?;
        if seen == taken {
            return Err(refused(
                "the connection ended within the PROXY protocol header".to_owned(),
            ));
        }
        // The text form ends with its line, and a line that is cut off may look like a malformed one.
        let is_cut = header[0] == b'P' && seen < TEXT_BYTES_MAX && !header[..seen].contains(&b'\n');
        let parsed = HeaderResult::parse(&header[..seen]);
        if is_cut || parsed.is_incomplete() {
            if seen == header.len() {
                return Err(refused("the PROXY protocol header is too long".to_owned()));
            }
            // All that was seen belongs to the header.
            stream.read_exact(&mut header[taken..seen]).await?;
            taken = seen;
            continue;
        }
        let (length, client) = client(&parsed)?;
        if length < taken {
            return Err(refused("the PROXY protocol header is malformed".to_owned()));
        }
        stream.read_exact(&mut header[taken..length]).await?;
        return Ok(client);
    }
}

/// The length of a header, and the client it names.
fn client(parsed: &HeaderResult<'_>) -> io::Result<(usize, Option<SocketAddr>)> {
    let malformed = |error: &dyn std::fmt::Display| refused(format!("the PROXY protocol header is malformed: {error}"));
    match parsed {
        HeaderResult::V1(parsed) => {
            let header = parsed.as_ref().map_err(|error| malformed(error))?;
            let client = match header.addresses {
                v1::Addresses::Unknown => None,
                v1::Addresses::Tcp4(ip) => Some(SocketAddr::from((ip.source_address, ip.source_port))),
                v1::Addresses::Tcp6(ip) => Some(SocketAddr::from((ip.source_address, ip.source_port))),
            };
            Ok((header.header.len(), client))
        }
        HeaderResult::V2(parsed) => {
            let header = parsed.as_ref().map_err(|error| malformed(error))?;
            let client = match (header.command, header.addresses) {
                // The proxy looks whether we are well.
                (v2::Command::Local, _) | (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => None,
                (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => {
                    Some(SocketAddr::from((ip.source_address, ip.source_port)))
                }
                (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => {
                    Some(SocketAddr::from((ip.source_address, ip.source_port)))
                }
            };
            Ok((header.header.len(), client))
        }
    }
}

fn refused(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt, net::TcpListener};

    use super::*;

    /// A header of version 2 for TCP over IPv4, from 203.0.113.7:4711.
    const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\x0a\x00\x00\x01\x12\x67\x01\xbb";

    /// What becomes of a connection on which these parts are sent, and what is left of them behind the header.
    async fn sent(parts: &[&[u8]], trusted: &str) -> (io::Result<SocketAddr>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let send = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            for part in parts {
                // The other side may have hung up.
                let _ = stream.write_all(part).await;
                tokio::task::yield_now().await;
            }
            let _ = stream.shutdown().await;
            stream
        };
        let take = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let client = accept(&mut stream, &[trusted.parse().unwrap()]).await;
            let mut rest = Vec::new();
            if client.is_ok() {
                stream.read_to_end(&mut rest).await.unwrap();
            }
            (client, rest)
        };
        let (_, taken) = tokio::join!(send, take);
        taken
    }

    #[tokio::test]
    async fn both_versions_name_the_client_and_leave_the_request() {
        let text: &[u8] = b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n";
        for header in [text, BINARY] {
            let (client, rest) = sent(&[header, b"GET / HTTP/1.1\r\n"], "127.0.0.0/8").await;
            assert_eq!(client.unwrap().to_string(), "203.0.113.7:4711");
            assert_eq!(rest, b"GET / HTTP/1.1\r\n");
        }
    }

    #[tokio::test]
    async fn a_header_may_come_byte_by_byte() {
        for header in [&b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n"[..], BINARY] {
            let mut parts: Vec<_> = header.chunks(1).collect();
            parts.push(b"rest");
            let (client, rest) = sent(&parts, "127.0.0.1").await;
            assert_eq!(client.unwrap().port(), 4711);
            assert_eq!(rest, b"rest");
        }
    }

    #[tokio::test]
    async fn a_proxy_that_speaks_for_itself_is_the_client() {
        let local: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
        for header in [&b"PROXY UNKNOWN\r\n"[..], local] {
            let (client, _) = sent(&[header], "127.0.0.1").await;
            assert_eq!(client.unwrap().ip().to_string(), "127.0.0.1");
        }
    }

    #[tokio::test]
    async fn whoever_is_not_trusted_or_sends_no_header_is_refused() {
        let text: &[u8] = b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n";
        let reason = |sent: (io::Result<SocketAddr>, Vec<u8>)| sent.0.unwrap_err().to_string();
        assert!(reason(sent(&[text], "10.0.0.0/8").await).contains("no trusted proxy"));
        assert!(reason(sent(&[b"GET / HTTP/1.1\r\n\r\n"], "127.0.0.1").await).contains("malformed"));
        assert!(reason(sent(&[&BINARY[..20]], "127.0.0.1").await).contains("ended within"));
        let long = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"[..], &[0; 8192]].concat();
        assert!(reason(sent(&[&long], "127.0.0.1").await).contains("too long"));
    }
}
