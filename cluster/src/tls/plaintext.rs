//! Where nodes may talk without certificates.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Between which addresses nodes may talk without certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plaintext {
    /// Within one machine.
    #[default]
    Loopback,
    /// Also between these addresses. They must belong to a network that encrypts what it carries and lets only the
    /// nodes in: whoever reaches a node in plaintext can be any node.
    Between(Vec<IpAddr>),
}

impl Plaintext {
    /// Whether an end of a connection may have this address.
    pub(super) fn permits(&self, end: IpAddr) -> bool {
        let end = end.to_canonical();
        end.is_loopback()
            || match self {
                Self::Loopback => false,
                Self::Between(ends) => ends.iter().any(|permitted| permitted.to_canonical() == end),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_and_named_ones_may_talk_in_plaintext() {
        let ends = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let loopback = ends(&["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"]);
        let others = ends(&["0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1"]);
        let named = Plaintext::Between(ends(&["10.0.0.1"]));
        assert!(
            loopback
                .iter()
                .all(|end| Plaintext::Loopback.permits(*end) && named.permits(*end))
        );
        assert!(!others.iter().any(|end| Plaintext::Loopback.permits(*end)));
        let permitted = others.iter().map(|end| named.permits(*end)).collect::<Vec<_>>();
        assert_eq!(permitted, [false, false, true, true, false]);
    }
}
