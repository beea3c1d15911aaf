//! Tokens: JWTs signed with HMAC-SHA256 by a key that the whole cluster shares.
//!
//! A session token names a session, which is asked whether it goes on; a sign-in token is exchanged for a session once; a local
//! token stands in a file. The audience keeps one from being used as another. Only HS256 is accepted, whatever the header of a
//! token says; the header only names the key (`signing_keys`).

use std::time::Duration;

use cluster::prelude::TenantId;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::signing_keys::SigningKeys;

/// Difference between clocks that is forgiven.
const LEEWAY_SECONDS: u64 = 5;

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 2048;

/// Longest name of a user.
pub(crate) const USER_BYTES_MAX: usize = 128;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Proves who asks.
    Session,
    /// Is exchanged for a session once.
    SignIn,
    /// Proves who can read the data directory.
    Local,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::SignIn => "sign-in",
            Self::Local => "local",
        }
    }
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// User.
    pub sub: String,
    /// Tenant.
    pub tid: String,
    /// What the token is for.
    pub aud: Purpose,
    /// When it was made, Unix seconds.
    pub iat: u64,
    /// When it ends, Unix seconds.
    pub exp: u64,
    /// Id of the token; that of a session names the session.
    pub jti: Uuid,
}

/// Makes and reads tokens.
#[derive(Debug, Clone)]
pub struct Signer {
    keys: SigningKeys,
}

/// Why a token is not accepted. One reason for all faults would hide expiry from people; anything finer helps forgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It was not made here, not for this, or was changed.
    #[error("the token is not valid")]
    Invalid,
}

impl Signer {
    /// Makes a signer with the keys of the cluster.
    #[must_use]
    pub fn new(keys: SigningKeys) -> Self {
        Self { keys }
    }

    /// The keys.
    pub(crate) fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    /// Id of the key that signs now.
    #[must_use]
    pub fn key_id(&self) -> String {
        self.keys.signing(now()).0
    }

    /// Makes claims that start now.
    #[must_use]
    pub fn claims(tenant: &TenantId, user: &str, aud: Purpose, life: Duration) -> Claims {
        let iat = now();
        Claims {
            sub: user.to_owned(),
            tid: tenant.as_str().to_owned(),
            aud,
            iat,
            exp: iat + life.as_secs(),
            jti: Uuid::new_v4(),
        }
    }

    /// Signs claims.
    ///
    /// # Panics
    ///
    /// Never: HMAC takes keys and messages of every length.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> String {
        let (id, key) = self.keys.signing(now());
        let header = Header {
            kid: Some(id),
            ..Header::new(Algorithm::HS256)
        };
        jsonwebtoken::encode(&header, claims, &key.encoding).expect("HMAC signs every message with every key")
    }

    /// Reads a token that is to be used for one of some purposes.
    ///
    /// # Errors
    ///
    /// Fails when the token has expired, or for any other reason is not one of ours for these purposes.
    pub fn verify(&self, token: &str, purposes: &[Purpose]) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let key = header.kid.and_then(|id| self.keys.accepted(&id, now()));
        let key = key.ok_or(TokenError::Invalid)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_SECONDS;
        validation.set_audience(&purposes.iter().map(|purpose| purpose.as_str()).collect::<Vec<_>>());
        validation.set_required_spec_claims(&["exp", "sub", "aud"]);
        let data =
            jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation).map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Invalid,
            })?;
        let claims = data.claims;
        let is_sound = claims.iat <= now() + LEEWAY_SECONDS
            && claims.iat < claims.exp
            && is_user(&claims.sub)
            && TenantId::new(&claims.tid).is_ok();
        if is_sound { Ok(claims) } else { Err(TokenError::Invalid) }
    }
}

