//! Names of nodes, as people and certificates know them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest name: it is one label of a DNS name.
const LENGTH_MAX: usize = 63;

/// Name of a node: one label of a DNS name in lower case, so letters, digits and hyphens.
///
/// A name is for people and for certificates. Within the cluster a node is its [`NodeId`](crate::NodeId).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(String);

/// A text that cannot be the name of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name for a node: use 1 to {LENGTH_MAX} lower-case letters, digits and hyphens, none of them at an end"
)]
pub struct InvalidNodeName(String);

impl NodeName {
    /// The domain of all nodes. It is never resolved: it stands in certificates and nowhere else, below a top-level
    /// domain that is reserved for private use. Every certificate of a node also carries it as it is, for those who do
    /// not know yet which node they will find.
    pub const DOMAIN: &'static str = "node.internal";

    /// Checks a name.
    ///
    /// # Errors
    /// That it is no label of a DNS name in lower case.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidNodeName> {
        let name = name.into();
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty()
            || name.len() > LENGTH_MAX
            || !name.bytes().all(fits)
            || name.starts_with('-')
            || name.ends_with('-')
        {
            return Err(InvalidNodeName(name));
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The DNS name that a certificate of this node carries: the name below [`NodeName::DOMAIN`].
    pub fn dns_name(&self) -> String {
        format!("{}.{}", self.0, Self::DOMAIN)
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for NodeName {
    type Err = InvalidNodeName;

    fn from_str(name: &str) -> Result<Self, InvalidNodeName> {
        Self::new(name)
    }
}

impl TryFrom<String> for NodeName {
    type Error = InvalidNodeName;

    fn try_from(name: String) -> Result<Self, InvalidNodeName> {
        Self::new(name)
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_label_in_lower_case() {
        for name in ["a", "node-1", "7", &"x".repeat(63)] {
            assert_eq!(NodeName::new(name).map(String::from).as_deref(), Ok(name));
        }
        for name in ["", "-a", "a-", "A", "a.b", "a_b", "ä", "*", &"x".repeat(64)] {
            assert_eq!(NodeName::new(name), Err(InvalidNodeName(name.to_owned())));
        }
    }
}
