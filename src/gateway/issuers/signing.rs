//! Keys of issuers in tests.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, jwk::Jwk};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use super::IssuerAlgorithm;

/// A key that signs tokens.
pub(crate) struct SigningKey {
    kid: String,
    algorithm: IssuerAlgorithm,
    key: EncodingKey,
    jwk: Value,
    public_pem: String,
}

impl SigningKey {
    pub(crate) fn rsa(kid: &str) -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let key = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
        let jwk = serde_json::to_value(Jwk::from_encoding_key(&key, jsonwebtoken::Algorithm::RS256).unwrap()).unwrap();
        Self::new(kid, IssuerAlgorithm::Rs256, key, jwk, &pair)
    }

    pub(crate) fn p256(kid: &str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let key = EncodingKey::from_ec_der(pair.serialized_der());
        let point = pair.public_key_raw();
        let (x, y) = point[1..].split_at(32);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) });
        Self::new(kid, IssuerAlgorithm::Es256, key, jwk, &pair)
    }

    pub(crate) fn ed25519(kid: &str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let key = EncodingKey::from_ed_der(pair.serialized_der());
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key_raw()) });
        Self::new(kid, IssuerAlgorithm::EdDsa, key, jwk, &pair)
    }

    fn new(kid: &str, algorithm: IssuerAlgorithm, key: EncodingKey, mut jwk: Value, pair: &KeyPair) -> Self {
        jwk["kid"] = json!(kid);
        Self {
            kid: kid.to_owned(),
            algorithm,
            key,
            jwk,
            public_pem: pair.public_key_pem(),
        }
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn algorithm(&self) -> IssuerAlgorithm {
        self.algorithm
    }

    /// The public key as issuers publish it.
    pub(crate) fn jwk(&self) -> Value {
        self.jwk.clone()
    }

    /// The public key as files hold it.
    pub(crate) fn public_pem(&self) -> &str {
        &self.public_pem
    }

    pub(crate) fn decoding(&self) -> DecodingKey {
        DecodingKey::from_jwk(&serde_json::from_value(self.jwk()).unwrap()).unwrap()
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with(claims, |_| {})
    }

    pub(crate) fn sign_with(&self, claims: &Value, change: impl FnOnce(&mut Header)) -> String {
        let mut header = Header::new(self.algorithm.as_jwt());
        header.kid = Some(self.kid.clone());
        change(&mut header);
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
