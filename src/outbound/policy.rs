//! The decisions of the guard.

use std::net::{IpAddr, Ipv6Addr};

use url::{Host, Origin, Url};

use super::address::{Scope, embedded, scope};
use super::{Network, OutboundConfig};

/// What may be requested. Decisions are functions of values; nothing is resolved here.
#[derive(Debug, Clone)]
pub struct Policy {
    places: Places,
}

#[derive(Debug, Clone)]
enum Places {
    /// The public internet and the operator's own list.
    Public { allow: Vec<Network>, ports: Vec<u16> },
    /// One service that the operator has named.
    Service(Origin),
}

/// Why a request must not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The scheme is neither `http` nor `https`.
    #[error("scheme {0} is not http or https")]
    Scheme(String),
    /// The URL carries a user or a password.
    #[error("credentials in the address")]
    Credentials,
    /// There is no host.
    #[error("no host in the address")]
    NoHost,
    /// The port is not among those that may be reached.
    #[error("port {0} is not permitted")]
    Port(u16),
    /// The address is not public and not in the operator's list.
    #[error("{address} is not a public address ({scope})")]
    Address {
        /// The address.
        address: IpAddr,
        /// Its reach.
        scope: Scope,
    },
    /// The URL leads away from the only service that may be asked.
    #[error("{0} is not the configured service")]
    OtherService(String),
}

impl Policy {
    /// The public internet and what the operator added to it: for addresses that others had a say in.
    pub fn public(config: &OutboundConfig) -> Self {
        Self {
            places: Places::Public {
                allow: config.allow.clone(),
                ports: config.ports.clone(),
            },
        }
    }

    /// The scheme, host and port of one URL, wherever that is: for a service whose address the operator has configured.
    ///
    /// It does not widen what [`public`](Self::public) permits, so a search engine on the own machine makes nothing else of
    /// that machine reachable.
    pub fn service(base: &Url) -> Self {
        Self {
            places: Places::Service(base.origin()),
        }
    }

    /// Decides about a URL, before anything is resolved. Where the host is an address this decides about it too.
    ///
    /// Every spelling of an address (decimal, octal, hexadecimal, shortened, bracketed) is an address by now: the parser of
    /// URLs makes it one, and the resolver is never asked for it.
    ///
    /// # Errors
    /// The first reason to refuse it.
    pub fn check_url(&self, url: &Url) -> Result<(), Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        let port = url.port_or_known_default().ok_or(Refusal::NoHost)?;
        match &self.places {
            Places::Public { ports, .. } if !ports.contains(&port) => return Err(Refusal::Port(port)),
            Places::Service(origin) if url.origin() != *origin => {
                return Err(Refusal::OtherService(url.origin().ascii_serialization()));
            }
            Places::Public { .. } | Places::Service(_) => {}
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(address.into()),
            Some(Host::Ipv6(address)) => self.check_address(address.into()),
            Some(Host::Domain(_)) => Ok(()),
            None => Err(Refusal::NoHost),
        }
    }

    /// Decides about an address that a connection would be made to.
    ///
    /// # Errors
    /// [`Refusal::Address`] where it is neither public nor listed.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Refusal> {
        let Places::Public { allow, .. } = &self.places else {
            return Ok(());
        };
        let listed = |address: IpAddr| allow.iter().any(|network| network.contains(address));
        let reach = |address: IpAddr| if listed(address) { Scope::Global } else { scope(address) };
        let canonical = address.to_canonical();
        let scope = match canonical {
            IpAddr::V6(v6) if !listed(canonical) && leads_on(v6) => embedded(v6)
                .map(|inner| reach(inner.into()))
                .find(|scope| *scope != Scope::Global)
                .unwrap_or(Scope::Global),
            IpAddr::V4(_) | IpAddr::V6(_) => reach(canonical),
        };
        if scope == Scope::Global || listed(address) {
            Ok(())
        } else {
            Err(Refusal::Address { address, scope })
        }
    }
}

