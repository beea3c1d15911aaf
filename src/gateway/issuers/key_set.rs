//! The keys of an issuer (JWKS, RFC 7517).

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use super::{claims::KID_BYTES_MAX, config::IssuerAlgorithm};

/// Most keys that one issuer has.
const KEYS_MAX: usize = 64;

/// Sizes of RSA keys that count: less can be broken, more takes long to verify with.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Bytes of a coordinate on P-256 and of a point on Ed25519.
const COORDINATE_BYTES: usize = 32;

/// The keys that tokens can be verified with, each for the one algorithm of its kind: no token makes a key serve another.
#[derive(Debug, Default)]
pub(super) struct KeySet(HashMap<(String, IssuerAlgorithm), DecodingKey>);

/// Why an answer is no set of keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeySetError {
    /// It has another form.
    #[error("the answer is no set of keys: {0}")]
    Form(#[from] serde_json::Error),
    /// It is a longer list than anybody needs.
    #[error("the set has more than {KEYS_MAX} keys")]
    TooMany,
}

impl KeySet {
    /// Reads a set. Keys without an id, for another use, of another kind or too small are left out, because providers publish such
    /// beside those that count; a form of key that nobody here has heard of is no reason to refuse the others.
    ///
    /// # Errors
    ///
    /// Fails when it is none, or too large.
    pub(super) fn read(json: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Listed {
            keys: Vec<Value>,
        }
        let Listed { keys } = serde_json::from_slice(json)?;
        if keys.len() > KEYS_MAX {
            return Err(KeySetError::TooMany);
        }
        let mut set = HashMap::new();
        for key in keys {
            let Ok(key) = serde_json::from_value::<Jwk>(key) else {
                continue;
            };
            if let Some((kid, algorithm, key)) = usable(&key) {
                // Of two with one id the first counts, whatever is appended later.
                set.entry((kid, algorithm)).or_insert(key);
            }
        }
        Ok(Self(set))
    }

