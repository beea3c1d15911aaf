//! E-mail addresses, by which accounts are found.

use std::{fmt, fmt::Write as _};

use cluster::prelude::{ActorError, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Longest address, in bytes.
const BYTES_MAX: usize = 254;

/// Longest part before the `@`, in bytes.
const LOCAL_BYTES_MAX: usize = 64;

/// Longest label of a domain, in bytes.
const LABEL_BYTES_MAX: usize = 63;

/// One plain address, in lower case, so that a person is found however it is typed.
///
/// Addresses in quotes, with comments, names, an address literal or characters beyond ASCII are refused: each of them is a way
/// to write one mailbox in two ways, or two addresses as one. A domain of another script is written in its ASCII form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl Email {
    /// Checks and normalises an address.
    ///
    /// # Errors
    /// `email.invalid` if it is not one plain address of up to 254 bytes.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim();
        if is_plain(text) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(ActorError::invalid(
                "email.invalid",
                "this is not a plain e-mail address such as name@example.org",
            ))
        }
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name of the account actor of this address.
    #[must_use]
    pub fn account(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        digest.iter().fold(String::with_capacity(64), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes everything");
            text
        })
    }
}

fn is_plain(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= BYTES_MAX
        && local.len() <= LOCAL_BYTES_MAX
        && local.split('.').all(is_atom)
        && domain.split('.').all(is_label)
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Email {
    type Error = ActorError;

    fn try_from(text: String) -> Result<Self> {
        Self::new(&text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_addresses_are_taken_and_lower_case() {
        for (text, normal) in [
            ("ann@example.org", "ann@example.org"),
            ("  Ann.Lee+x@Example.ORG\n", "ann.lee+x@example.org"),
            ("root@localhost", "root@localhost"),
            ("o'hara_1@xn--bcher-kva.example", "o'hara_1@xn--bcher-kva.example"),
        ] {
            let email = Email::new(text).unwrap();
            assert_eq!(email.as_str(), normal);
            assert_eq!(
                Email::new(email.as_str()).unwrap(),
                email,
                "normalising twice changes nothing"
            );
        }
    }

    #[test]
    fn whatever_is_not_one_plain_address_is_refused() {
        let long = format!("{}@example.org", "x".repeat(65));
        let longer = format!("a@{}.example.org", "x.".repeat(125).trim_end_matches('.'));
        let label = format!("a@{}.org", "x".repeat(64));
        for bad in [
            "",
            "ann",
            "@example.org",
            "ann@",
            "ann@@example.org",
            "ann@a@b",
            "ann@example..org",
            "ann@.org",
            "ann@-a.org",
            "ann@a-.org",
            ".ann@example.org",
            "ann.@example.org",
            "a..b@example.org",
            "a b@example.org",
            "\"a\"@example.org",
            "Ann <ann@example.org>",
            "ann@example.org, bob@example.org",
            "ann@example.org\r\nBcc: bob@example.org",
            "ann@[127.0.0.1]",
            "ann@example_.org",
            "änn@example.org",
            "ann@exämple.org",
            "ann\0@example.org",
            &long,
            &longer,
            &label,
        ] {
            assert_eq!(Email::new(bad).unwrap_err().code(), "email.invalid", "{bad:?}");
        }
    }

    #[test]
    fn an_account_is_named_by_the_digest_of_the_normal_form() {
        let name = Email::new("Ann@example.org").unwrap().account();
        assert_eq!(name, Email::new("ann@EXAMPLE.org").unwrap().account());
        assert_eq!(name.len(), 64);
        assert_ne!(name, Email::new("bob@example.org").unwrap().account());
    }

    proptest! {
        #[test]
        fn what_is_taken_has_one_at_sign_and_nothing_that_breaks_a_header(text in "[a-z.@<>, \"\r\n-]{0,12}|\\PC{0,20}@[ -~]{0,20}") {
            if let Ok(email) = Email::new(&text) {
                prop_assert_eq!(email.as_str().matches('@').count(), 1);
                prop_assert!(email.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(!email.as_str().contains(['<', '>', ',', ';', ':', '"', '(', ')', '[', ']', '\\']));
            }
        }
    }
}
