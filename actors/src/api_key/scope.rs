//! What an API key may do.

use std::collections::BTreeSet;

use cluster::prelude::{ActorError, Result};
use serde::{Deserialize, Serialize};

use crate::role::Role;

/// Permissions of one key.
const PERMISSIONS_MAX: usize = 64;
/// Longest name of a permission, in bytes.
const PERMISSION_BYTES_MAX: usize = 64;

/// What an API key may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All that a role may.
    Role(Role),
    /// What is listed, as `run:view`. Which permissions there are is not decided here.
    Permissions(BTreeSet<String>),
}

impl Scope {
    /// Fails for names that no permission has, and for too many or none of them.
    pub(crate) fn check(&self) -> Result<()> {
        let is_word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte == b'_')
        };
        let is_permission = |name: &String| {
            let parts = name.split_once(':');
            name.len() <= PERMISSION_BYTES_MAX && parts.is_some_and(|(area, deed)| is_word(area) && is_word(deed))
        };
        let is_lawful = match self {
            Self::Role(_) => true,
            Self::Permissions(names) => {
                !names.is_empty() && names.len() <= PERMISSIONS_MAX && names.iter().all(is_permission)
            }
        };
        if is_lawful {
            Ok(())
        } else {
            Err(ActorError::invalid(
                "key.scope",
                format!("a key has a role or 1 to {PERMISSIONS_MAX} permissions such as run:view"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions<const N: usize>(names: [&str; N]) -> Scope {
        Scope::Permissions(names.map(str::to_owned).into())
    }

    #[test]
    fn scopes_are_checked() {
        for good in [
            Scope::Role(Role::Operator),
            permissions(["run:view", "user:assign_role"]),
        ] {
            assert!(good.check().is_ok(), "{good:?}");
        }
        let many = (0..65).map(|n| format!("run:{}", "x".repeat(n + 1))).collect();
        for bad in [
            permissions([]),
            permissions(["run"]),
            permissions([":view"]),
            permissions(["run:"]),
            permissions(["run:view", "Run:view"]),
            permissions(["run:*"]),
            permissions(["run:view\n"]),
            Scope::Permissions(many),
        ] {
            assert_eq!(bad.check().unwrap_err().code(), "key.scope", "{bad:?}");
        }
    }
}
