//! Settings of the outbound guard.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Which places requests may go to beyond the public internet, and their bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct OutboundConfig {
    /// Networks that may be reached although they are not public, as CIDR blocks or single addresses.
    pub allow: Vec<Network>,
    /// Ports that may be reached.
    pub ports: Vec<u16>,
    /// Most redirects one request follows.
    pub max_redirects: usize,
    /// Longest time a connection may take to open, in seconds.
    pub connect_seconds: u64,
    /// Longest time a request may take from its first look-up to the end of its body, redirects included, in seconds.
    pub total_seconds: u64,
}

impl Default for OutboundConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            ports: vec![80, 443],
            max_redirects: 3,
            connect_seconds: 5,
            total_seconds: 20,
        }
    }
}

/// A block of addresses, written `10.0.0.0/8`, or a single one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

/// Why a text is no [`Network`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a CIDR block such as 10.0.0.0/8")]
pub struct InvalidNetwork(String);

impl Network {
    /// Tells whether an address is in the block.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let single = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>()
            .or_else(|_| single())
            .map(Self)
            .map_err(|_| InvalidNetwork(text.to_owned()))
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidNetwork;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_in_kebab_case() {
        let config: OutboundConfig = toml::from_str(
            "allow = ['10.1.0.0/16', '::1']\nports = [8080]\nmax-redirects = 1\nconnect-seconds = 2\ntotal-seconds = 3",
        )
        .unwrap();
        assert!(config.allow[0].contains("10.1.2.3".parse().unwrap()));
        assert!(!config.allow[0].contains("10.2.2.3".parse().unwrap()));
        assert_eq!(config.allow[1].to_string(), "::1/128");
        assert_eq!((config.ports, config.max_redirects), (vec![8080], 1));
    }

    #[test]
    fn wrong_settings_are_named() {
        let error = toml::from_str::<OutboundConfig>("allow = ['10.0.0.0/33']")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("\"10.0.0.0/33\" is neither an address nor a CIDR block"),
            "{error}"
        );
        let error = toml::from_str::<OutboundConfig>("allowed = []")
            .unwrap_err()
            .to_string();
        assert!(error.contains("allowed"), "{error}");
    }
}
