//! The `[ai]` section of the configuration.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// Which models answer, and how they are reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AiConfig {
    /// Who writes: `embedded` (a small model inside this program: no key, no network, no judgement) or
    /// `openai-compatible` (any endpoint that speaks the chat completions interface).
    pub provider: Provider,

    /// Root of the endpoint, version included, for example `http://localhost:11434/v1`. Only for `openai-compatible`.
    pub base_url: String,

    /// The models asked at the endpoint. Only for `openai-compatible`.
    pub models: ModelNames,

    /// Name of the environment variable that holds the key of the endpoint. An endpoint without keys leaves it unset.
    pub api_key_env: String,

    /// File that holds the key of the endpoint; wins over the environment. Empty means none.
    pub api_key_file: PathBuf,

    /// Longest prompt and answer together that the models at the endpoint accept, in tokens.
    pub context_tokens: NonZeroU32,

    /// Directory of the files of the small models; a relative one lies below `db.path`.
    pub models_path: PathBuf,

    /// Whether answers are streamed from the endpoint. Turn it off for servers that cannot stream structured output.
    pub stream: bool,

    /// Seconds to wait for a connection to the endpoint.
    pub connect_timeout_secs: NonZeroU32,

    /// Seconds to wait for the next bytes of an answer. The deadline of each request holds besides.
    pub read_timeout_secs: NonZeroU32,

    /// Requests sent to the endpoint at the same time.
    pub concurrency: NonZeroUsize,

    /// Processor threads of the embedded models; 0 takes half of the cores, at most 4.
    pub threads: usize,

    /// Requests that may wait for their turn. One more is told that the model is overloaded.
    pub queue: NonZeroUsize,
}

/// Who writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// The small model inside this program.
    #[default]
    Embedded,
    /// An endpoint that speaks the chat completions interface.
    #[serde(rename = "openai-compatible")]
    OpenAiCompatible,
}

impl Provider {
    /// The name in the configuration and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::OpenAiCompatible => "openai-compatible",
        }
    }
}

/// Name of the model in each role, as the endpoint spells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelNames {
    /// Writes the artifacts.
    pub generator: String,
    /// Scores the artifacts. Empty means the generator.
    pub reviewer: String,
    /// Decides when review does not converge. Empty means the reviewer.
    pub tiebreaker: String,
}

impl Default for AiConfig {
    fn default() -> Self {
        Self {
            provider: Provider::default(),
            base_url: String::new(),
            models: ModelNames::default(),
            api_key_env: "FOUNDATION_AI_API_KEY".to_owned(),
            api_key_file: PathBuf::new(),
            context_tokens: NonZeroU32::new(32_768).expect("the literal is not zero"),
            models_path: PathBuf::from("models"),
            stream: true,
            connect_timeout_secs: NonZeroU32::new(10).expect("the literal is not zero"),
            read_timeout_secs: NonZeroU32::new(120).expect("the literal is not zero"),
            concurrency: NonZeroUsize::new(8).expect("the literal is not zero"),
            threads: 0,
            queue: NonZeroUsize::new(64).expect("the literal is not zero"),
        }
    }
}

/// Why the `[ai]` section cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AiConfigError {
    /// A key that this provider needs is empty.
    #[error("`{key}` must be set when `ai.provider` is `openai-compatible`")]
    Required {
        /// The key.
        key: &'static str,
    },
    /// The address of the endpoint is no HTTP address.
    #[error("`ai.base-url` must be an http or https address: {0}")]
    BaseUrl(String),
    /// The key file cannot be read.
    #[error("failed to read `ai.api-key-file` {}: {reason}", path.display())]
    KeyFile {
        /// The configured path.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
}

impl AiConfigError {
    /// The key at fault.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Required { key } => key,
            Self::BaseUrl(_) => "ai.base-url",
            Self::KeyFile { .. } => "ai.api-key-file",
        }
    }
}

