//! Web search for sources. There is none by default; absence is said, never papered over.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// A search engine and a fetcher of what it finds.
pub trait Search: Send + Sync + 'static {
    /// Names the provider, or `None` where search is not configured.
    fn provider(&self) -> Option<&'static str>;

    /// Finds pages, best first.
    fn search(&self, query: String, limit: usize) -> BoxFuture<'static, Result<Vec<SearchHit>, SearchError>>;

    /// Fetches one page as text, at most 64 KiB, through the outbound guard.
    fn fetch(&self, url: String) -> BoxFuture<'static, Result<Source, SearchError>>;
}

/// One result of a search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchHit {
    /// Address of the page.
    pub url: String,
    /// Its title.
    pub title: String,
    /// The part that matched.
    pub snippet: String,
}

/// A page that was really fetched: the only thing a claim can be linked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Address of the page.
    pub url: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub text: String,
    /// When it was fetched, Unix seconds.
    pub retrieved_at: i64,
}

/// Why a search or a fetch failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// No provider is configured.
    #[error("no search provider is configured")]
    Unconfigured,
    /// The address is private, not HTTP, or otherwise refused by the outbound guard.
    #[error("the address is refused: {0}")]
    Refused(String),
    /// The provider or the page failed.
    #[error("search failed: {0}")]
    Failed(String),
}
