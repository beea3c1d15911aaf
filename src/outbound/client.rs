//! The client that obeys a [`Policy`].

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Client, Method, Response, StatusCode, redirect};
use url::Url;

use super::{GuardedResolver, Lookup, OutboundConfig, Policy, Refusal, SystemLookup};

/// How this server introduces itself.
const USER_AGENT: &str = concat!("foundation/", env!("CARGO_PKG_VERSION"));

/// A client for requests to places that others had a say in. Clones share its settings.
#[derive(Debug, Clone)]
pub struct Outbound {
    client: Client,
    policy: Arc<Policy>,
    max_redirects: usize,
    total: Duration,
}

/// A request.
#[derive(Debug, Clone)]
pub struct OutboundRequest {
    /// Method; only a GET follows redirects.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers. They are not sent on to another origin.
    pub headers: HeaderMap,
    /// Body.
    pub body: Option<Bytes>,
    /// Media types that are accepted as an answer, without parameters; none means any.
    pub accept: &'static [&'static str],
    /// Most bytes of the answer that are read.
    pub max_bytes: usize,
}

impl OutboundRequest {
    /// A GET without headers.
    pub fn get(url: Url, max_bytes: usize) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: None,
            accept: &[],
            max_bytes,
        }
    }
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct OutboundResponse {
    /// Where it came from in the end.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its `Content-Type`, as sent.
    pub content_type: Option<String>,
    /// Its body, up to the bound.
    pub body: Bytes,
    /// Whether the body was longer than the bound.
    pub truncated: bool,
}

/// Why a request had no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The guard refused the address, or one it was redirected to.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It led from one place to the next too often.
    #[error("more than {0} redirects")]
    TooManyRedirects(usize),
    /// A redirect that does not say where to.
    #[error("a redirect without a valid location")]
    BadRedirect,
    /// The answer is of another type than those asked for.
    #[error("the answer is {0}, which was not asked for")]
    MediaType(String),
    /// It took too long.
    #[error("no answer within {} seconds", .0.as_secs())]
    TimedOut(Duration),
    /// The connection failed.
    #[error("the request failed: {0}")]
    Failed(String),
}

impl Outbound {
    /// A client for the public internet and what the operator added to it.
    ///
    /// # Errors
    /// [`OutboundError::Failed`] where TLS cannot be set up.
    pub fn public(config: &OutboundConfig) -> Result<Self, OutboundError> {
        Self::new(Policy::public(config), config, Arc::new(SystemLookup))
    }

    /// A client for one configured service. It follows no redirects.
    ///
    /// # Errors
    /// [`OutboundError::Failed`] where TLS cannot be set up.
    pub fn service(base: &Url, config: &OutboundConfig) -> Result<Self, OutboundError> {
        let config = OutboundConfig {
            max_redirects: 0,
            ..config.clone()
        };
        Self::new(Policy::service(base), &config, Arc::new(SystemLookup))
    }

    /// A client for what a policy permits, by a given look-up.
    ///
    /// # Errors
    /// [`OutboundError::Failed`] where TLS cannot be set up.
    pub fn new(policy: Policy, config: &OutboundConfig, lookup: Arc<dyn Lookup>) -> Result<Self, OutboundError> {
        let policy = Arc::new(policy);
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .dns_resolver(GuardedResolver::new(lookup, policy.clone()))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            // Another crate may have turned these features on; the bounds below count what is read from the wire.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            // A connection that is kept would outlive the decision it was made by.
            .pool_max_idle_per_host(0)
            .connect_timeout(Duration::from_secs(config.connect_seconds))
            .build()
            .map_err(failed)?;
        let total = Duration::from_secs(config.total_seconds);
        Ok(Self {
            client,
            policy,
            max_redirects: config.max_redirects,
            total,
        })
    }

    /// Makes a request and reads its answer, within the bounds of the configuration.
    ///
    /// # Errors
    /// [`OutboundError`]; a status that reports an error is an answer, not an error.
    pub async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        tokio::time::timeout(self.total, Box::pin(self.follow(request)))
            .await
            .unwrap_or(Err(OutboundError::TimedOut(self.total)))
    }

    async fn follow(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        let OutboundRequest {
            method,
            mut url,
            mut headers,
            body,
            accept,
            max_bytes,
        } = request;
        let mut hops = 0;
        loop {
            self.policy.check_url(&url)?;
            let mut building = self
                .client
                .request(method.clone(), url.clone())
                .headers(headers.clone());
            if let Some(body) = &body {
                building = building.body(body.clone());
            }
            let response = building.send().await.map_err(failed)?;
            if !is_redirect(response.status()) || method != Method::GET {
                return read(response, url, accept, max_bytes).await;
            }
            hops += 1;
            if hops > self.max_redirects {
                return Err(OutboundError::TooManyRedirects(self.max_redirects));
            }
            let next = location(&response, &url).ok_or(OutboundError::BadRedirect)?;
            if next.origin() != url.origin() {
                headers.clear();
            }
            url = next;
        }
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn location(response: &Response, from: &Url) -> Option<Url> {
    let target = response.headers().get(LOCATION)?;
    from.join(std::str::from_utf8(target.as_bytes()).ok()?).ok()
}

async fn read(
    mut response: Response,
    url: Url,
    accept: &[&str],
    max_bytes: usize,
) -> Result<OutboundResponse, OutboundError> {
    let status = response.status();
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    if status.is_success() && !accept.is_empty() {
        let sent = content_type.as_deref().unwrap_or("of no type");
        let media = sent.split(';').next().unwrap_or_default().trim();
        if !accept.iter().any(|accepted| accepted.eq_ignore_ascii_case(media)) {
            return Err(OutboundError::MediaType(media.chars().take(100).collect()));
        }
    }
    let mut body = BytesMut::new();
    let mut truncated = false;
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        let room = max_bytes - body.len();
        if chunk.len() > room {
            body.extend_from_slice(&chunk[..room]);
            truncated = true;
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(OutboundResponse {
        url,
        status,
        content_type,
        body: body.freeze(),
        truncated,
    })
}

/// Finds the guard's refusal among the causes; everything else is a failure, without the URL, which may carry a query.
fn failed(error: reqwest::Error) -> OutboundError {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(current) = cause {
        if let Some(refusal) = current.downcast_ref::<Refusal>() {
            return OutboundError::Refused(refusal.clone());
        }
        reason = current.to_string();
        cause = current.source();
    }
    OutboundError::Failed(reason)
}

#[cfg(test)]
mod tests;
