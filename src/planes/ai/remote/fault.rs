//! What a failed request means for whoever asked. Messages carry neither the key nor the prompt.

use std::error::Error;

use actors::ports::ModelError;
use reqwest::{StatusCode, header::RETRY_AFTER};
use rig_core::{ProviderError, ProviderResponseError};
use serde_json::Value;

/// Longest part of the endpoint's own words that is passed on.
const MAX_WORDS: usize = 300;

/// The fault in the words of the port.
pub(super) fn of(error: &ProviderError) -> ModelError {
    let unavailable = |text: &str| ModelError::Unavailable(text.to_owned());
    match error {
        ProviderError::Http(error) => {
            let mut source: Option<&(dyn Error + 'static)> = Some(&**error);
            while let Some(cause) = source {
                if let Some(cause) = cause.downcast_ref::<reqwest::Error>() {
                    // Its own text names the address, which is the operator's business only.
                    return match (cause.is_connect(), cause.is_timeout()) {
                        (true, _) => unavailable("the endpoint cannot be reached"),
                        (false, true) => ModelError::Timeout,
                        (false, false) => unavailable("the connection broke"),
                    };
                }
                source = cause.source();
            }
            unavailable("the connection broke")
        }
        ProviderError::Truncated => unavailable("the answer was cut short"),
        ProviderError::ProviderResponse(response)
        | ProviderError::InvalidAuthentication(response)
        | ProviderError::CacheExpired { response, .. } => answered(response),
        ProviderError::Json(_) | ProviderError::Response(_) | ProviderError::Provider(_) => {
            unavailable("the answer cannot be understood")
        }
        ProviderError::Url(_) => ModelError::Refused("the address of the endpoint is wrong".to_owned()),
        other => ModelError::Refused(shortened(&other.to_string())),
    }
}

/// An answer of the endpoint that is no completion.
fn answered(response: &ProviderResponseError) -> ModelError {
    let Some(status) = response.status.filter(|status| !status.is_success()) else {
        // An error inside an answer that calls itself a success.
        let words = words(&response.body);
        return if response.refusal {
            ModelError::Refused(words)
        } else {
            ModelError::Unavailable(words)
        };
    };
    match status {
        StatusCode::TOO_MANY_REQUESTS => {
            let seconds = response.headers.as_ref().and_then(|headers| headers.get(RETRY_AFTER));
            let seconds = seconds
                .and_then(|value| value.to_str().ok())
                .and_then(|text| text.trim().parse().ok());
            ModelError::RateLimited {
                retry_after_secs: seconds,
            }
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ModelError::Refused(format!(
            "the endpoint does not accept the key (status {})",
            status.as_u16()
        )),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => {
            ModelError::Unavailable(format!("status {}", status.as_u16()))
        }
        status if status.is_server_error() => ModelError::Unavailable(format!("status {}", status.as_u16())),
        status => ModelError::Refused(format!("status {}: {}", status.as_u16(), words(&response.body))),
    }
}

/// The message in an error body, or that there is none. Bodies of another shape are not passed on: some proxies answer
/// with a page.
fn words(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let message = body
        .pointer("/error/message")
        .or_else(|| body.get("message"))
        .or_else(|| body.get("error"));
    message
        .and_then(Value::as_str)
        .map_or_else(|| "no reason given".to_owned(), shortened)
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> ModelError {
        let status = StatusCode::from_u16(status).unwrap();
        of(&ProviderError::ProviderResponse(ProviderResponseError::new(
            status, body,
        )))
    }

    #[test]
    fn what_may_succeed_later_is_told_from_what_cannot() {
        for status in [408, 425, 429, 500, 502, 503, 529] {
            assert!(response(status, "").is_retryable(), "{status}");
        }
        for status in [301, 400, 401, 403, 404, 413, 422] {
            assert!(!response(status, "").is_retryable(), "{status}");
        }
        assert!(of(&ProviderError::Truncated).is_retryable());
    }

    #[test]
    fn the_reason_of_a_refusal_is_passed_on_in_short() {
        let long = "x".repeat(5000);
        let error = response(400, &format!(r#"{{"error":{{"message":"unknown model {long}"}}}}"#)).to_string();
        assert!(error.contains("unknown model") && error.len() < 500, "{error}");
        assert!(
            response(404, "<html>secret</html>")
                .to_string()
                .contains("no reason given")
        );
    }
}
