//! Issuers of tokens outside of this server: the identity providers whose access tokens let people in.
//!
//! A token that names one of them is verified with a key of that one and of no other, nor with a key of this cluster, and proves
//! the address of a person. Who that is, and what they may do, only the account and the membership here say (`callers`).

mod claims;
mod config;
mod key_cache;
mod key_set;
mod provider;
#[cfg(test)]
pub(crate) mod signing;

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use serde::Deserialize;

pub(crate) use self::claims::{LEEWAY_SECONDS, Proven, TOKEN_BYTES_MAX, Unproven};
pub(crate) use self::config::check;
pub use self::config::{IssuerAlgorithm, IssuerConfig};
use self::{claims::key_of, key_cache::KeyCache, provider::Provider};
use crate::outbound::{OutboundConfig, OutboundError};

/// Everybody outside whose tokens are taken. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Issuers(Arc<[Issuer]>);

/// One whose tokens are taken.
#[derive(Debug)]
pub(crate) struct Issuer {
    config: IssuerConfig,
    keys: Arc<KeyCache>,
}

/// Why a token of an issuer lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IssuerError {
    /// It proves nothing here.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// There are no keys to verify it with: the issuer does not answer, and what it answered before is too old.
    #[error("the issuer of the token cannot be asked for its keys")]
    Unreachable,
}

impl Issuers {
    /// Prepares to ask those of the configuration. Nobody is asked yet.
    ///
    /// # Errors
    ///
    /// Fails where TLS cannot be set up.
    pub fn open(configs: &[IssuerConfig], outbound: &OutboundConfig) -> Result<Self, OutboundError> {
        let open = |config: &IssuerConfig| {
            Ok(Issuer {
                keys: Arc::new(KeyCache::new(Provider::open(config, outbound)?)),
                config: config.clone(),
            })
        };
        let issuers: Result<Vec<_>, OutboundError> = configs.iter().map(open).collect();
        Ok(Self(issuers?.into()))
    }

    /// The issuer that a token names, if it is one of these. Nothing of the token is verified by that.
    pub(crate) fn named_by(&self, token: &str) -> Option<&Issuer> {
        #[derive(Deserialize)]
        struct Named {
            iss: String,
        }
        if self.0.is_empty() || token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let named: Named = serde_json::from_slice(&claims).ok()?;
        self.0.iter().find(|issuer| issuer.config.issuer == named.iss)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Asks those for their keys that were not asked lately.
    ///
    /// # Errors
    ///
    /// Names each one that does not answer as it should, and why.
    pub(crate) async fn check(&self) -> Result<(), String> {
        let checks = self.0.iter().map(async |issuer| {
            let fault = issuer.keys.check().await.err()?;
            Some(format!("{}: {fault}", issuer.name()))
        });
        let faults: Vec<_> = join_all(checks).await.into_iter().flatten().collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults.join("; "))
        }
    }
}

impl Issuer {
    /// What its tokens call it.
    pub(crate) fn name(&self) -> &str {
        &self.config.issuer
    }

    /// Reads what a token of this issuer proves.
    ///
    /// # Errors
    ///
    /// Fails when it proves nothing here, or when the issuer has to be asked and does not answer.
    pub(crate) async fn verify(&self, token: &str) -> Result<Proven, IssuerError> {
        let (kid, algorithm) = key_of(token, &self.config)?;
        let key = self.keys.find(&kid, algorithm).await?;
        let key = key.ok_or(Unproven::Invalid)?;
        Ok(claims::read(token, algorithm, &key, &self.config)?)
    }
}

#[cfg(test)]
pub(crate) mod tests;
