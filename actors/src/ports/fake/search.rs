//! A search engine with scripted answers.

use std::{collections::BTreeMap, sync::Mutex};

use futures_util::{FutureExt, future::BoxFuture};

use super::lock;
use crate::ports::{Search, SearchError, SearchHit, Source};

/// Finds the same pages for every query; absent unless it was given pages.
#[derive(Debug, Default)]
pub struct FakeSearch {
    pages: Option<BTreeMap<String, String>>,
    queries: Mutex<Vec<String>>,
    broken: bool,
}

impl FakeSearch {
    /// A search engine that finds these pages: address and text.
    #[must_use]
    pub fn with_pages<const N: usize>(pages: [(&str, &str); N]) -> Self {
        let pages = pages.into_iter().map(|(url, text)| (url.to_owned(), text.to_owned()));
        Self {
            pages: Some(pages.collect()),
            ..Self::default()
        }
    }

    /// A search engine that is configured and never answers.
    #[must_use]
    pub fn broken() -> Self {
        Self {
            pages: Some(BTreeMap::new()),
            broken: true,
            ..Self::default()
        }
    }

    /// What was asked so far.
    #[must_use]
    pub fn queries(&self) -> Vec<String> {
        lock(&self.queries).clone()
    }
}

impl Search for FakeSearch {
    fn provider(&self) -> Option<&'static str> {
        self.pages.as_ref().map(|_| "fake")
    }

    fn search(&self, query: String, limit: usize) -> BoxFuture<'static, Result<Vec<SearchHit>, SearchError>> {
        lock(&self.queries).push(query);
        let result = match &self.pages {
            None => Err(SearchError::Unconfigured),
            Some(_) if self.broken => Err(SearchError::Failed("scripted failure".to_owned())),
            Some(pages) => Ok(pages
                .iter()
                .take(limit)
                .map(|(url, text)| SearchHit {
                    url: url.clone(),
                    title: format!("Page {url}"),
                    snippet: text.clone(),
                })
                .collect()),
        };
        async move { result }.boxed()
    }

    fn fetch(&self, url: String) -> BoxFuture<'static, Result<Source, SearchError>> {
        let text = self.pages.as_ref().and_then(|pages| pages.get(&url).cloned());
        let result = match text {
            Some(text) => Ok(Source {
                title: format!("Page {url}"),
                url,
                text,
                retrieved_at: 0,
            }),
            None => Err(SearchError::Failed(format!("{url} does not exist"))),
        };
        async move { result }.boxed()
    }
}
