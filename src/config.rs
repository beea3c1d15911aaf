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
mod planning;
mod sections;

pub use load::{ConfigError, Layers, Origin, load};
pub use planning::PlanningConfig;
pub use sections::{AuthConfig, DbConfig, LogConfig, LogFormat, ServerConfig};

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    outbound::OutboundConfig,
    planes::{
        ai::AiConfig,
        data::{ObjectsConfig, VectorsConfig},
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
    /// Logs.
    pub log: LogConfig,
    /// Binding `DB`: the state of all actors.
    pub db: DbConfig,
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
