//! Reads and merges the layers of the configuration, and says exactly which key of which layer is wrong.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::{Table, Value};

use super::Config;

/// Prefix of environment variables that set a key: `FOUNDATION__SECTION__KEY`.
const ENVIRONMENT_PREFIX: &str = "FOUNDATION__";

/// Where the file is looked for when none is named.
const DEFAULT_PATH: &str = "config/foundation.toml";

/// What the process was given to find its configuration.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The file that was named; it must exist.
    pub file: Option<PathBuf>,
    /// The process environment.
    pub environment: Vec<(String, String)>,
    /// `section.key=value` of flags, in order.
    pub flags: Vec<(String, String)>,
}

/// Which layer a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag,
    /// The merged configuration: keys that contradict each other.
    Merged,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "in {}", path.display()),
            Self::Environment(name) => write!(formatter, "from environment variable {name}"),
            Self::Flag => formatter.write_str("from the command line"),
            Self::Merged => formatter.write_str("in the effective configuration"),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("failed to read configuration file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("configuration file {path} is not valid TOML: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        message: String,
    },
    /// There is no such key.
    #[error("unknown key {key:?} {origin}{}", suggestion(.nearest))]
    UnknownKey {
        /// The key with its section.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// The value does not fit the key.
    #[error("bad value of key {key:?} {origin}: {message}")]
    BadValue {
        /// The key with its section.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// What is wrong with it.
        message: String,
    },
}

impl ConfigError {
    /// The key that is wrong, where one is.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Unreadable { .. } | Self::Syntax { .. } => None,
            Self::UnknownKey { key, .. } | Self::BadValue { key, .. } => Some(key),
        }
    }
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|key| format!("; did you mean {key:?}?"))
        .unwrap_or_default()
}

/// Loads the configuration and checks it.
///
/// # Errors
///
/// Fails at the first key that is unknown or bad, and names it together with its layer.
pub fn load(layers: &Layers) -> Result<Config, ConfigError> {
    let mut merge = Merge::new();
    if let Some(path) = file_to_read(layers) {
        let text = std::fs::read_to_string(&path).map_err(|source| ConfigError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let table = text.parse::<Table>().map_err(|error| ConfigError::Syntax {
            path: path.clone(),
            message: error.to_string().trim_end().to_owned(),
        })?;
        merge.file(&table, &path)?;
    }
    for (name, text) in &layers.environment {
        if let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) {
            let key = rest.to_ascii_lowercase().replace("__", ".").replace('_', "-");
            merge.text(&key, text, &Origin::Environment(name.clone()))?;
        }
    }
    for (key, text) in &layers.flags {
        merge.text(key, text, &Origin::Flag)?;
    }
    merge.finish()
}

fn file_to_read(layers: &Layers) -> Option<PathBuf> {
    let default = Path::new(DEFAULT_PATH);
    layers
        .file
        .clone()
        .or_else(|| default.exists().then(|| default.to_path_buf()))
}

/// The merged tree, which starts as the defaults and takes one leaf after the other, so that the leaf at fault is known.
struct Merge {
    tree: Table,
    origins: Vec<(String, Origin)>,
}

impl Merge {
    fn new() -> Self {
        let tree = Table::try_from(Config::default()).expect("the defaults have string keys only");
        Self {
            tree,
            origins: Vec::new(),
        }
    }

    fn file(&mut self, table: &Table, path: &Path) -> Result<(), ConfigError> {
        let origin = Origin::File(path.to_path_buf());
        let mut pending = vec![(String::new(), table)];
        while let Some((prefix, table)) = pending.pop() {
            for (name, value) in table {
                let key = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                match value {
                    Value::Table(inner) => {
                        if !matches!(find(&self.tree, &key), Some(Value::Table(_))) {
                            return Err(self.unknown(key, origin));
                        }
                        pending.push((key, inner));
                    }
                    Value::String(_)
                    | Value::Integer(_)
                    | Value::Float(_)
                    | Value::Boolean(_)
                    | Value::Datetime(_)
                    | Value::Array(_) => self.set(&key, value.clone(), &origin)?,
                }
            }
        }
        Ok(())
    }

