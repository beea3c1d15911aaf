//! `[[auth.issuers]]`.

use std::collections::BTreeSet;

use actors::SYSTEM_TENANT;
use cluster::prelude::TenantId;
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Most issuers: each has keys in memory and is asked by itself.
const ISSUERS_MAX: usize = 16;

/// Longest name of an audience or a claim.
const NAME_BYTES_MAX: usize = 256;

/// One entry of `[[auth.issuers]]`: an identity provider whose access tokens let people in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct IssuerConfig {
    /// What its tokens say in `iss`, to the letter.
    pub issuer: String,
    /// What they must say in `aud`, alone or among others.
    pub audience: String,
    /// Address of its keys; empty means the one that its discovery document names.
    #[serde(default)]
    pub jwks_url: String,
    /// How its tokens may be signed.
    #[serde(default = "IssuerAlgorithm::all")]
    pub algorithms: Vec<IssuerAlgorithm>,
    /// The tenant that people act in with its tokens.
    #[serde(default)]
    pub tenant: String,
    /// The claim of a token that names the tenant, where it is not the same for all.
    #[serde(default)]
    pub tenant_claim: String,
}

/// How a token may be signed. A key of each kind serves one of these only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IssuerAlgorithm {
    /// RSA with SHA-256, PKCS #1 v1.5.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA with SHA-256 on the curve P-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl IssuerAlgorithm {
    pub(super) fn all() -> Vec<Self> {
        vec![Self::Rs256, Self::Es256, Self::EdDsa]
    }

    /// The one that the header of a token names, if it is one of these.
    pub(super) fn named(algorithm: Algorithm) -> Option<Self> {
        let mut all = Self::all().into_iter();
        all.find(|one| one.as_jwt() == algorithm)
    }

    pub(super) fn as_jwt(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

/// Checks all issuers.
///
/// # Errors
///
/// Says which one does not fit, and why.
pub(crate) fn check(issuers: &[IssuerConfig]) -> Result<(), String> {
    if issuers.len() > ISSUERS_MAX {
        return Err(format!("there can be at most {ISSUERS_MAX} issuers"));
    }
    let mut names = BTreeSet::new();
    for issuer in issuers {
        let name = &issuer.issuer;
        issuer.check().map_err(|message| format!("{name:?}: {message}"))?;
        if !names.insert(name) {
            return Err(format!("{name:?} stands there twice"));
        }
    }
    Ok(())
}

impl IssuerConfig {
    fn check(&self) -> Result<(), String> {
        let issuer = web_address(&self.issuer).map_err(|message| format!("issuer {message}"))?;
        if issuer.query().is_some() {
            return Err("issuer must have no query".to_owned());
        }
        if !self.jwks_url.is_empty() {
            web_address(&self.jwks_url).map_err(|message| format!("jwks-url {message}"))?;
        }
        if self.audience.is_empty() || self.audience.len() > NAME_BYTES_MAX {
            return Err(format!("audience must be 1 to {NAME_BYTES_MAX} bytes"));
        }
        if self.algorithms.is_empty() {
            return Err("algorithms must name at least one of RS256, ES256, EdDSA".to_owned());
        }
        match (self.tenant.is_empty(), self.tenant_claim.is_empty()) {
            (false, true) if self.tenant == SYSTEM_TENANT => Err(format!("nobody acts in the tenant {SYSTEM_TENANT}")),
            (false, true) => TenantId::new(&self.tenant)
                .map(drop)
                .map_err(|error| format!("tenant: {error}")),
            (true, false) if self.tenant_claim.len() <= NAME_BYTES_MAX => Ok(()),
            (true, false) => Err(format!("tenant-claim must be at most {NAME_BYTES_MAX} bytes")),
            (true, true) | (false, false) => Err("set either tenant or tenant-claim".to_owned()),
        }
    }
}

/// Reads an address at which an issuer may be asked: by TLS, or on this machine.
pub(super) fn web_address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no address: {error}"))?;
    let is_local = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let is_safe = match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_local,
        _ => false,
    };
    if !is_safe {
        return Err("must be https:// and a host; http:// is for this machine only".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("must have no user and no fragment".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<(), String> {
        #[derive(Deserialize)]
        struct Issuers {
            issuers: Vec<IssuerConfig>,
        }
        let read: Issuers = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        check(&read.issuers)
    }

    fn with(lines: &str) -> Result<(), String> {
        config(&format!("[[issuers]]\n{lines}"))
    }

    #[test]
    fn an_issuer_an_audience_and_a_tenant_are_enough() {
        with("issuer = 'https://id.example/realms/acme'\naudience = 'foundation'\ntenant = 'acme'").unwrap();
        with("issuer = 'http://127.0.0.1:8080'\naudience = 'a'\ntenant-claim = 'org'\nalgorithms = ['EdDSA']").unwrap();
        config("issuers = []").unwrap();
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_issuer() {
        let good = "issuer = 'https://id.example'\naudience = 'a'\ntenant = 'acme'\n";
        for (lines, words) in [
            ("audience = 'a'\ntenant = 'acme'", "missing field `issuer`"),
            (
                "issuer = 'https://id.example'\ntenant = 'acme'",
                "missing field `audience`",
            ),
            (
                "issuer = 'https://id.example'\naudience = ''\ntenant = 'acme'",
                "audience",
            ),
            ("issuer = 'id.example'\naudience = 'a'\ntenant = 'acme'", "issuer"),
            (
                "issuer = 'http://id.example'\naudience = 'a'\ntenant = 'acme'",
                "https://",
            ),
            (
                "issuer = 'https://u@id.example'\naudience = 'a'\ntenant = 'acme'",
                "no user",
            ),
            (
                "issuer = 'https://id.example?a'\naudience = 'a'\ntenant = 'acme'",
                "no query",
            ),
            ("issuer = 'https://id.example'\naudience = 'a'", "either tenant"),
            (
                "issuer = 'https://id.example'\naudience = 'a'\ntenant = '../etc'",
                "tenant",
            ),
            (
                "issuer = 'https://id.example'\naudience = 'a'\ntenant = 'system'",
                "nobody",
            ),
            (&format!("{good}tenant-claim = 'org'"), "either tenant"),
            (&format!("{good}jwks-url = 'ftp://id.example/keys'"), "jwks-url"),
            (&format!("{good}algorithms = []"), "at least one"),
            (&format!("{good}algorithms = ['HS256']"), "HS256"),
            (&format!("{good}algorithms = ['none']"), "none"),
            (&format!("{good}roles-claim = 'roles'"), "roles-claim"),
            (&format!("{good}[[issuers]]\n{good}"), "twice"),
        ] {
            let message = with(lines).unwrap_err();
            assert!(message.contains(words), "{lines}: {message}");
        }
        let many = |number: usize| {
            format!("[[issuers]]\nissuer = 'https://{number}.example'\naudience = 'a'\ntenant = 'acme'\n")
        };
        config(&(0..ISSUERS_MAX).map(many).collect::<String>()).unwrap();
        let message = config(&(0..=ISSUERS_MAX).map(many).collect::<String>()).unwrap_err();
        assert!(message.contains("at most 16"), "{message}");
    }
}
