//! Where a request comes from, when proxies stand between.
//!
//! A proxy appends the address it was called from to a header. Anybody can send such a header, so only what trusted
//! proxies have written counts: the chain is read from its end, where the last proxy wrote, for as long as the writer is
//! trusted. Which header the proxies keep is a setting, because they pass on the other one as the client wrote it.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{self, HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};

use crate::outbound::Network;

/// Proxies that a chain is followed through; no real one is longer.
const HOPS_MAX: usize = 32;

/// The header in which proxies say where a request came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// The custom: addresses separated by commas.
    #[default]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl ForwardedHeader {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => header::X_FORWARDED_FOR,
            Self::Forwarded => header::FORWARDED,
        }
    }

    /// The address in one element of the header; none if it is hidden or broken.
    fn address(self, element: &str) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => address(element),
            Self::Forwarded => element.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case("for").then(|| address(value))?
            }),
        }
    }
}

/// The address that a request comes from, as the gateway found it out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// The address of the client behind `peer`, who sent the request here.
pub(crate) fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    forwarded: ForwardedHeader,
    trusted: &[Network],
) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = canonical(peer);
    if !is_trusted(client) {
        return client;
    }
    let lines: Vec<_> = headers.get_all(forwarded.name()).collect();
    // A comma within quotes is not seen as such; no address holds one, so such an element is broken, and ends the chain.
    let hops = lines
        .iter()
        .rev()
        .flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for hop in hops.take(HOPS_MAX) {
        let Some(address) = forwarded.address(hop) else { break };
        client = address;
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// Reads `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:80`, also in quotes.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = bare
        .unwrap_or(text)
        .parse()
        .or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()));
    address.ok().map(canonical)
}

/// An IPv4 address that came in an IPv6 socket is an IPv4 address.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn seen(peer: &str, name: ForwardedHeader, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.name(), HeaderValue::from_str(line).unwrap());
        }
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48"].map(|network| network.parse().unwrap());
        client_address(peer.parse().unwrap(), &headers, name, &trusted).to_string()
    }

    fn x(peer: &str, lines: &[&str]) -> String {
        seen(peer, ForwardedHeader::XForwardedFor, lines)
    }

    #[test]
    fn nobody_but_a_trusted_proxy_is_believed() {
        assert_eq!(x("192.0.2.9", &["203.0.113.1"]), "192.0.2.9");
        assert_eq!(x("10.0.0.1", &["203.0.113.1"]), "203.0.113.1");
        assert_eq!(x("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(x("::ffff:10.0.0.1", &["203.0.113.1"]), "203.0.113.1");
    }

    #[test]
    fn what_a_client_wrote_before_the_first_trusted_proxy_is_not_believed() {
        assert_eq!(x("10.0.0.1", &["1.1.1.1, 203.0.113.1"]), "203.0.113.1");
        assert_eq!(x("10.0.0.1", &["10.9.9.9, 203.0.113.1, 10.0.0.2"]), "203.0.113.1");
        assert_eq!(x("10.0.0.1", &["1.1.1.1", "203.0.113.1", "10.0.0.2"]), "203.0.113.1");
        assert_eq!(
            x("10.0.0.1", &["203.0.113.1, nonsense, 10.0.0.2"]),
            "10.0.0.2",
            "what cannot be read ends the chain"
        );
    }

    #[test]
    fn a_header_that_the_proxies_do_not_keep_is_not_read() {
        let mut headers = HeaderMap::new();
        headers.append(header::FORWARDED, HeaderValue::from_static("for=1.1.1.1"));
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let peer = "10.0.0.1".parse().unwrap();
        let client = client_address(peer, &headers, ForwardedHeader::XForwardedFor, &trusted);
        assert_eq!(client, peer);
    }

    #[test]
    fn the_standard_header_is_read_in_all_its_forms() {
        let standard = |line: &str| seen("10.0.0.1", ForwardedHeader::Forwarded, &[line]);
        assert_eq!(standard("for=203.0.113.1;proto=https;by=10.0.0.1"), "203.0.113.1");
        assert_eq!(standard("proto=https; For=\"203.0.113.1:4711\""), "203.0.113.1");
        assert_eq!(standard("for=\"[2001:db8:9::1]:4711\""), "2001:db8:9::1");
        assert_eq!(
            standard("for=1.1.1.1, for=\"[2001:db8:9::1]\", for=10.0.0.2"),
            "2001:db8:9::1"
        );
        assert_eq!(standard("for=203.0.113.1, for=_hidden"), "10.0.0.1");
        assert_eq!(standard("for=unknown"), "10.0.0.1");
    }

    #[test]
    fn a_chain_of_trusted_addresses_alone_ends() {
        let long = vec!["10.0.0.3"; 10_000].join(",");
        assert_eq!(x("10.0.0.1", &[&long]), "10.0.0.3");
    }
}
