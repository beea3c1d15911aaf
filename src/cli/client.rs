//! The HTTP client of the API.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use reqwest::{Certificate, Method, Response, StatusCode, header};
use serde_json::Value;

use crate::config::Config;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for an answer that is no stream.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest silence of an event stream; the server sends a comment more often.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(310);

/// Asks one server as one identity.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    token_file: PathBuf,
}

/// Why the server could not be asked, or what it answered instead.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing answers at the address.
    #[error("failed to reach the server at {url}; is it running? ({reason})")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// The answer broke off.
    #[error("the answer of the server broke off: {0}")]
    Broken(#[source] reqwest::Error),
    /// There is no token.
    #[error("no token: set FOUNDATION_TOKEN, or run this where {path} is readable (the server writes it)")]
    NoToken {
        /// File that the server writes for the local operator.
        path: PathBuf,
    },
    /// The server refused.
    #[error("{status} {code}: {detail}{}{}", fields(.errors), request(.request_id))]
    Refused {
        /// HTTP status.
        status: u16,
        /// Stable code.
        code: String,
        /// What the server said.
        detail: String,
        /// Fields that do not fit.
        errors: Vec<String>,
        /// Id of the request in the server's log.
        request_id: String,
    },
    /// Nobody serves at the moment, says what stands in front of the server.
    #[error("status {status}: the server is not available at the moment")]
    Unavailable {
        /// HTTP status.
        status: u16,
    },
    /// The answer is not what this version expects.
    #[error("the server answered something unexpected: {0}")]
    Unexpected(String),
    /// The client could not be made.
    #[error("failed to make the HTTP client: {0}")]
    Setup(#[source] reqwest::Error),
}

impl ClientError {
    /// Says whether the same question may be answered a moment later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken(_) | Self::Unavailable { .. } => true,
            Self::Refused { status, .. } => matches!(status, 429 | 502..=504),
            Self::NoToken { .. } | Self::Unexpected(_) | Self::Setup(_) => false,
        }
    }
}

fn fields(errors: &[String]) -> String {
    errors.iter().map(|error| format!("\n  {error}")).collect()
}

fn request(id: &str) -> String {
    if id.is_empty() {
        String::new()
    } else {
        format!("\n  request {id}")
    }
}

impl Client {
    /// Makes a client of `url`, or of the configured server. The token is the given one, or the local operator's.
    pub(super) fn new(url: Option<String>, token: Option<&str>, config: &Config) -> Result<Self, ClientError> {
        let mut http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_TIMEOUT)
            .user_agent(concat!("foundation/", env!("CARGO_PKG_VERSION")));
        if let (None, Some(files), Some(host)) = (&url, config.server.tls(), config.server.tls_host()) {
            // The server on this machine, under the name that its certificate has. What it shows is trusted where it can be
            // read, whoever has signed it.
            http = http.resolve(&host, config.server.local_address());
            let shown = std::fs::read(&files.certificate).unwrap_or_default();
            http = http.tls_certs_merge(Certificate::from_pem_bundle(&shown).unwrap_or_default());
        }
        let http = http.build().map_err(ClientError::Setup)?;
        let token_file = config.db.operator_token_file();
        // The operator's token is for the server that wrote it, never for an address from elsewhere.
        let token = match (token, &url) {
            (Some(token), _) => Some(token.to_owned()),
            (None, None) => std::fs::read_to_string(&token_file)
                .ok()
                .map(|text| text.trim().to_owned()),
            (None, Some(url)) if is_loopback(url) => std::fs::read_to_string(&token_file)
                .ok()
                .map(|text| text.trim().to_owned()),
            (None, Some(_)) => None,
        };
        let base = url
            .unwrap_or_else(|| config.server.local_url())
            .trim_end_matches('/')
            .to_owned();
        Ok(Self {
            http,
            base,
            token,
            token_file,
        })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.json(self.send(Method::GET, path, None, &[]).await?).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Value, ClientError> {
        self.json(self.send(Method::DELETE, path, None, &[]).await?).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.json(self.send(Method::POST, path, Some(body), &[]).await?).await
    }

    /// Posts under an idempotency key, so that a lost answer can be asked for again.
    pub(super) async fn post_once(&self, path: &str, body: &Value, key: &str) -> Result<Value, ClientError> {
        self.json(
            self.send(Method::POST, path, Some(body), &[("idempotency-key", key)])
                .await?,
        )
        .await
    }

    pub(super) async fn bytes(&self, path: &str) -> Result<Bytes, ClientError> {
        self.send(Method::GET, path, None, &[])
            .await?
            .bytes()
            .await
            .map_err(ClientError::Broken)
    }