    fn text(&mut self, key: &str, text: &str, origin: &Origin) -> Result<(), ConfigError> {
        let bad = |message: String| ConfigError::BadValue {
            key: key.to_owned(),
            origin: origin.clone(),
            message,
        };
        let value = match find(&self.tree, key) {
            None | Some(Value::Table(_)) => return Err(self.unknown(key.to_owned(), origin.clone())),
            Some(Value::Boolean(_)) => Value::Boolean(
                text.parse()
                    .map_err(|_| bad(format!("{text:?} is neither true nor false")))?,
            ),
            Some(Value::Integer(_)) => Value::Integer(
                text.parse()
                    .map_err(|_| bad(format!("{text:?} is not a whole number")))?,
            ),
            Some(Value::Float(_)) => Value::Float(text.parse().map_err(|_| bad(format!("{text:?} is not a number")))?),
            Some(Value::Array(default)) => {
                let are_numbers = default.iter().any(Value::is_integer);
                let listed = || {
                    text.split(',')
                        .map(str::trim)
                        .filter(|item| !item.is_empty())
                        .map(|item| match item.parse() {
                            Ok(number) if are_numbers => Value::Integer(number),
                            Ok(_) | Err(_) => Value::String(item.to_owned()),
                        })
                        .collect()
                };
                Value::Array(written(text).unwrap_or_else(listed))
            }
            Some(Value::String(_) | Value::Datetime(_)) => Value::String(text.to_owned()),
        };
        self.set(key, value, origin)
    }

    fn set(&mut self, key: &str, value: Value, origin: &Origin) -> Result<(), ConfigError> {
        match find(&self.tree, key) {
            None => return Err(self.unknown(key.to_owned(), origin.clone())),
            Some(Value::Table(_)) => {
                return Err(ConfigError::BadValue {
                    key: key.to_owned(),
                    origin: origin.clone(),
                    message: "is a section, not a key".to_owned(),
                });
            }
            Some(_) => {}
        }
        *find_mut(&mut self.tree, key).expect("the key was just found") = value;
        Config::deserialize(self.tree.clone()).map_err(|error| ConfigError::BadValue {
            key: key.to_owned(),
            origin: origin.clone(),
            message: error.message().to_owned(),
        })?;
        self.origins.retain(|(known, _)| known != key);
        self.origins.push((key.to_owned(), origin.clone()));
        Ok(())
    }

    fn unknown(&self, key: String, origin: Origin) -> ConfigError {
        let nearest = leaves(&self.tree)
            .into_iter()
            .map(|known| (distance(&known, &key), known))
            .min()
            .filter(|(distance, _)| *distance <= 1 + key.len() / 6)
            .map(|(_, known)| known);
        ConfigError::UnknownKey { key, origin, nearest }
    }

    fn finish(self) -> Result<Config, ConfigError> {
        let config = Config::deserialize(self.tree).expect("every change of the tree was deserialised");
        let checked = config.check().map_err(|(key, message)| (key.to_owned(), message));
        match checked.and_then(|()| config.check_stores()) {
            Ok(()) => Ok(config),
            Err((key, message)) => {
                let origin = self
                    .origins
                    .into_iter()
                    .find_map(|(known, origin)| (known == key).then_some(origin))
                    .unwrap_or(Origin::Merged);
                Err(ConfigError::BadValue { key, origin, message })
            }
        }
    }
}

impl Config {
    /// Checks what types cannot express; names the key at fault.
    fn check(&self) -> Result<(), (&'static str, String)> {
        self.server.check()?;
        self.auth.check()?;
        self.mail.check()?;
        self.turnstile.check()?;
        self.limits.check()?;
        self.sockets.check()?;
        self.log.check()?;
        self.db.check()?;
        self.cluster.check()?;
        self.check_bounds()?;
        self.planning.check()?;
        self.ai.validate().map_err(|error| (error.key(), error.to_string()))?;
        self.search
            .base()
            .map(drop)
            .map_err(|error| ("search.base-url", error.to_string()))
    }
}

/// An array that is written as in a file, which lists of tables need.
fn written(text: &str) -> Option<Vec<Value>> {
    if !text.trim_start().starts_with('[') {
        return None;
    }
    match format!("array = {text}").parse::<Table>().ok()?.remove("array")? {
        Value::Array(array) => Some(array),
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Table(_) => None,
    }
}

fn find<'a>(tree: &'a Table, key: &str) -> Option<&'a Value> {
    let mut parts = key.split('.');
    let mut value = tree.get(parts.next()?)?;
    for part in parts {
        value = value.as_table()?.get(part)?;
    }
    Some(value)
}

fn find_mut<'a>(tree: &'a mut Table, key: &str) -> Option<&'a mut Value> {
    let mut parts = key.split('.');
    let mut value = tree.get_mut(parts.next()?)?;
    for part in parts {
        value = value.as_table_mut()?.get_mut(part)?;
    }
    Some(value)
}

/// All keys of a tree with their sections.
fn leaves(tree: &Table) -> Vec<String> {
    let mut keys = Vec::new();
    let mut pending = vec![(String::new(), tree)];
    while let Some((prefix, table)) = pending.pop() {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.clone()
            } else {
                format!("{prefix}.{name}")
            };
            match value.as_table() {
                Some(inner) => pending.push((key, inner)),
                None => keys.push(key),
            }
        }
    }
    keys.sort();
    keys
}

/// Number of single-letter edits between two words.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests;
