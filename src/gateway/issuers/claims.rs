//! What a token of an issuer says, and whether that counts.

use actors::email::Email;
use cluster::prelude::TenantId;
use jsonwebtoken::{DecodingKey, Validation, errors::ErrorKind};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::{IssuerAlgorithm, IssuerConfig};

/// Difference between the clocks of an issuer and of this server that is forgiven.
pub(crate) const LEEWAY_SECONDS: u64 = 30;

/// Longest token that is looked at.
pub(crate) const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Longest life that a token may still have. Nobody can sign out of one here, so none is taken for ever.
const LIFE_SECONDS_MAX: u64 = 31 * 24 * 3600;

/// Longest id of a key.
pub(super) const KID_BYTES_MAX: usize = 256;

/// What a token proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proven {
    /// The address of the person.
    pub(crate) email: Email,
    /// The tenant they want to act in.
    pub(crate) tenant: TenantId,
    /// When the token ends, Unix seconds.
    pub(crate) expires_at: u64,
}

/// Why a token proves nothing. As with tokens of this server, anything finer would help forgers; the first two that follow the
/// signature help those who configure the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unproven {
    /// The issuer says nothing of an address, or does not vouch for it.
    #[error("the token names no verified e-mail address")]
    Address,
    /// It does not say which tenant it is for.
    #[error("the token names no tenant")]
    Tenant,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It was not made by the issuer, not for this server, not yet, or was changed.
    #[error("the token is not valid")]
    Invalid,
}

/// The claims that are read. Whatever else a token says, roles and permissions included, is not looked at.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    exp: u64,
    iat: Option<u64>,
    email: Option<String>,
    email_verified: Option<Value>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// The key that a token says it was signed with, if the issuer may sign that way.
///
/// # Errors
///
/// Fails when it names none, another algorithm than the configuration, or extensions that would have to be understood.
pub(super) fn key_of(token: &str, config: &IssuerConfig) -> Result<(String, IssuerAlgorithm), Unproven> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Unproven::Invalid);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Unproven::Invalid)?;
    let algorithm = IssuerAlgorithm::named(header.alg).filter(|one| config.algorithms.contains(one));
    match (algorithm, header.kid, header.crit) {
        (Some(algorithm), Some(kid), None) if kid.len() <= KID_BYTES_MAX => Ok((kid, algorithm)),
        (Some(_) | None, _, _) => Err(Unproven::Invalid),
    }
}

