//! Whether whoever signs up or writes to us is a person: Cloudflare Turnstile, off unless it is configured.
//!
//! A widget on the page gets a token, and the server asks siteverify what it is worth. It fails closed: without an answer in
//! time nobody passes. The documented test secrets are answered here, without a network.

mod config;

use std::{net::IpAddr, sync::Arc, time::Duration};

use actix_web::{HttpMessage, HttpRequest, http::StatusCode};
use bytes::Bytes;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

pub use self::config::TurnstileConfig;
use serde_json::Value;

use super::{body::Fields, client_address::ClientAddress, error::Problem, state::Gateway};
use crate::{
    config::ServerConfig,
    outbound::{Outbound, OutboundConfig, OutboundError, OutboundRequest},
};

/// Name of the form field and of the header.
const FIELD: &str = "cf-turnstile-response";

/// Name of the token in JSON, besides.
const JSON_FIELD: &str = "turnstileToken";

/// Longest token, as documented.
const TOKEN_MAX: usize = 2048;

/// Longest time that the check may take, both attempts together.
const DEADLINE: Duration = Duration::from_secs(5);

/// Most bytes of an answer of siteverify.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Secrets for tests, as documented: of each token they say the same.
const ALWAYS_PASSES: &str = "1x0000000000000000000000000000000AA";
const ALWAYS_FAILS: &str = "2x0000000000000000000000000000000AA";
const ALWAYS_SPENT: &str = "3x0000000000000000000000000000000AA";

/// Why Turnstile cannot be asked as configured.
#[derive(Debug, thiserror::Error)]
pub enum TurnstileError {
    /// There is no secret.
    #[error("turnstile.enabled is set, and the environment variable {0} with the secret is not")]
    NoSecret(String),
    /// The address of siteverify is none.
    #[error("turnstile.endpoint: {0}")]
    Endpoint(#[from] url::ParseError),
    /// There is no way out.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

/// Asks whether somebody is a person. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Turnstile(Option<Arc<Checks>>);

#[derive(Debug)]
struct Checks {
    widget: Widget,
    secret: SecretString,
    endpoint: Url,
    hostname: Option<String>,
    client: Outbound,
}

/// What a page needs to show the widget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Widget {
    pub(crate) sitekey: String,
    pub(crate) action: String,
}

/// Marks an answer whose page shows the widget, so that the browser lets it in there and nowhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShowsWidget;

#[derive(Serialize)]
struct Question<'a> {
    secret: &'a str,
    response: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remoteip: Option<IpAddr>,
    idempotency_key: Uuid,
}

/// The answer of siteverify.
#[derive(Debug, Deserialize)]
struct Verdict {
    success: bool,
    #[serde(default)]
    hostname: Option<String>,
    #[serde(default)]
    action: Option<String>,
    #[serde(default, rename = "error-codes")]
    error_codes: Vec<String>,
}