impl AiConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the key that is missing or wrong.
    pub fn validate(&self) -> Result<(), AiConfigError> {
        match self.provider {
            Provider::Embedded => Ok(()),
            Provider::OpenAiCompatible => {
                if self.base_url.is_empty() {
                    return Err(AiConfigError::Required { key: "ai.base-url" });
                }
                let url = url::Url::parse(&self.base_url).map_err(|error| AiConfigError::BaseUrl(error.to_string()))?;
                if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
                    return Err(AiConfigError::BaseUrl(format!("the scheme is {}", url.scheme())));
                }
                if !url.username().is_empty() || url.password().is_some() {
                    return Err(AiConfigError::BaseUrl("it must not hold a user or password".to_owned()));
                }
                if self.models.generator.is_empty() {
                    return Err(AiConfigError::Required {
                        key: "ai.models.generator",
                    });
                }
                Ok(())
            }
        }
    }

    /// Reads the key of the endpoint from the configured file, else from the configured variable of `environment`.
    ///
    /// # Errors
    /// The file is configured and cannot be read.
    pub fn api_key(&self, environment: impl Fn(&str) -> Option<String>) -> Result<Option<SecretString>, AiConfigError> {
        let text = if self.api_key_file.as_os_str().is_empty() {
            environment(&self.api_key_env)
        } else {
            let read = std::fs::read_to_string(&self.api_key_file);
            Some(read.map_err(|error| AiConfigError::KeyFile {
                path: self.api_key_file.clone(),
                reason: error.to_string(),
            })?)
        };
        let text = text.map(|text| text.trim().to_owned());
        Ok(text.filter(|text| !text.is_empty()).map(SecretString::from))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn remote() -> AiConfig {
        AiConfig {
            provider: Provider::OpenAiCompatible,
            base_url: "http://127.0.0.1:1/v1".to_owned(),
            models: ModelNames {
                generator: "writer".to_owned(),
                ..ModelNames::default()
            },
            ..AiConfig::default()
        }
    }

    #[test]
    fn an_empty_section_is_the_default() {
        assert_eq!(toml::from_str::<AiConfig>("").unwrap(), AiConfig::default());
    }

    #[test]
    fn the_section_survives_a_round_trip() {
        let text = toml::to_string(&remote()).unwrap();
        assert!(text.contains("provider = \"openai-compatible\""), "{text}");
        assert_eq!(toml::from_str::<AiConfig>(&text).unwrap(), remote());
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = toml::from_str::<AiConfig>("base-ulr = \"x\"").unwrap_err();
        assert!(error.to_string().contains("base-ulr"), "{error}");
    }

    #[test]
    fn what_a_remote_provider_needs_is_checked_by_name() {
        assert_eq!(remote().validate(), Ok(()));
        let error = AiConfig {
            base_url: String::new(),
            ..remote()
        }
        .validate()
        .unwrap_err();
        assert!(error.to_string().contains("ai.base-url"));
        let error = AiConfig {
            models: ModelNames::default(),
            ..remote()
        }
        .validate()
        .unwrap_err();
        assert!(error.to_string().contains("ai.models.generator"));
        for url in ["ftp://host/v1", "not a url", "http://user:secret@host/v1"] {
            let error = AiConfig {
                base_url: url.to_owned(),
                ..remote()
            }
            .validate()
            .unwrap_err();
            assert!(matches!(error, AiConfigError::BaseUrl(_)), "{url}: {error}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn the_key_comes_from_the_file_before_the_environment() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        std::fs::write(&file, "from-file\n").unwrap();
        let environment = |name: &str| (name == "FOUNDATION_AI_API_KEY").then(|| "from-environment".to_owned());
        let key = remote().api_key(environment).unwrap().unwrap();
        assert_eq!(key.expose_secret(), "from-environment");
        let key = AiConfig {
            api_key_file: file,
            ..remote()
        }
        .api_key(environment)
        .unwrap()
        .unwrap();
        assert_eq!(key.expose_secret(), "from-file");
        assert!(!format!("{key:?}").contains("from-file"));
        assert!(remote().api_key(|_| None).unwrap().is_none());
        let missing = directory.path().join("absent");
        let error = AiConfig {
            api_key_file: missing,
            ..remote()
        }
        .api_key(environment)
        .unwrap_err();
        assert!(error.to_string().contains("ai.api-key-file"));
    }
}
