//! The adapters of the `Search` port: none by default, else Brave, Tavily or a SearXNG instance.
//!
//! Asking the provider and fetching a page are two clients. The provider is a place that the operator has configured, so it may
//! be anywhere, but only it. A page is a place that a stranger has named, so it is fetched through the guard of
//! [`outbound`](crate::outbound).

mod config;
mod engine;
mod html;
mod page;
mod provider;

#[cfg(test)]
mod tests;

pub use config::{Provider, SearchConfig, SearchConfigError};
pub use engine::{NoSearch, SearchEngine, open};
pub use html::{Page, text_of};