impl Turnstile {
    /// Prepares what the configuration says.
    ///
    /// # Errors
    ///
    /// Fails when it is enabled and the secret is missing.
    pub fn open(
        config: &TurnstileConfig,
        server: &ServerConfig,
        outbound: &OutboundConfig,
        variable: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Self, TurnstileError> {
        if !config.enabled {
            return Ok(Self::default());
        }
        let secret = variable(&config.secret_env).filter(|secret| !secret.trim().is_empty());
        let secret = secret.ok_or_else(|| TurnstileError::NoSecret(config.secret_env.clone()))?;
        let endpoint = Url::parse(&config.endpoint)?;
        let outbound = OutboundConfig {
            connect_seconds: DEADLINE.as_secs(),
            total_seconds: DEADLINE.as_secs(),
            ..outbound.clone()
        };
        let own = || Url::parse(&server.public_url).ok()?.host_str().map(str::to_owned);
        Ok(Self(Some(Arc::new(Checks {
            widget: Widget {
                sitekey: config.sitekey.clone(),
                action: config.action.clone(),
            },
            secret: SecretString::from(secret.trim().to_owned()),
            client: Outbound::service(&endpoint, &outbound)?,
            endpoint,
            hostname: Some(config.hostname.clone())
                .filter(|name| !name.is_empty())
                .or_else(own),
        }))))
    }

    /// What pages need to show the widget, where it is asked for.
    pub(crate) fn widget(&self) -> Option<&Widget> {
        self.0.as_deref().map(|checks| &checks.widget)
    }

    /// Lets pass whoever shows a token that counts; everybody where Turnstile is off.
    ///
    /// # Errors
    ///
    /// Fails without a token, with one that does not count, and when that cannot be found out in time.
    pub(crate) async fn check(&self, token: Option<&str>, client: Option<IpAddr>) -> Result<(), Problem> {
        let Some(checks) = &self.0 else { return Ok(()) };
        let token = token.ok_or_else(|| {
            Problem::bad_request(
                "turnstile.required",
                "this needs the token of the Turnstile widget, to see that you are a person",
            )
        })?;
        let verdict = match checks.secret.expose_secret() {
            ALWAYS_PASSES => return Ok(()),
            ALWAYS_FAILS => Err(vec!["invalid-input-response".to_owned()]),
            ALWAYS_SPENT => Err(vec!["timeout-or-duplicate".to_owned()]),
            secret => checks.ask(secret, token, client).await?,
        };
        verdict.map_err(|codes| {
            tracing::info!(codes = codes.join(" "), "a Turnstile token was refused");
            Problem::forbidden(
                "turnstile.failed",
                "the token of the Turnstile widget does not count, or not any more; solve it again",
            )
        })
    }
}

impl Checks {
    /// Asks siteverify, once more if nothing came back: the same idempotency key makes that the same question.
    async fn ask(&self, secret: &str, token: &str, client: Option<IpAddr>) -> Result<Result<(), Vec<String>>, Problem> {
        let question = Question {
            secret,
            response: token,
            remoteip: client,
            idempotency_key: Uuid::new_v4(),
        };
        let body = Bytes::from(serde_json::to_vec(&question).expect("the question has text keys only"));
        let asked = async {
            match self.ask_once(body.clone()).await {
                Ok(verdict) => Ok(verdict),
                Err(_) => self.ask_once(body).await,
            }
        };
        let answered = tokio::time::timeout(DEADLINE, asked)
            .await
            .unwrap_or(Err(OutboundError::TimedOut(DEADLINE)));
        match answered {
            Ok(verdict) => Ok(self.judge(verdict)),
            Err(error) => {
                tracing::warn!(%error, "Turnstile did not answer");
                Err(match error {
                    OutboundError::TimedOut(_) => Problem::new(
                        StatusCode::GATEWAY_TIMEOUT,
                        "turnstile.timeout",
                        "whether you are a person could not be found out in time; try again",
                    ),
                    OutboundError::Refused(_)
                    | OutboundError::TooManyRedirects(_)
                    | OutboundError::BadRedirect
                    | OutboundError::MediaType(_)
                    | OutboundError::Failed(_) => Problem::unavailable(
                        "turnstile.unavailable",
                        "whether you are a person cannot be found out at the moment",
                    ),
                })
            }
        }
    }

    async fn ask_once(&self, body: Bytes) -> Result<Verdict, OutboundError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = OutboundRequest {
            method: Method::POST,
            url: self.endpoint.clone(),
            headers,
            body: Some(body),
            accept: &[],
            max_bytes: ANSWER_BYTES_MAX,
        };
        let response = self.client.send(request).await?;
        // A secret or token that is wrong is answered 400 with the same form.
        if response.status.is_server_error() {
            return Err(OutboundError::Failed(format!(
                "siteverify answered {}",
                response.status
            )));
        }
        serde_json::from_slice(&response.body).map_err(|error| OutboundError::Failed(error.to_string()))
    }

    /// Whether the token was made on a page of ours, for what it is shown for.
    fn judge(&self, verdict: Verdict) -> Result<(), Vec<String>> {
        if !verdict.success {
            return Err(verdict.error_codes);
        }
        let is_ours = self
            .hostname
            .as_ref()
            .is_none_or(|ours| verdict.hostname.as_ref() == Some(ours));
        let action = &self.widget.action;
        let is_for_this = action.is_empty() || verdict.action.as_ref() == Some(action);
        match (is_ours, is_for_this) {
            (true, true) => Ok(()),
            (false, _) => Err(vec!["another-hostname".to_owned()]),
            (true, false) => Err(vec!["another-action".to_owned()]),
        }
    }
}

/// Reads the token from a field of the form or body.
pub(crate) fn field(fields: &mut Fields) -> Option<String> {
    let in_body = fields.optional_text(FIELD, TOKEN_MAX);
    let in_json = fields.optional_text(JSON_FIELD, TOKEN_MAX);
    fields.says(
        JSON_FIELD,
        "What the browser's challenge gave, where one is asked for",
        Value::Null,
    );
    in_body.or(in_json)
}

/// Takes the token of a request: from a field of the form or body, or from the header.
pub(crate) fn token(request: &HttpRequest, fields: &mut Fields) -> Option<String> {
    let in_header = || {
        let header = request.headers().get(FIELD)?.to_str().ok()?;
        Some(header.to_owned()).filter(|token| !token.is_empty() && token.len() <= TOKEN_MAX)
    };
    field(fields).or_else(in_header)
}

/// Lets pass whoever is a person, as far as the token of the request tells.
///
/// # Errors
///
/// As [`Turnstile::check`].
pub(crate) async fn pass(request: &HttpRequest, gateway: &Gateway, token: Option<String>) -> Result<(), Problem> {
    let client = request.extensions().get::<ClientAddress>().map(|client| client.0);
    gateway.turnstile.check(token.as_deref(), client).await
}

#[cfg(test)]
mod tests;
