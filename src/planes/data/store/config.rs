//! Settings of a place, shared by the sections `[files]` and `[vector-index]`.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Reads a variable of the environment of the process.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What kind of place it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// A directory of this node.
    #[default]
    Directory,
    /// A directory that every node of the cluster has mounted.
    SharedDirectory,
    /// A bucket of S3, or of a server that speaks its interface.
    S3,
}

impl StoreKind {
    /// Says whether several nodes can use it.
    #[must_use]
    pub fn is_shared(self) -> bool {
        match self {
            Self::Directory => false,
            Self::SharedDirectory | Self::S3 => true,
        }
    }
}

/// How a bucket is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct S3Config {
    /// Name of the bucket; it must exist.
    pub bucket: String,
    /// What all keys begin with, without slashes at its ends; empty for the whole bucket.
    pub prefix: String,
    /// Region of the bucket.
    pub region: String,
    /// Address of a server that is not Amazon's. Empty means the region's own.
    pub endpoint: String,
    /// Whether the bucket stands in the path of the address (most servers of one's own) or in its host name (Amazon's).
    pub path_style: bool,
    /// Whether an endpoint without TLS may be on another machine. On this machine it always may.
    pub allow_http: bool,
    /// Environment variable with the id of the access key.
    pub access_key_id_env: String,
    /// File with the id of the access key; wins over the environment. Empty means none.
    pub access_key_id_file: PathBuf,
    /// Environment variable with the secret of the access key.
    pub secret_access_key_env: String,
    /// File with the secret of the access key; wins over the environment. Empty means none.
    pub secret_access_key_file: PathBuf,
    /// Environment variable with the token that belongs to a temporary access key.
    pub session_token_env: String,
    /// Longest time to open a connection, in seconds.
    pub connect_seconds: u64,
    /// Longest time of one request, in seconds.
    pub request_seconds: u64,
    /// Longest time in seconds that a request which failed is tried again.
    pub retry_seconds: u64,
}

impl Default for S3Config {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            prefix: String::new(),
            region: "us-east-1".to_owned(),
            endpoint: String::new(),
            path_style: false,
            allow_http: false,
            access_key_id_env: "AWS_ACCESS_KEY_ID".to_owned(),
            access_key_id_file: PathBuf::new(),
            secret_access_key_env: "AWS_SECRET_ACCESS_KEY".to_owned(),
            secret_access_key_file: PathBuf::new(),
            session_token_env: "AWS_SESSION_TOKEN".to_owned(),
            connect_seconds: 5,
            request_seconds: 60,
            retry_seconds: 60,
        }
    }
}

/// Seconds that a time-out may be.
const SECONDS: std::ops::RangeInclusive<u64> = 1..=600;

/// Why a place cannot be used as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreConfigError {
    /// The key at fault, within its section.
    pub key: &'static str,
    /// What is wrong with it.
    pub message: String,
}

fn wrong(key: &'static str, message: impl Into<String>) -> StoreConfigError {
    let message = message.into();
    StoreConfigError { key, message }
}

/// Checks what the types cannot.
pub(in crate::planes::data) fn check(
    kind: StoreKind,
    path: &Path,
    s3: &S3Config,
    data: &Path,
) -> Result<(), StoreConfigError> {
    match kind {
        StoreKind::Directory => Ok(()),
        StoreKind::SharedDirectory => check_shared_directory(path, data),
        StoreKind::S3 => s3.check(),
    }
}

/// A directory below that of one node is not one that others share.
fn check_shared_directory(path: &Path, data: &Path) -> Result<(), StoreConfigError> {
    if !path.is_absolute() {
        return Err(wrong("path", "must be absolute for a shared directory"));
    }
    let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    if path.starts_with(&data) {
        let message = format!(
            "must lie outside of `db.path` ({}) for a shared directory",
            data.display()
        );
        return Err(wrong("path", message));
    }
    Ok(())
}

impl S3Config {
    fn check(&self) -> Result<(), StoreConfigError> {
        if self.bucket.is_empty() {
            return Err(wrong("s3.bucket", "must be set where the store is \"s3\""));
        }
        let lawful = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        if !self.bucket.chars().all(lawful) {
            return Err(wrong("s3.bucket", "a bucket is named with a-z, 0-9, `-` and `.`"));
        }
        if self.region.is_empty() {
            return Err(wrong("s3.region", "must not be empty"));
        }
        let segments = self.prefix.split('/');
        if !self.prefix.is_empty() && segments.into_iter().any(|part| matches!(part, "" | "." | "..")) {
            return Err(wrong("s3.prefix", "must be names with a slash between them"));
        }
        for (key, seconds) in [
            ("s3.connect-seconds", self.connect_seconds),
            ("s3.request-seconds", self.request_seconds),
            ("s3.retry-seconds", self.retry_seconds),
        ] {
            if !SECONDS.contains(&seconds) {
                return Err(wrong(key, "must be between 1 and 600"));
            }
        }
        self.check_endpoint()
    }