    /// Opens an event stream after event `after`. `None` means that the run is over and nothing is left to send.
    pub(super) async fn stream(
        &self,
        path: &str,
        after: u64,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, ClientError>>>, ClientError> {
        let after = after.to_string();
        let response = self.send(Method::GET, path, None, &[("last-event-id", &after)]).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        Ok(Some(response.bytes_stream().map_err(ClientError::Broken).boxed()))
    }

    /// Asks in another protocol. The answer may be a stream.
    pub(super) async fn open(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Response, ClientError> {
        self.send_within(None, method, path, body, headers).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Response, ClientError> {
        let time = (!path.ends_with("/events")).then_some(ANSWER_TIMEOUT);
        self.send_within(time, method, path, body, headers).await
    }

    async fn send_within(
        &self,
        time: Option<Duration>,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Response, ClientError> {
        let token = self.token.as_ref().ok_or_else(|| ClientError::NoToken {
            path: self.token_file.clone(),
        })?;
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(time) = time {
            request = request.timeout(time);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| ClientError::Unreachable {
            url: self.base.clone(),
            reason: root_cause(&error.without_url()),
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refused(response).await)
    }

    async fn json(&self, response: Response) -> Result<Value, ClientError> {
        let body = response.bytes().await.map_err(ClientError::Broken)?;
        serde_json::from_slice(&body).map_err(|error| ClientError::Unexpected(error.to_string()))
    }
}

/// The innermost cause of an error: the outer ones only say that something was tried.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn is_loopback(url: &str) -> bool {
    match url::Url::parse(url).ok().as_ref().and_then(url::Url::host) {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

async fn refused(response: Response) -> ClientError {
    let status = response.status().as_u16();
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.contains("json"));
    let body = response.bytes().await.unwrap_or_default();
    let document: Value = if is_json {
        serde_json::from_slice(&body).unwrap_or_default()
    } else {
        Value::Null
    };
    explained(status, &document)
}

/// What a problem says, each thing once.
fn explained(status: u16, document: &Value) -> ClientError {
    let text = |name: &str| super::output::plain(document[name].as_str().unwrap_or_default());
    if document["code"].is_null() && matches!(status, 502..=504) {
        return ClientError::Unavailable { status };
    }
    if document["code"].is_null() {
        return ClientError::Unexpected(format!(
            "status {status} without a problem; is this a foundation server?"
        ));
    }
    let errors = document["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut errors: Vec<String> = errors
        .iter()
        .map(|error| {
            let part = |name: &str| super::output::plain(error[name].as_str().unwrap_or_default());
            format!("{} {}", part("pointer"), part("detail"))
        })
        .collect();
    let mut detail = text("detail");
    // The first field stands in the sentence already.
    if let [only] = &errors[..]
        && detail.contains(only.as_str())
    {
        errors.clear();
    }
    if let Some(state) = document["state"].as_str().map(super::output::plain)
        && !detail.contains(&state)
    {
        detail = format!("{detail} (it is {state})");
    }
    ClientError::Refused {
        status,
        code: text("code"),
        detail,
        errors,
        request_id: text("request_id"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_says_each_thing_once() {
        let told = |document: Value| explained(409, &document).to_string();
        let one = json!({"code": "body.invalid", "detail": "the body does not fit: /idea is required",
            "errors": [{"pointer": "/idea", "detail": "is required"}]});
        assert_eq!(told(one), "409 body.invalid: the body does not fit: /idea is required");
        let two = json!({"code": "body.invalid", "detail": "the body does not fit: /a is required",
            "errors": [{"pointer": "/a", "detail": "is required"}, {"pointer": "/b", "detail": "is required"}]});
        assert!(told(two).ends_with("\n  /a is required\n  /b is required"));
        let state = json!({"code": "run.wrong-state", "detail": "the run is paused and cannot be paused", "state": "paused",
            "request_id": "r1"});
        assert_eq!(
            told(state),
            "409 run.wrong-state: the run is paused and cannot be paused\n  request r1"
        );
        let other = json!({"code": "c", "detail": "that cannot be done", "state": "paused"});
        assert_eq!(told(other), "409 c: that cannot be done (it is paused)");
    }

    #[test]
    fn the_token_of_the_local_operator_stays_on_this_machine() {
        for local in ["http://127.0.0.1:8788", "http://localhost:1", "http://[::1]:2"] {
            assert!(is_loopback(local), "{local}");
        }
        for other in [
            "http://10.0.0.1",
            "https://plans.example",
            "http://localhost.example",
            "nonsense",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
