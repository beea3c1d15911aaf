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
                Value::Array(
                    text.split(',')
                        .map(str::trim)
                        .filter(|item| !item.is_empty())
                        .map(|item| match item.parse() {
                            Ok(number) if are_numbers => Value::Integer(number),
                            Ok(_) | Err(_) => Value::String(item.to_owned()),
                        })
                        .collect(),
                )
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
mod tests {
    use super::*;
    use crate::config::DEFAULT_FILE;

    fn with_file(text: &str) -> (tempfile::TempDir, Layers) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("foundation.toml");
        std::fs::write(&path, text).unwrap();
        (
            directory,
            Layers {
                file: Some(path),
                ..Layers::default()
            },
        )
    }

    #[test]
    fn the_file_in_the_repository_equals_the_defaults() {
        let file: Table = DEFAULT_FILE.parse().unwrap();
        let code = Table::try_from(Config::default()).unwrap();
        assert_eq!(
            leaves(&file),
            leaves(&code),
            "every key stands in config/foundation.toml"
        );
        assert_eq!(file, code, "every value in config/foundation.toml is the default");
    }

    #[test]
    fn every_key_of_the_file_has_a_comment_above_it() {
        let lines: Vec<&str> = DEFAULT_FILE.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let is_key = line.starts_with(|first: char| first.is_ascii_lowercase()) && line.contains('=');
            if is_key {
                assert!(
                    index > 0 && lines[index - 1].starts_with('#'),
                    "no comment above {line:?}"
                );
            }
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_file() {
        let (_directory, layers) = with_file("[server]\nbnd = \"127.0.0.1:1\"\n");
        let error = load(&layers).unwrap_err();
        assert_eq!(error.key(), Some("server.bnd"));
        let text = error.to_string();
        assert!(
            text.contains("foundation.toml") && text.contains("server.bind"),
            "{text}"
        );
    }

    #[test]
    fn an_unknown_section_is_named() {
        let (_directory, layers) = with_file("[sever]\nbind = \"127.0.0.1:1\"\n");
        assert_eq!(load(&layers).unwrap_err().key(), Some("sever"));
    }

    #[test]
    fn a_bad_value_is_named_with_its_file() {
        for text in [
            "[server]\nbind = 7\n",
            "[server]\nbind = \"nowhere\"\n",
            "[server]\nworkers = \"two\"\n",
        ] {
            let (_directory, layers) = with_file(text);
            let error = load(&layers).unwrap_err();
            assert!(matches!(error, ConfigError::BadValue { .. }), "{error}");
            assert!(error.to_string().contains("foundation.toml"), "{error}");
            assert!(error.key().unwrap().starts_with("server."), "{error}");
        }
    }

    #[test]
    fn a_value_out_of_range_is_named_with_its_layer() {
        let (_directory, mut layers) = with_file("[db]\nshards = 12\n");
        let text = load(&layers).unwrap_err().to_string();
        assert!(text.contains("db.shards") && text.contains("foundation.toml"), "{text}");
        layers.environment = vec![("FOUNDATION__DB__SHARDS".to_owned(), "7".to_owned())];
        let text = load(&layers).unwrap_err().to_string();
        assert!(text.contains("FOUNDATION__DB__SHARDS"), "{text}");
    }

    #[test]
    fn broken_toml_names_the_file_and_the_line() {
        let (_directory, layers) = with_file("[server]\nbind = \n");
        let text = load(&layers).unwrap_err().to_string();
        assert!(text.contains("foundation.toml") && text.contains("line 2"), "{text}");
    }

    #[test]
    fn a_named_file_must_exist() {
        let layers = Layers {
            file: Some(PathBuf::from("/nowhere/foundation.toml")),
            ..Layers::default()
        };
        assert!(matches!(load(&layers), Err(ConfigError::Unreadable { .. })));
    }

    #[test]
    fn environment_overrides_the_file_and_flags_override_both() {
        let (_directory, mut layers) = with_file("[server]\nworkers = 1\nbody-limit-bytes = 2048\ndrain-seconds = 5\n");
        layers.environment = vec![
            ("FOUNDATION__SERVER__WORKERS".to_owned(), "2".to_owned()),
            ("FOUNDATION__SERVER__BODY_LIMIT_BYTES".to_owned(), "4096".to_owned()),
            ("FOUNDATION_TOKEN".to_owned(), "not a key".to_owned()),
        ];
        layers.flags = vec![("server.workers".to_owned(), "3".to_owned())];
        let server = load(&layers).unwrap().server;
        assert_eq!(
            (server.workers, server.body_limit_bytes, server.drain_seconds),
            (3, 4096, 5)
        );
    }

    #[test]
    fn an_unknown_environment_key_is_an_error() {
        let environment = vec![("FOUNDATION__SERVER__COLOUR".to_owned(), "blue".to_owned())];
        let (_directory, layers) = with_file("");
        let text = load(&Layers { environment, ..layers }).unwrap_err().to_string();
        assert!(
            text.contains("FOUNDATION__SERVER__COLOUR") && text.contains("server.colour"),
            "{text}"
        );
    }
}
