//! Who acts, read from the credential of a call.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

/// Who acted where nobody has asked for it.
pub(super) const SYSTEM: &str = "system";
/// Who acted with a credential that names nobody.
const UNKNOWN: &str = "unknown";

/// What is read of a context token.
#[derive(Deserialize)]
struct Claims {
    uid: String,
}

/// The user or key that a context token names; without one it was the system. The token was verified where the call entered the node,
/// so here it is only read.
pub(super) fn who(credential: Option<&str>) -> String {
    let Some(token) = credential else {
        return SYSTEM.to_owned();
    };
    let claims = token
        .split('.')
        .nth(1)
        .and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims = claims.and_then(|claims| serde_json::from_slice::<Claims>(&claims).ok());
    claims.map_or_else(|| UNKNOWN.to_owned(), |claims| claims.uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_token_names_who_acts() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"tid":"acme","uid":"key:7","plan":"free","iat":1,"exp":61}"#);
        assert_eq!(
            who(Some(&format!("eyJhbGciOiJIUzI1NiJ9.{claims}.c2lnbmF0dXJl"))),
            "key:7"
        );
        assert_eq!(who(None), "system");
        for other in ["", "a", "a.b.c", "a.e30.c", "...."] {
            assert_eq!(who(Some(other)), "unknown", "{other}");
        }
    }
}
