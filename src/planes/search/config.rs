//! Settings of the search.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};
use url::Url;

/// Which search engine is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// None: runs say that their claims have no sources.
    #[default]
    None,
    /// The Brave Search API.
    Brave,
    /// The Tavily API.
    Tavily,
    /// A SearXNG instance whose JSON format is switched on.
    Searxng,
}

/// Which search engine is asked, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SearchConfig {
    /// The engine.
    pub provider: Provider,
    /// Its address where it is not the provider's own; required for SearXNG.
    #[serde(with = "empty_is_none")]
    pub base_url: Option<String>,
    /// Environment variable with the key, where it is not `BRAVE_API_KEY` or `TAVILY_API_KEY`.
    #[serde(with = "empty_is_none")]
    pub api_key_env: Option<String>,
    /// Most results of one search.
    pub results: NonZeroUsize,
    /// Longest time a search may take, in seconds.
    pub search_seconds: u64,
    /// Longest time the fetch of one page may take, in seconds.
    pub fetch_seconds: u64,
}

/// An absent text is the empty one, so that every key of the section can stand in the file with its default.
mod empty_is_none {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde gives a reference to the field")]
    pub(super) fn serialize<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text.as_deref().unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self {
            provider: Provider::None,
            base_url: None,
            api_key_env: None,
            results: NonZeroUsize::new(5).expect("5 is not zero"),
            search_seconds: 15,
            fetch_seconds: 20,
        }
    }
}

/// Why the settings of the search cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchConfigError {
    /// A SearXNG instance has no default address.
    #[error("search.base-url is required for the provider searxng")]
    BaseUrlMissing,
    /// The address is not one that can be asked.
    #[error("search.base-url is not an http or https address: {0}")]
    BaseUrlInvalid(String),
    /// The provider wants a key and there is none.
    #[error("search.provider needs a key: set the environment variable {0}")]
    KeyMissing(String),
    /// The key has characters that cannot be sent.
    #[error("the key in the environment variable {0} cannot be sent in a header")]
    KeyInvalid(String),
    /// The clients could not be made.
    #[error("failed to set up the search: {0}")]
    Client(String),
}

impl SearchConfig {
    /// Names the environment variable whose value is the key, if the provider takes one.
    pub fn key_variable(&self) -> Option<&str> {
        let named = self.api_key_env.as_deref();
        match self.provider {
            Provider::None => None,
            Provider::Brave => named.or(Some("BRAVE_API_KEY")),
            Provider::Tavily => named.or(Some("TAVILY_API_KEY")),
            Provider::Searxng => named,
        }
    }

    /// Answers the address of the provider, ready to have a path appended, or `None` where there is no provider.
    ///
    /// # Errors
    /// [`SearchConfigError`] names the key that is missing or wrong.
    pub fn base(&self) -> Result<Option<Url>, SearchConfigError> {
        let default = match self.provider {
            Provider::None => return Ok(None),
            Provider::Brave => Some("https://api.search.brave.com/res/v1"),
            Provider::Tavily => Some("https://api.tavily.com"),
            Provider::Searxng => None,
        };
        let text = self
            .base_url
            .as_deref()
            .or(default)
            .ok_or(SearchConfigError::BaseUrlMissing)?;
        let mut url = Url::parse(text).map_err(|error| SearchConfigError::BaseUrlInvalid(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(SearchConfigError::BaseUrlInvalid(format!(
                "its scheme is {}",
                url.scheme()
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(SearchConfigError::BaseUrlInvalid("it has credentials in it".into()));
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        url.set_query(None);
        url.set_fragment(None);
        Ok(Some(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_in_kebab_case() {
        let text = "provider = 'searxng'\nbase-url = 'http://127.0.0.1:8888/s'\napi-key-env = 'KEY'\nresults = 3\n\
                    search-seconds = 1\nfetch-seconds = 2";
        let config: SearchConfig = toml::from_str(text).unwrap();
        assert_eq!((config.provider, config.results.get()), (Provider::Searxng, 3));
        assert_eq!(config.base().unwrap().unwrap().as_str(), "http://127.0.0.1:8888/s/");
        assert_eq!(config.key_variable(), Some("KEY"));
        assert_eq!(toml::from_str::<SearchConfig>("").unwrap(), SearchConfig::default());
        assert!(
            toml::from_str::<SearchConfig>("providers = 'brave'")
                .unwrap_err()
                .to_string()
                .contains("providers")
        );
        assert!(toml::from_str::<SearchConfig>("provider = 'bing'").is_err());
        assert!(toml::from_str::<SearchConfig>("results = 0").is_err());
    }

    #[test]
    fn a_wrong_address_names_its_key() {
        let with = |base_url: Option<&str>| SearchConfig {
            provider: Provider::Searxng,
            base_url: base_url.map(str::to_owned),
            ..SearchConfig::default()
        };
        assert_eq!(with(None).base(), Err(SearchConfigError::BaseUrlMissing));
        for url in ["search", "ftp://example.com", "http://user:pass@example.com"] {
            let error = with(Some(url)).base().unwrap_err().to_string();
            assert!(error.starts_with("search.base-url is not"), "{error}");
            assert!(!error.contains("pass@"), "{error}");
        }
    }
}