/// Says whether a name can be a user's: 1 to 128 visible ASCII characters.
pub(crate) fn is_user(name: &str) -> bool {
    !name.is_empty() && name.len() <= USER_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_graphic())
}

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::EncodingKey;
    use serde_json::{Value, json};

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn signer_of(key: &[u8]) -> Signer {
        Signer::new(SigningKeys::new(key, Duration::from_hours(1)))
    }

    fn claims(aud: Purpose) -> Claims {
        let tenant = TenantId::new("acme").unwrap();
        Signer::claims(&tenant, "ann", aud, Duration::from_secs(60))
    }

    fn unsigned(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(header), part(claims))
    }

    #[test]
    fn a_token_says_what_was_signed() {
        let signer = signer_of(&KEY);
        let claims = claims(Purpose::Session);
        assert_eq!(signer.verify(&signer.sign(&claims), &[Purpose::Session]), Ok(claims));
    }

    #[test]
    fn a_token_for_one_purpose_is_none_for_another() {
        let signer = signer_of(&KEY);
        let purposes = [Purpose::Session, Purpose::SignIn, Purpose::Local];
        let pairs = purposes.iter().flat_map(|made| purposes.map(|used| (*made, used)));
        for (made, used) in pairs.filter(|(made, used)| made != used) {
            assert_eq!(
                signer.verify(&signer.sign(&claims(made)), &[used]),
                Err(TokenError::Invalid)
            );
        }
    }

    #[test]
    fn another_key_a_changed_token_and_rubbish_are_refused() {
        let signer = signer_of(&KEY);
        let foreign = signer_of(&[8; 32]).sign(&claims(Purpose::Session));
        let good = signer.sign(&claims(Purpose::Session));
        let (head, signature) = good.rsplit_once('.').unwrap();
        let mut parts = head.split('.');
        let (header, body) = (parts.next().unwrap(), parts.next().unwrap());
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(body).unwrap())
            .unwrap()
            .replace("acme", "evil");
        let forged = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(text));
        for token in [foreign, forged, String::new(), "a.b.c".to_owned(), "x".repeat(5000)] {
            assert_eq!(
                signer.verify(&token, &[Purpose::Session]),
                Err(TokenError::Invalid),
                "{token}"
            );
        }
    }

    #[test]
    fn only_hs256_is_accepted() {
        let signer = signer_of(&KEY);
        let claims = serde_json::to_value(claims(Purpose::Session)).unwrap();
        for algorithm in ["none", "None", "HS512", "RS256"] {
            let token = unsigned(&json!({ "alg": algorithm, "typ": "JWT", "kid": "0" }), &claims);
            assert_eq!(
                signer.verify(&token, &[Purpose::Session]),
                Err(TokenError::Invalid),
                "{algorithm}"
            );
        }
        let header = Header {
            kid: Some("0".to_owned()),
            ..Header::new(Algorithm::HS512)
        };
        let hs512 = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&KEY));
        assert_eq!(
            signer.verify(&hs512.unwrap(), &[Purpose::Session]),
            Err(TokenError::Invalid)
        );
    }

    #[test]
    fn a_token_that_names_no_key_or_another_one_is_refused() {
        let claims = claims(Purpose::Session);
        let key = EncodingKey::from_secret(&KEY);
        let verified = |kid: Option<&str>| {
            let header = Header {
                kid: kid.map(str::to_owned),
                ..Header::new(Algorithm::HS256)
            };
            let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
            signer_of(&KEY).verify(&token, &[Purpose::Session])
        };
        assert!(verified(Some("0")).is_ok());
        for kid in [None, Some(""), Some("1"), Some("../../dev/null"), Some("0' or 1=1")] {
            assert_eq!(verified(kid), Err(TokenError::Invalid), "{kid:?}");
        }
    }

    #[test]
    fn an_expired_token_is_told_apart() {
        let signer = signer_of(&KEY);
        let mut old = claims(Purpose::Session);
        old.iat -= 120;
        old.exp = old.iat + 60;
        assert_eq!(
            signer.verify(&signer.sign(&old), &[Purpose::Session]),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn a_token_from_the_future_or_with_strange_names_is_refused() {
        let signer = signer_of(&KEY);
        let future = Claims {
            iat: now() + 600,
            exp: now() + 1200,
            ..claims(Purpose::Session)
        };
        let tenant = Claims {
            tid: "../etc".to_owned(),
            ..claims(Purpose::Session)
        };
        let user = Claims {
            sub: "a\nb".to_owned(),
            ..claims(Purpose::Session)
        };
        for claims in [future, tenant, user] {
            assert_eq!(
                signer.verify(&signer.sign(&claims), &[Purpose::Session]),
                Err(TokenError::Invalid)
            );
        }
    }
}
