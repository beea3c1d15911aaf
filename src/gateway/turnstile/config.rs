//! Section `[turnstile]`.

use serde::{Deserialize, Serialize};
use url::Url;

/// Section `[turnstile]`: whether whoever signs up or writes to us is a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TurnstileConfig {
    /// Whether that is asked.
    pub enabled: bool,
    /// Public key of the widget.
    pub sitekey: String,
    /// Environment variable with the secret.
    pub secret_env: String,
    /// Address that checks tokens.
    pub endpoint: String,
    /// Host on which the widget must have been solved; empty means that of `server.public-url`, if there is one.
    pub hostname: String,
    /// Action that the widget must have been solved for; empty means any.
    pub action: String,
}

impl Default for TurnstileConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            sitekey: String::new(),
            secret_env: "TURNSTILE_SECRET".to_owned(),
            endpoint: "https://challenges.cloudflare.com/turnstile/v0/siteverify".to_owned(),
            hostname: String::new(),
            action: "foundation".to_owned(),
        }
    }
}

impl TurnstileConfig {
    /// Checks what can be checked without the environment.
    ///
    /// # Errors
    ///
    /// Fails with the first key that does not fit.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.enabled && self.sitekey.is_empty() {
            return Err(("turnstile.sitekey", "must be set where Turnstile is enabled".to_owned()));
        }
        let is_web = Url::parse(&self.endpoint).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !is_web {
            return Err(("turnstile.endpoint", "must be a web address".to_owned()));
        }
        let is_action = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if self.action.len() > 32 || !self.action.bytes().all(is_action) {
            return Err((
                "turnstile.action",
                "must be up to 32 letters, digits, hyphens and underscores".to_owned(),
            ));
        }
        Ok(())
    }
}
