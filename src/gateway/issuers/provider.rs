//! Asks an issuer for its keys.
//!
//! The addresses of the configuration may be anywhere the operator says; an address that the issuer names must be on the public
//! internet, unless it is one of its own. Nobody leads anywhere else: redirects are refused.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    StatusCode,
    header::{ACCEPT, HeaderMap, HeaderValue},
};
use serde::Deserialize;
use url::Url;

use super::{
    config::{IssuerConfig, web_address},
    key_set::{KeySet, KeySetError},
};
use crate::outbound::{Outbound, OutboundConfig, OutboundError, OutboundRequest, Policy, SystemLookup};

/// Longest time for one answer. A set of keys takes two where the configuration does not say where it is.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// Longest answer: providers put certificates beside their keys.
const ANSWER_BYTES_MAX: usize = 128 * 1024;

/// Where the discovery document of an issuer is, below its address.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Where the keys of an issuer are.
#[derive(Debug)]
pub(super) struct Provider {
    issuer: String,
    place: Place,
    /// Reaches what the configuration names.
    own: Outbound,
    /// Reaches what the issuer names elsewhere.
    public: Outbound,
}

#[derive(Debug)]
enum Place {
    /// The issuer says where.
    Discovery(Url),
    /// The configuration says where.
    Keys(Url),
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderError {
    /// No answer came.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The answer is none that could hold keys.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// The answer does not end.
    #[error("the answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    /// The discovery document has another form.
    #[error("the answer is no discovery document: {0}")]
    Document(#[source] serde_json::Error),
    /// The discovery document is of another issuer.
    #[error("the discovery document is of the issuer {0:?}")]
    OtherIssuer(String),
    /// The discovery document names no address at which keys may be fetched.
    #[error("jwks_uri of the discovery document {0}")]
    Address(String),
    /// The keys have another form.
    #[error(transparent)]
    Keys(#[from] KeySetError),
}

impl Provider {
    /// Prepares to ask.
    ///
    /// # Errors
    ///
    /// Fails where TLS cannot be set up.
    pub(super) fn open(config: &IssuerConfig, outbound: &OutboundConfig) -> Result<Self, OutboundError> {
        let outbound = OutboundConfig {
            max_redirects: 0,
            connect_seconds: DEADLINE.as_secs(),
            total_seconds: DEADLINE.as_secs(),
            ..outbound.clone()
        };
        let address = |text: &str| Url::parse(text).map_err(|error| OutboundError::Failed(error.to_string()));
        let place = if config.jwks_url.is_empty() {
            Place::Discovery(address(&format!("{}{DISCOVERY}", config.issuer.trim_end_matches('/')))?)
        } else {
            Place::Keys(address(&config.jwks_url)?)
        };
        let (Place::Discovery(base) | Place::Keys(base)) = &place;
        Ok(Self {
            issuer: config.issuer.clone(),
            own: Outbound::service(base, &outbound)?,
            public: Outbound::new(Policy::public(&outbound), &outbound, Arc::new(SystemLookup))?,
            place,
        })
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Fetches the keys.
    ///
    /// # Errors
    ///
    /// Says why there are none.
    pub(super) async fn keys(&self) -> Result<KeySet, ProviderError> {
        let keys = match &self.place {
            Place::Keys(url) => get(&self.own, url.clone()).await?,
            Place::Discovery(document) => {
                let named = self.discover(document).await?;
                let is_own = named.origin() == document.origin();
                get(if is_own { &self.own } else { &self.public }, named).await?
            }
        };
        Ok(KeySet::read(&keys)?)
    }

    /// Asks where the keys are.
    async fn discover(&self, document: &Url) -> Result<Url, ProviderError> {
        #[derive(Deserialize)]
        struct Document {
            issuer: String,
            jwks_uri: String,
        }
        let answer = get(&self.own, document.clone()).await?;
        let said: Document = serde_json::from_slice(&answer).map_err(ProviderError::Document)?;
        if said.issuer != self.issuer {
            return Err(ProviderError::OtherIssuer(said.issuer.chars().take(200).collect()));
        }
        web_address(&said.jwks_uri).map_err(ProviderError::Address)
    }
}

async fn get(client: &Outbound, url: Url) -> Result<Bytes, ProviderError> {
    let mut headers = HeaderMap::new();
    headers.insert(
        ACCEPT,
        HeaderValue::from_static("application/json, application/jwk-set+json"),
    );
    let request = OutboundRequest {
        headers,
        ..OutboundRequest::get(url, ANSWER_BYTES_MAX)
    };
    let answer = client.send(request).await?;
    if answer.status != StatusCode::OK {
        return Err(ProviderError::Status(answer.status));
    }
    if answer.truncated {
        return Err(ProviderError::TooLarge);
    }
    Ok(answer.body)
}
