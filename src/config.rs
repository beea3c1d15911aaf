//! Configuration: one file, overridden by the environment and by flags; every key has a default.
//!
//! | later wins | example |
//! |---|---|
//! | built-in defaults | equal to `config/foundation.toml` |
//! | the file | `--config FILE`, `FOUNDATION_CONFIG`, or `config/foundation.toml` where it exists |
//! | environment | `FOUNDATION__SERVER__BIND=0.0.0.0:8788` |
//! | flags | `--set server.bind=0.0.0.0:8788` |
//!
//! Each section is a struct that lives beside the code it configures. Loading names the key and the place of anything that
//! is unknown or does not fit; nothing is ignored.

mod load;
mod node;
mod planning;
mod sections;
mod shared;

pub use load::{ConfigError, Layers, Origin, load};
pub use node::NodeConfig;
pub(crate) use node::{NodePlace, Protection};
pub use planning::PlanningConfig;
pub use sections::{AuthConfig, DbConfig, LogConfig, LogFormat, SIGN_IN_HOURS_MAX, ServerConfig, SignUpRule, TlsFiles};
pub use shared::NotShared;

use std::{ops::RangeInclusive, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    gateway::{LimitsConfig, SocketsConfig, TurnstileConfig},
    outbound::OutboundConfig,
    planes::{
        ai::AiConfig,
        communication::MailConfig,
        data::{ObjectsConfig, VectorsConfig},
        observability::AuditConfig,
        search::SearchConfig,
    },
};

/// The commented file with every key and its default.
pub const DEFAULT_FILE: &str = include_str!("../config/foundation.toml");

/// Everything that can be configured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// The HTTP server.
    pub server: ServerConfig,
    /// Sign-in and tokens.
    pub auth: AuthConfig,
    /// How people are written to.
    pub mail: MailConfig,
    /// Whether whoever signs up is a person.
    pub turnstile: TurnstileConfig,
    /// Rate limits.
    pub limits: LimitsConfig,
    /// Clients that are connected by WebSocket.
    pub sockets: SocketsConfig,
    /// Logs.
    pub log: LogConfig,
    /// Audit chains.
    pub audit: AuditConfig,
    /// Binding `DB`: the state of all actors.
    pub db: DbConfig,
    /// The place of this node among others.
    pub cluster: NodeConfig,
    /// Binding `FILES`: uploads, artifacts and packages.
    pub files: ObjectsConfig,
    /// Binding `VECTOR_INDEX`: similarity of artifacts.
    pub vector_index: VectorsConfig,
    /// Binding `AI`: the models.
    pub ai: AiConfig,
    /// Planning runs.
    pub planning: PlanningConfig,
    /// Where sources are searched.
    pub search: SearchConfig,
    /// What may be called outside.
    pub outbound: OutboundConfig,
}

impl Config {
    /// Where the files of the embedded models are.
    #[must_use]
    pub fn models_dir(&self) -> PathBuf {
        self.db.path.join(&self.ai.models_path)
    }
}

/// Seconds that a call to the outside may take.
const OUTSIDE_SECONDS: RangeInclusive<u64> = 1..=600;

/// Least size of the largest object: a package must fit.
const OBJECT_BYTES_MIN: u64 = 1024 * 1024;

impl Config {
    /// Checks bounds outside of which nothing would work; names the key at fault.
    fn check_bounds(&self) -> Result<(), (&'static str, String)> {
        for (key, seconds) in [
            ("search.search-seconds", self.search.search_seconds),
            ("search.fetch-seconds", self.search.fetch_seconds),
            ("outbound.connect-seconds", self.outbound.connect_seconds),
            ("outbound.total-seconds", self.outbound.total_seconds),
        ] {
            if !OUTSIDE_SECONDS.contains(&seconds) {
                return Err((key, "must be between 1 and 600".to_owned()));
            }
        }
        if self.files.max_bytes < OBJECT_BYTES_MIN {
            return Err(("files.max-bytes", format!("must be at least {OBJECT_BYTES_MIN}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_nothing_could_work_within_are_refused_by_name() {
        for key in [
            "search.search-seconds",
            "search.fetch-seconds",
            "outbound.connect-seconds",
            "outbound.total-seconds",
            "files.max-bytes",
            "files.s3.request-seconds",
            "vector-index.s3.retry-seconds",
        ] {
            let layers = Layers {
                flags: vec![
                    ("files.s3.bucket".to_owned(), "plans".to_owned()),
                    ("files.store".to_owned(), "s3".to_owned()),
                    ("vector-index.s3.bucket".to_owned(), "plans".to_owned()),
                    ("vector-index.store".to_owned(), "s3".to_owned()),
                    (key.to_owned(), "0".to_owned()),
                ],
                ..Layers::default()
            };
            assert_eq!(load(&layers).unwrap_err().key(), Some(key));
        }
    }

    #[test]
    fn a_public_address_is_a_scheme_and_a_host() {
        for (url, is_good) in [
            ("https://plans.example", true),
            ("http://plans.example:8080/", true),
            ("https://ann:secret@plans.example", false),
            ("https://plans.example/#top", false),
            ("https://plans.example/a", false),
            ("ftp://plans.example", false),
        ] {
            let layers = Layers {
                flags: vec![("server.public-url".to_owned(), url.to_owned())],
                ..Layers::default()
            };
            assert_eq!(load(&layers).is_ok(), is_good, "{url}");
        }
    }
}