/// Verifies a token with the key that it names, and reads what it proves.
///
/// # Errors
///
/// Says why it proves nothing.
pub(super) fn read(
    token: &str,
    algorithm: IssuerAlgorithm,
    key: &DecodingKey,
    config: &IssuerConfig,
) -> Result<Proven, Unproven> {
    let mut validation = Validation::new(algorithm.as_jwt());
    validation.leeway = LEEWAY_SECONDS;
    validation.validate_nbf = true;
    validation.set_issuer(&[&config.issuer]);
    validation.set_audience(&[&config.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    let data = jsonwebtoken::decode::<Claims>(token, key, &validation).map_err(|error| match error.kind() {
        ErrorKind::ExpiredSignature => Unproven::Expired,
        _ => Unproven::Invalid,
    })?;
    let claims = data.claims;
    let now = jsonwebtoken::get_current_timestamp();
    let is_sane = |iat: u64| iat <= now.saturating_add(LEEWAY_SECONDS) && iat < claims.exp;
    let is_endless = claims.exp > now.saturating_add(LIFE_SECONDS_MAX);
    // The library also takes a list of issuers.
    if claims.iss != config.issuer || is_endless || !claims.iat.is_none_or(is_sane) {
        return Err(Unproven::Invalid);
    }
    // A provider that lets people write any address into their profile says so by this claim, or by its absence.
    let is_verified = claims.email_verified == Some(Value::Bool(true));
    let email = claims.email.filter(|_| is_verified);
    let email = email
        .and_then(|email| Email::new(&email).ok())
        .ok_or(Unproven::Address)?;
    let tenant = if config.tenant_claim.is_empty() {
        Some(config.tenant.as_str())
    } else {
        claims.others.get(&config.tenant_claim).and_then(Value::as_str)
    };
    let tenant = tenant.and_then(|tenant| TenantId::new(tenant).ok());
    Ok(Proven {
        email,
        tenant: tenant.ok_or(Unproven::Tenant)?,
        expires_at: claims.exp,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::signing::SigningKey, *};

    const ISSUER: &str = "https://id.example";

    fn config() -> IssuerConfig {
        toml::from_str(&format!(
            "issuer = '{ISSUER}'\naudience = 'foundation'\ntenant = 'acme'"
        ))
        .unwrap()
    }

    fn now() -> u64 {
        jsonwebtoken::get_current_timestamp()
    }

    fn claims(changes: Value) -> Value {
        let mut claims = json!({
            "iss": ISSUER,
            "aud": "foundation",
            "sub": "7",
            "iat": now(),
            "exp": now() + 300,
            "email": "Ann@Example.org",
            "email_verified": true,
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    fn read_with(key: &SigningKey, token: &str, config: &IssuerConfig) -> Result<Proven, Unproven> {
        let (kid, algorithm) = key_of(token, config)?;
        assert_eq!(kid, key.kid());
        read(token, algorithm, &key.decoding(), config)
    }

    fn said(changes: Value) -> Result<Proven, Unproven> {
        let key = SigningKey::ed25519("one");
        read_with(&key, &key.sign(&claims(changes)), &config())
    }

    #[test]
    fn a_token_of_each_algorithm_proves_an_address() {
        for key in [
            SigningKey::ed25519("one"),
            SigningKey::p256("one"),
            SigningKey::rsa("one"),
        ] {
            let proven = read_with(&key, &key.sign(&claims(json!({}))), &config()).unwrap();
            assert_eq!(
                (proven.email.as_str(), proven.tenant.as_str()),
                ("ann@example.org", "acme")
            );
            let only_others: Vec<_> = IssuerAlgorithm::all()
                .into_iter()
                .filter(|algorithm| *algorithm != key.algorithm())
                .collect();
            let narrower = IssuerConfig {
                algorithms: only_others,
                ..config()
            };
            let refused = read_with(&key, &key.sign(&claims(json!({}))), &narrower);
            assert_eq!(refused, Err(Unproven::Invalid), "the algorithm is not in the list");
        }
    }

    #[test]
    fn the_audience_may_stand_among_others_and_must_stand_there() {
        assert!(said(json!({ "aud": ["account", "foundation"] })).is_ok());
        for aud in [
            json!("account"),
            json!(["account"]),
            json!([]),
            json!(7),
            json!("Foundation"),
            Value::Null,
        ] {
            assert_eq!(said(json!({ "aud": aud })), Err(Unproven::Invalid), "{aud}");
        }
    }

    #[test]
    fn the_issuer_is_compared_to_the_letter() {
        for iss in [
            json!("https://id.example/"),
            json!("https://ID.example"),
            json!("https://evil.example"),
            json!([ISSUER]),
            json!([ISSUER, "https://evil.example"]),
            Value::Null,
        ] {
            assert_eq!(said(json!({ "iss": iss })), Err(Unproven::Invalid), "{iss}");
        }
    }

    #[test]
    fn a_token_counts_in_its_time_give_or_take_the_leeway() {
        let (near, far) = (LEEWAY_SECONDS - 5, LEEWAY_SECONDS + 5);
        assert!(said(json!({ "exp": now() - near, "iat": now() - 300 })).is_ok());
        assert_eq!(
            said(json!({ "exp": now() - far, "iat": now() - 300 })),
            Err(Unproven::Expired)
        );
        assert!(said(json!({ "nbf": now() + near })).is_ok());
        assert!(said(json!({ "iat": now() + near })).is_ok());
        assert!(said(json!({ "iat": null })).is_ok());
        for changes in [
            json!({ "nbf": now() + far }),
            json!({ "iat": now() + far }),
            json!({ "iat": now() + 301, "exp": now() + 300 }),
            json!({ "exp": null }),
            json!({ "exp": "tomorrow" }),
            json!({ "exp": -1 }),
            json!({ "exp": now() + LIFE_SECONDS_MAX + 60 }),
            json!({ "exp": u64::MAX }),
        ] {
            assert_eq!(said(changes.clone()), Err(Unproven::Invalid), "{changes}");
        }
    }

    #[test]
    fn only_an_address_that_the_issuer_has_verified_counts() {
        for changes in [
            json!({ "email_verified": false }),
            json!({ "email_verified": null }),
            json!({ "email_verified": "true" }),
            json!({ "email_verified": 1 }),
            json!({ "email": null }),
            json!({ "email": "Ann <ann@example.org>" }),
            json!({ "email": "" }),
        ] {
            assert_eq!(said(changes.clone()), Err(Unproven::Address), "{changes}");
        }
    }

    #[test]
    fn the_tenant_is_that_of_the_configuration_or_of_the_claim_it_names() {
        assert_eq!(said(json!({ "tenant": "default" })).unwrap().tenant.as_str(), "acme");
        let config = IssuerConfig {
            tenant: String::new(),
            tenant_claim: "org".to_owned(),
            ..config()
        };
        let key = SigningKey::ed25519("one");
        let tenant = |org: Value| {
            let read = read_with(&key, &key.sign(&claims(json!({ "org": org }))), &config);
            read.map(|proven| proven.tenant.as_str().to_owned())
        };
        assert_eq!(tenant(json!("beta")), Ok("beta".to_owned()));
        for org in [Value::Null, json!(["beta"]), json!("../etc"), json!("")] {
            assert_eq!(tenant(org.clone()), Err(Unproven::Tenant), "{org}");
        }
    }

    #[test]
    fn a_header_that_names_no_key_or_asks_for_more_than_is_understood_is_refused() {
        let key = SigningKey::ed25519("one");
        let token = |change: fn(&mut jsonwebtoken::Header)| {
            let token = key.sign_with(&claims(json!({})), change);
            key_of(&token, &config())
        };
        assert!(token(|_| {}).is_ok());
        assert_eq!(token(|header| header.kid = None), Err(Unproven::Invalid));
        assert_eq!(
            token(|header| header.kid = Some("x".repeat(KID_BYTES_MAX + 1))),
            Err(Unproven::Invalid)
        );
        assert_eq!(
            token(|header| header.crit = Some(vec!["exp".to_owned()])),
            Err(Unproven::Invalid)
        );
        let long = key.sign(&claims(json!({ "groups": "x".repeat(TOKEN_BYTES_MAX) })));
        assert_eq!(key_of(&long, &config()), Err(Unproven::Invalid));
    }
}
