//! The [`Search`] port over a configured provider, and over none.

use std::sync::Arc;

use actors::ports::{Search, SearchError, SearchHit, Source};
use futures_util::future::{BoxFuture, FutureExt, ready};
use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Provider, SearchConfig, SearchConfigError, page, provider};
use crate::outbound::{Outbound, OutboundConfig, OutboundError};

/// No search engine: every question is answered with that fact.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSearch;

impl Search for NoSearch {
    fn provider(&self) -> Option<&'static str> {
        None
    }

    fn search(&self, _: String, _: usize) -> BoxFuture<'static, Result<Vec<SearchHit>, SearchError>> {
        ready(Err(SearchError::Unconfigured)).boxed()
    }

    fn fetch(&self, _: String) -> BoxFuture<'static, Result<Source, SearchError>> {
        ready(Err(SearchError::Unconfigured)).boxed()
    }
}

/// A configured search engine.
#[derive(Debug, Clone)]
pub struct SearchEngine {
    provider: Provider,
    base: Url,
    key: Option<HeaderValue>,
    results: usize,
    asking: Outbound,
    fetching: Outbound,
}

/// Makes what the configuration says, with the value of [`SearchConfig::key_variable`] as key.
///
/// # Errors
/// [`SearchConfigError`] names the setting that is missing or wrong.
pub fn open(
    config: &SearchConfig,
    outbound: &OutboundConfig,
    key: Option<SecretString>,
) -> Result<Arc<dyn Search>, SearchConfigError> {
    Ok(match SearchEngine::new(config, outbound, key)? {
        Some(engine) => Arc::new(engine),
        None => Arc::new(NoSearch),
    })
}

impl SearchEngine {
    /// Makes the engine of a configuration, or `None` where it names no provider.
    ///
    /// # Errors
    /// [`SearchConfigError`] names the setting that is missing or wrong.
    pub fn new(
        config: &SearchConfig,
        outbound: &OutboundConfig,
        key: Option<SecretString>,
    ) -> Result<Option<Self>, SearchConfigError> {
        let Some(base) = config.base()? else {
            return Ok(None);
        };
        let key = match (
            config.key_variable(),
            key.filter(|key| !key.expose_secret().trim().is_empty()),
        ) {
            (Some(variable), Some(key)) => {
                let mut value = HeaderValue::from_str(key.expose_secret().trim())
                    .map_err(|_| SearchConfigError::KeyInvalid(variable.to_owned()))?;
                value.set_sensitive(true);
                Some(value)
            }
            (Some(variable), None) => return Err(SearchConfigError::KeyMissing(variable.to_owned())),
            (None, _) => None,
        };
        let within = |seconds: u64| OutboundConfig {
            total_seconds: seconds.min(outbound.total_seconds),
            ..outbound.clone()
        };
        let client =
            |made: Result<Outbound, OutboundError>| made.map_err(|error| SearchConfigError::Client(error.to_string()));
        let asking = client(Outbound::service(&base, &within(config.search_seconds)))?;
        let fetching = client(Outbound::public(&within(config.fetch_seconds)))?;
        let results = config.results.get();
        Ok(Some(Self {
            provider: config.provider,
            base,
            key,
            results,
            asking,
            fetching,
        }))
    }
}

impl Search for SearchEngine {
    fn provider(&self) -> Option<&'static str> {
        match self.provider {
            Provider::None => None,
            Provider::Brave => Some("brave"),
            Provider::Tavily => Some("tavily"),
            Provider::Searxng => Some("searxng"),
        }
    }

    fn search(&self, query: String, limit: usize) -> BoxFuture<'static, Result<Vec<SearchHit>, SearchError>> {
        let Self {
            provider,
            base,
            key,
            results,
            asking,
            ..
        } = self.clone();
        async move {
            let limit = limit.min(results);
            if limit == 0 || query.trim().is_empty() {
                return Ok(Vec::new());
            }
            let request =
                provider::request(provider, &base, key.as_ref(), &query, limit).ok_or(SearchError::Unconfigured)?;
            let answer = asking.send(request).await.map_err(failed)?;
            if !answer.status.is_success() {
                return Err(SearchError::Failed(explain(provider, answer.status)));
            }
            if answer.truncated {
                return Err(SearchError::Failed("the answer of the provider is too long".into()));
            }
            provider::hits(provider, &answer.body, limit)
        }
        .boxed()
    }

    fn fetch(&self, url: String) -> BoxFuture<'static, Result<Source, SearchError>> {
        let fetching = self.fetching.clone();
        async move {
            let url = Url::parse(&url).map_err(|error| SearchError::Refused(format!("not a web address: {error}")))?;
            let answer = fetching.send(page::request(url)).await.map_err(failed)?;
            if !answer.status.is_success() {
                return Err(SearchError::Failed(format!("the page answered {}", answer.status)));
            }
            let retrieved_at = jiff::Timestamp::now().as_second();
            // Reading a megabyte of markup takes long enough to keep it off the asynchronous threads.
            tokio::task::spawn_blocking(move || page::source(&answer, retrieved_at))
                .await
                .map_err(|error| SearchError::Failed(format!("failed to read the page: {error}")))
        }
        .boxed()
    }
}

/// Says what a status means for whoever runs the server.
fn explain(provider: Provider, status: StatusCode) -> String {
    let hint = match (status.as_u16(), provider) {
        (403, Provider::Searxng) => ": is the format json switched on in its settings?",
        (401 | 403, _) => ": is the key valid?",
        (429, _) => ": too many requests for its plan",
        _ => "",
    };
    format!("the provider answered {status}{hint}")
}

fn failed(error: OutboundError) -> SearchError {
    match error {
        OutboundError::Refused(refusal) => SearchError::Refused(refusal.to_string()),
        OutboundError::TooManyRedirects(_)
        | OutboundError::BadRedirect
        | OutboundError::MediaType(_)
        | OutboundError::TimedOut(_)
        | OutboundError::Failed(_) => SearchError::Failed(error.to_string()),
    }
}