fn leads_on(address: Ipv6Addr) -> bool {
    embedded(address).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[&str], ports: &[u16]) -> Policy {
        let allow = allow.iter().map(|network| network.parse().unwrap()).collect();
        Policy::public(&OutboundConfig {
            allow,
            ports: ports.to_vec(),
            ..OutboundConfig::default()
        })
    }

    fn check(policy: &Policy, url: &str) -> Result<(), Refusal> {
        policy.check_url(&Url::parse(url).unwrap())
    }

    #[test]
    fn public_urls_pass() {
        let policy = policy(&[], &[80, 443]);
        for url in [
            "http://example.com",
            "https://example.com/a?b#c",
            "https://example.com:443/",
            "http://1.1.1.1/",
            "https://[2606:4700:4700::1111]/",
        ] {
            assert_eq!(check(&policy, url), Ok(()), "{url}");
        }
    }

    #[test]
    fn urls_that_are_not_plain_http_are_refused() {
        let policy = policy(&[], &[80, 443]);
        let table = [
            ("ftp://example.com/", Refusal::Scheme("ftp".into())),
            ("file:///etc/passwd", Refusal::Scheme("file".into())),
            ("data:text/plain,hello", Refusal::Scheme("data".into())),
            ("gopher://example.com/", Refusal::Scheme("gopher".into())),
            ("http://user@example.com/", Refusal::Credentials),
            ("http://:secret@example.com/", Refusal::Credentials),
            ("http://example.com:22/", Refusal::Port(22)),
            ("https://example.com:8443/", Refusal::Port(8443)),
        ];
        for (url, expected) in table {
            assert_eq!(check(&policy, url), Err(expected), "{url}");
        }
    }

    #[test]
    fn every_spelling_of_a_private_address_is_refused() {
        let policy = policy(&[], &[80, 443]);
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://127.0.0.1./",
            "http://2130706433/",
            "http://017700000001/",
            "http://0177.0.0.1/",
            "http://0x7f000001/",
            "http://0x7f.0x0.0x0.0x1/",
            "http://%31%32%37.0.0.1/",
            "http://１２７.0.0.1/",
            "http://0/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[::1]/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[fe80::1]/",
            "http://[fd00::1]/",
        ] {
            assert!(
                matches!(check(&policy, url), Err(Refusal::Address { .. })),
                "{url}: {:?}",
                check(&policy, url)
            );
        }
    }

    #[test]
    fn an_address_with_a_zone_is_no_url() {
        assert!(Url::parse("http://[fe80::1%25eth0]/").is_err());
    }

    #[test]
    fn the_operators_list_opens_exactly_its_blocks() {
        let policy = policy(&["10.1.0.0/16", "::1", "fd00:1::/32"], &[80]);
        for address in [
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "64:ff9b::10.1.2.3",
            "2002:a01:203::",
            "::1",
            "fd00:1::5",
        ] {
            assert_eq!(policy.check_address(address.parse().unwrap()), Ok(()), "{address}");
        }
        for address in ["10.2.0.1", "127.0.0.1", "fd00:2::5", "64:ff9b::10.2.0.1", "::2"] {
            assert!(policy.check_address(address.parse().unwrap()).is_err(), "{address}");
        }
        // A Teredo address names two addresses, and one that is listed does not excuse the other.
        assert!(
            policy
                .check_address("2001:0:a01:203::80ff:fffe".parse().unwrap())
                .is_err()
        );
    }

    #[test]
    fn a_service_is_its_origin_and_nothing_else() {
        let policy = Policy::service(&Url::parse("http://127.0.0.1:8888/search").unwrap());
        assert_eq!(check(&policy, "http://127.0.0.1:8888/other?q=1"), Ok(()));
        for url in [
            "http://127.0.0.1:8889/",
            "https://127.0.0.1:8888/",
            "http://localhost:8888/",
            "http://1.1.1.1/",
        ] {
            assert!(matches!(check(&policy, url), Err(Refusal::OtherService(_))), "{url}");
        }
    }

    #[test]
    fn a_refusal_says_what_and_why() {
        let refusal = policy(&[], &[80])
            .check_address("169.254.169.254".parse().unwrap())
            .unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "169.254.169.254 is not a public address (link-local)"
        );
    }
}
