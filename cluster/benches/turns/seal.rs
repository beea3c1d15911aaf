//! A gatekeeper that does what one with signed credentials does: one HMAC-SHA256 for each call.

use cluster::{Credential, Gatekeeper, prelude::*};
use sha2::{Digest, Sha256};

/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// What is signed, about as long as the claims of a signed token.
const CLAIMS: &str =
    r#"{"tid":"bench","uid":"0198e2c4-7d3a-7c51-9a60-3f2b9d1c8e77","plan":"free","iat":1700000000,"exp":1700000060}"#;

/// Lets in what carries its seal.
#[derive(Debug)]
pub(crate) struct Seal {
    key: [u8; BLOCK],
}

impl Seal {
    pub(crate) fn new() -> Self {
        Self { key: [0x5A; BLOCK] }
    }

    /// The HMAC of a text in hexadecimal, without a detour over the heap.
    fn hmac(&self, text: &str) -> [u8; 64] {
        let inner = Sha256::new()
            .chain_update(self.key.map(|byte| byte ^ 0x36))
            .chain_update(text);
        let outer = Sha256::new().chain_update(self.key.map(|byte| byte ^ 0x5C));
        let seal = outer.chain_update(inner.finalize()).finalize();
        std::array::from_fn(|at| {
            let byte = seal[at / 2];
            let digit = if at % 2 == 0 { byte >> 4 } else { byte & 0xF };
            b"0123456789abcdef"[usize::from(digit)]
        })
    }
}

impl Gatekeeper for Seal {
    fn admit(&self, _: &ActorId, credential: Option<&Credential>) -> Result<()> {
        let parts = credential.and_then(|credential| credential.as_str().rsplit_once('.'));
        match parts {
            Some((claims, seal)) if self.hmac(claims) == *seal.as_bytes() => Ok(()),
            Some(_) | None => Err(ActorError::forbidden("seal.broken", "the seal is not ours")),
        }
    }

    fn vouch(&self, _: &TenantId) -> Credential {
        let seal = self.hmac(CLAIMS);
        let seal = str::from_utf8(&seal).expect("digits are text");
        Credential::new(&format!("{CLAIMS}.{seal}")).expect("it is short enough")
    }
}