    fn check_endpoint(&self) -> Result<(), StoreConfigError> {
        if self.endpoint.is_empty() {
            return Ok(());
        }
        let url = Url::parse(&self.endpoint).map_err(|error| wrong("s3.endpoint", error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("s3.endpoint", "must not hold a user or password"));
        }
        let is_local = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => return Err(wrong("s3.endpoint", "must be https:// or http:// and a host")),
        };
        match url.scheme() {
            "https" => Ok(()),
            "http" if is_local || self.allow_http => Ok(()),
            "http" => Err(wrong(
                "s3.endpoint",
                "must be https://, or `s3.allow-http` must say that others on the way may read and change all of it",
            )),
            other => Err(wrong(
                "s3.endpoint",
                format!("must be https:// or http://, not {other}://"),
            )),
        }
    }

    /// Reads the access key from the configured files, else from the configured variables.
    pub(super) fn credentials(&self, environment: Environment<'_>) -> Result<Credentials, StoreConfigError> {
        let read = |key: &'static str, file: &Path, variable: &str| {
            let text = if file.as_os_str().is_empty() {
                environment(variable)
            } else {
                let read = std::fs::read_to_string(file);
                Some(read.map_err(|error| wrong(key, format!("failed to read {}: {error}", file.display())))?)
            };
            let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
            text.map(SecretString::from).ok_or_else(|| {
                let message = format!("there is no access key: set the variable {variable}, or this key to a file");
                wrong(key, message)
            })
        };
        Ok(Credentials {
            id: read(
                "s3.access-key-id-file",
                &self.access_key_id_file,
                &self.access_key_id_env,
            )?,
            secret: read(
                "s3.secret-access-key-file",
                &self.secret_access_key_file,
                &self.secret_access_key_env,
            )?,
            token: environment(&self.session_token_env)
                .filter(|token| !token.is_empty())
                .map(SecretString::from),
        })
    }
}

/// An access key.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) id: SecretString,
    pub(super) secret: SecretString,
    pub(super) token: Option<SecretString>,
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn s3() -> S3Config {
        S3Config {
            bucket: "plans".into(),
            ..S3Config::default()
        }
    }

    #[test]
    fn only_a_shared_directory_and_a_bucket_are_for_several_nodes() {
        assert!(!StoreKind::Directory.is_shared());
        assert!(StoreKind::SharedDirectory.is_shared());
        assert!(StoreKind::S3.is_shared());
    }

    #[test]
    fn a_shared_directory_is_absolute_and_outside_of_the_data() {
        let check = |path: &str| check_shared_directory(Path::new(path), Path::new("/var/lib/node"));
        assert!(check("objects").unwrap_err().message.contains("absolute"));
        assert!(check("/var/lib/node/objects").unwrap_err().message.contains("outside"));
        assert_eq!(check("/var/lib/node2/objects"), Ok(()));
        assert_eq!(check("/mnt/objects"), Ok(()));
    }

    #[test]
    fn each_wrong_key_of_a_bucket_is_named() {
        for (key, config) in [
            ("s3.bucket", S3Config::default()),
            (
                "s3.bucket",
                S3Config {
                    bucket: "a/b".into(),
                    ..s3()
                },
            ),
            (
                "s3.region",
                S3Config {
                    region: String::new(),
                    ..s3()
                },
            ),
            (
                "s3.prefix",
                S3Config {
                    prefix: "/a".into(),
                    ..s3()
                },
            ),
            (
                "s3.prefix",
                S3Config {
                    prefix: "a/../b".into(),
                    ..s3()
                },
            ),
            (
                "s3.connect-seconds",
                S3Config {
                    connect_seconds: 0,
                    ..s3()
                },
            ),
            (
                "s3.request-seconds",
                S3Config {
                    request_seconds: 601,
                    ..s3()
                },
            ),
            (
                "s3.retry-seconds",
                S3Config {
                    retry_seconds: 0,
                    ..s3()
                },
            ),
            (
                "s3.endpoint",
                S3Config {
                    endpoint: "ftp://127.0.0.1".into(),
                    ..s3()
                },
            ),
            (
                "s3.endpoint",
                S3Config {
                    endpoint: "https://a:b@s3.example".into(),
                    ..s3()
                },
            ),
            (
                "s3.endpoint",
                S3Config {
                    endpoint: "nonsense".into(),
                    ..s3()
                },
            ),
        ] {
            assert_eq!(config.check().unwrap_err().key, key, "{config:?}");
        }
        assert_eq!(s3().check(), Ok(()));
        assert_eq!(
            S3Config {
                prefix: "a/b".into(),
                ..s3()
            }
            .check(),
            Ok(())
        );
    }

    #[test]
    fn without_tls_an_endpoint_is_on_this_machine_unless_said_otherwise() {
        let at = |endpoint: &str, allow_http| {
            S3Config {
                endpoint: endpoint.into(),
                allow_http,
                ..s3()
            }
            .check()
        };
        for local in ["http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9000"] {
            assert_eq!(at(local, false), Ok(()), "{local}");
        }
        assert!(
            at("http://s3.example", false)
                .unwrap_err()
                .message
                .contains("allow-http")
        );
        assert_eq!(at("http://s3.example", true), Ok(()));
        assert_eq!(at("https://s3.example", false), Ok(()));
    }

    #[test]
    fn a_file_wins_over_the_environment_and_no_secret_is_shown() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        std::fs::write(&file, "from-file\n").unwrap();
        let config = S3Config {
            secret_access_key_file: file,
            ..s3()
        };
        let environment = |name: &str| Some(format!("{name}-value"));
        let found = config.credentials(&environment).unwrap();
        assert_eq!(found.id.expose_secret(), "AWS_ACCESS_KEY_ID-value");
        assert_eq!(found.secret.expose_secret(), "from-file");
        assert!(!format!("{found:?}").contains("from-file"));
    }

    #[test]
    fn a_missing_access_key_says_what_to_set() {
        let error = s3().credentials(&|_: &str| None).unwrap_err();
        assert_eq!(error.key, "s3.access-key-id-file");
        assert!(error.message.contains("AWS_ACCESS_KEY_ID"), "{error}");
    }
}
