//! What is asked of each provider, and how its answers read.

use actors::ports::{SearchError, SearchHit};
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::Provider;
use super::html::text_of;
use crate::outbound::OutboundRequest;

/// Most characters of a query: Brave takes 400.
const MAX_QUERY_CHARS: usize = 400;
/// Most characters of a title.
const MAX_TITLE_CHARS: usize = 300;
/// Most characters of a snippet.
const MAX_SNIPPET_CHARS: usize = 2000;
/// Most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 2 * 1024 * 1024;

/// Answers the request for a search, or `None` where there is no provider. `base` ends with a slash.
pub(super) fn request(
    provider: Provider,
    base: &Url,
    key: Option<&HeaderValue>,
    query: &str,
    limit: usize,
) -> Option<OutboundRequest> {
    let query: String = query
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_QUERY_CHARS)
        .collect();
    let at = |path: &str| {
        base.join(path)
            .expect("a fixed relative path can be appended to an HTTP address")
    };
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let mut request = OutboundRequest {
        headers,
        ..OutboundRequest::get(base.clone(), MAX_ANSWER_BYTES)
    };
    match provider {
        Provider::None => return None,
        Provider::Brave => {
            request.url = at("web/search");
            // The API refuses more than 20.
            let count = limit.min(20).to_string();
            request
                .url
                .query_pairs_mut()
                .append_pair("q", &query)
                .append_pair("count", &count);
            if let Some(key) = key {
                request
                    .headers
                    .insert(HeaderName::from_static("x-subscription-token"), key.clone());
            }
        }
        Provider::Tavily => {
            request.url = at("search");
            request.method = Method::POST;
            request
                .headers
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            bearer(&mut request.headers, key);
            let body = serde_json::json!({ "query": query, "max_results": limit.min(20), "search_depth": "basic" });
            request.body = Some(Bytes::from(body.to_string()));
        }
        Provider::Searxng => {
            request.url = at("search");
            request
                .url
                .query_pairs_mut()
                .append_pair("q", &query)
                .append_pair("format", "json");
            bearer(&mut request.headers, key);
        }
    }
    Some(request)
}

fn bearer(headers: &mut HeaderMap, key: Option<&HeaderValue>) {
    let Some(key) = key else { return };
    let value = [b"Bearer ", key.as_bytes()].concat();
    if let Ok(mut value) = HeaderValue::from_bytes(&value) {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
}

/// Reads the answer of a provider.
pub(super) fn hits(provider: Provider, body: &[u8], limit: usize) -> Result<Vec<SearchHit>, SearchError> {
    let found = match provider {
        Provider::None => return Err(SearchError::Unconfigured),
        // A query without results has no section `web`.
        Provider::Brave => parse::<Brave>(body)?.web.map(|web| web.results).unwrap_or_default(),
        Provider::Tavily | Provider::Searxng => parse::<Listed>(body)?.results,
    };
    Ok(found.into_iter().filter_map(hit).take(limit).collect())
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, SearchError> {
    serde_json::from_slice(body)
        .map_err(|error| SearchError::Failed(format!("the answer is not as documented: {error}")))
}

/// Providers mark matches up and escape titles, so both are read as HTML. What is no web address is no hit.
fn hit(found: Found) -> Option<SearchHit> {
    let url = Url::parse(&found.url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let plain = |text: Option<String>, most: usize| -> String {
        let text = text_of(&text.unwrap_or_default()).text;
        text.split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .take(most)
            .collect()
    };
    Some(SearchHit {
        url: url.into(),
        title: plain(found.title, MAX_TITLE_CHARS),
        snippet: plain(found.content, MAX_SNIPPET_CHARS),
    })
}

#[derive(Debug, Deserialize)]
struct Brave {
    web: Option<Listed>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    results: Vec<Found>,
}

#[derive(Debug, Deserialize)]
struct Found {
    url: String,
    title: Option<String>,
    #[serde(alias = "description")]
    content: Option<String>,
}