    /// The key of this id, for this algorithm.
    pub(super) fn find(&self, kid: &str, algorithm: IssuerAlgorithm) -> Option<DecodingKey> {
        self.0.get(&(kid.to_owned(), algorithm)).cloned()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A key with its id and the only algorithm that it serves.
fn usable(key: &Jwk) -> Option<(String, IssuerAlgorithm, DecodingKey)> {
    let common = &key.common;
    let kid = common.key_id.clone().filter(|kid| kid.len() <= KID_BYTES_MAX)?;
    let verifies = common
        .key_operations
        .as_ref()
        .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    let signs = common
        .public_key_use
        .as_ref()
        .is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let algorithm = algorithm(&key.algorithm)?;
    let is_meant = common
        .key_algorithm
        .is_none_or(|meant| meant == KeyAlgorithm::from(algorithm.as_jwt()));
    if !verifies || !signs || !is_meant {
        return None;
    }
    Some((kid, algorithm, DecodingKey::from_jwk(key).ok()?))
}

fn algorithm(parameters: &AlgorithmParameters) -> Option<IssuerAlgorithm> {
    let is_coordinate = |text: &str| bytes(text).is_some_and(|bytes| bytes.len() == COORDINATE_BYTES);
    match parameters {
        AlgorithmParameters::RSA(key) => RSA_BITS
            .contains(&bits(&bytes(&key.n)?))
            .then_some(IssuerAlgorithm::Rs256),
        AlgorithmParameters::EllipticCurve(key) => {
            let is_point = key.curve == EllipticCurve::P256 && is_coordinate(&key.x) && is_coordinate(&key.y);
            is_point.then_some(IssuerAlgorithm::Es256)
        }
        AlgorithmParameters::OctetKeyPair(key) => {
            let is_point = key.curve == EllipticCurve::Ed25519 && is_coordinate(&key.x);
            is_point.then_some(IssuerAlgorithm::EdDsa)
        }
        // A secret that is published is none.
        AlgorithmParameters::OctetKey(_) => None,
        _ => None,
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The bits of a number, leading zeros aside.
fn bits(number: &[u8]) -> usize {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let number = &number[start..];
    let zeros = number.first().map_or(0, |byte| byte.leading_zeros() as usize);
    number.len() * 8 - zeros
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::signing::SigningKey, *};

    fn read(keys: &[Value]) -> KeySet {
        KeySet::read(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    }

    fn with(key: &Value, member: &str, value: Value) -> Value {
        let mut key = key.clone();
        key[member] = value;
        key
    }

    #[test]
    fn a_key_is_found_by_its_id_and_for_the_algorithm_of_its_kind_only() {
        let keys = [SigningKey::rsa("r"), SigningKey::p256("p"), SigningKey::ed25519("e")];
        let set = read(&keys.each_ref().map(SigningKey::jwk));
        for key in &keys {
            for kid in ["r", "p", "e", "x", ""] {
                for algorithm in [IssuerAlgorithm::Rs256, IssuerAlgorithm::Es256, IssuerAlgorithm::EdDsa] {
                    let is_it = kid == key.kid() && algorithm == key.algorithm();
                    let others = keys.iter().any(|key| kid == key.kid() && algorithm == key.algorithm());
                    assert_eq!(
                        set.find(kid, algorithm).is_some(),
                        is_it || others,
                        "{kid} {algorithm:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn keys_that_must_not_verify_tokens_are_left_out_and_the_others_count() {
        let (rsa, p256, ed25519) = (
            SigningKey::rsa("one").jwk(),
            SigningKey::p256("one").jwk(),
            SigningKey::ed25519("one").jwk(),
        );
        let modulus = |bytes: usize| URL_SAFE_NO_PAD.encode([vec![0x80], vec![1; bytes - 1]].concat());
        let secret = json!({ "kty": "oct", "kid": "one", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode([7; 32]) });
        let mut nameless = ed25519.clone();
        nameless.as_object_mut().unwrap().remove("kid");
        for bad in [
            with(&rsa, "n", json!(modulus(128))),
            with(&rsa, "n", json!(modulus(255))),
            with(&rsa, "n", json!(modulus(1025))),
            with(&rsa, "n", json!("no base64!")),
            with(&rsa, "use", json!("enc")),
            with(&rsa, "key_ops", json!(["encrypt"])),
            with(&rsa, "alg", json!("RS512")),
            with(&rsa, "alg", json!("PS256")),
            with(&rsa, "alg", json!("HS256")),
            with(&p256, "crv", json!("P-384")),
            with(&p256, "x", json!("AQ")),
            with(&ed25519, "crv", json!("X25519")),
            with(&ed25519, "x", json!("AQ")),
            with(&ed25519, "kid", json!("x".repeat(KID_BYTES_MAX + 1))),
            with(&ed25519, "kid", json!(7)),
            with(&ed25519, "kty", json!("AKP")),
            nameless,
            secret,
            json!("a key"),
            json!({}),
        ] {
            assert!(read(std::slice::from_ref(&bad)).is_empty(), "{bad}");
            let good = SigningKey::ed25519("good").jwk();
            assert!(read(&[bad, good]).find("good", IssuerAlgorithm::EdDsa).is_some());
        }
        for good in [
            with(&rsa, "n", json!(modulus(256))),
            with(&rsa, "key_ops", json!(["verify"])),
            with(&ed25519, "use", json!("sig")),
        ] {
            assert!(!read(std::slice::from_ref(&good)).is_empty(), "{good}");
        }
    }

    #[test]
    fn of_two_keys_with_one_id_the_first_counts() {
        let (first, second) = (SigningKey::ed25519("one"), SigningKey::ed25519("one"));
        let found = read(&[first.jwk(), second.jwk()]).find("one", IssuerAlgorithm::EdDsa);
        let bytes = |key: &DecodingKey| key.try_get_as_bytes().unwrap().to_vec();
        assert_eq!(bytes(&found.unwrap()), bytes(&first.decoding()));
    }

    #[test]
    fn what_is_no_set_of_keys_or_too_large_is_refused() {
        for text in ["", "<html>", "{}", "[]", r#"{"keys":{}}"#] {
            assert!(
                matches!(KeySet::read(text.as_bytes()), Err(KeySetError::Form(_))),
                "{text}"
            );
        }
        let many = json!({ "keys": vec![json!({}); KEYS_MAX + 1] }).to_string();
        assert!(matches!(KeySet::read(many.as_bytes()), Err(KeySetError::TooMany)));
        assert!(
            KeySet::read(br#"{"keys":[]}"#).unwrap().is_empty(),
            "an issuer may have none"
        );
    }
}
