//! The sections that configure the process itself.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    gateway::{ForwardedHeader, IssuerConfig, check_issuers},
    outbound::Network,
};

/// Section `[server]`: the HTTP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port to listen on.
    pub bind: SocketAddr,
    /// Address that browsers use, where a proxy stands in front; empty means `http://` and `bind`.
    pub public_url: String,
    /// Certificate of the server, in PEM form, with those between it and its CA; empty means no TLS.
    pub tls_certificate: PathBuf,
    /// Private key of that certificate.
    pub tls_key: PathBuf,
    /// Proxies whose word about the address of a client is taken.
    pub trusted_proxies: Vec<Network>,
    /// The header in which they give it.
    pub forwarded_header: ForwardedHeader,
    /// Second address to listen on, for proxies that begin connections with a PROXY protocol header; empty means none.
    pub proxy_bind: String,
    /// Worker threads; 0 means one per core.
    pub workers: usize,
    /// Longest time that running requests get when the server stops.
    pub drain_seconds: u64,
    /// Sites whose pages may call the API from a browser.
    pub allowed_origins: Vec<String>,
    /// Longest request body.
    pub body_limit_bytes: usize,
    /// Most open event streams of one tenant.
    pub watchers_per_tenant: usize,
    /// Time between two comments that keep an idle event stream open.
    pub keep_alive_seconds: u64,
}

/// Where the certificate of the HTTP server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and its CA.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 8788)),
            public_url: String::new(),
            tls_certificate: PathBuf::new(),
            tls_key: PathBuf::new(),
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
            proxy_bind: String::new(),
            workers: 0,
            drain_seconds: 20,
            allowed_origins: Vec::new(),
            body_limit_bytes: 64 * 1024,
            watchers_per_tenant: 64,
            keep_alive_seconds: 15,
        }
    }
}

impl ServerConfig {
    /// The address that browsers use, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> String {
        if self.public_url.is_empty() {
            self.local_url()
        } else {
            self.public_url.trim_end_matches('/').to_owned()
        }
    }

    /// The address and port under which this machine reaches the server.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        let ip = match self.bind.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
        };
        SocketAddr::new(ip, self.bind.port())
    }

    /// The URL under which this machine reaches the server, without a slash at its end. With TLS it has the host that the
    /// certificate names, which need not lead to this machine: [`Self::local_address`] does.
    #[must_use]
    pub fn local_url(&self) -> String {
        match self.tls_host() {
            Some(host) => format!("https://{host}:{}", self.bind.port()),
            None => format!("http://{}", self.local_address()),
        }
    }

    /// The files for TLS, if there are any.
    #[must_use]
    pub fn tls(&self) -> Option<TlsFiles> {
        (!self.tls_certificate.as_os_str().is_empty()).then(|| TlsFiles {
            certificate: self.tls_certificate.clone(),
            key: self.tls_key.clone(),
        })
    }

    /// The host that the certificate names, if there is one.
    #[must_use]
    pub fn tls_host(&self) -> Option<String> {
        self.tls()?;
        Some(url::Url::parse(&self.public_url).ok()?.host()?.to_string())
    }

    /// The second address to listen on, if there is one.
    #[must_use]
    pub fn proxy_address(&self) -> Option<SocketAddr> {
        self.proxy_bind.parse().ok()
    }

    /// Says whether browsers reach the server through TLS, so that cookies must be `Secure`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// Says whether only this machine reaches the server, which then takes pages of this machine for its own.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.public_url.is_empty() && self.bind.ip().is_loopback()
    }

    /// Time that running requests get when the server stops.
    #[must_use]
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if !self.public_url.is_empty() {
            let url = url::Url::parse(&self.public_url).map_err(|error| ("server.public-url", error.to_string()))?;
            let is_web = matches!(url.scheme(), "http" | "https");
            let has_user = !url.username().is_empty() || url.password().is_some();
            if !is_web || has_user || url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
                return Err((
                    "server.public-url",
                    "must be http:// or https:// and a host, without a user or a path".to_owned(),
                ));
            }
        }
        if self.tls_certificate.as_os_str().is_empty() != self.tls_key.as_os_str().is_empty() {
            return Err((
                "server.tls-key",
                "a certificate and its key go together: set both or none".to_owned(),
            ));
        }
        if self.tls().is_some() && !self.is_secure() {
            return Err((
                "server.public-url",
                "must be https:// and the host that the certificate names".to_owned(),
            ));
        }
        for origin in &self.allowed_origins {
            let is_origin = url::Url::parse(origin).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == *origin
            });
            if !is_origin {
                return Err((
                    "server.allowed-origins",
                    format!(
                        "{origin:?} must be a scheme and a host, for example https://app.example, and nothing else"
                    ),
                ));
            }
        }
        if !self.proxy_bind.is_empty() {
            if self.proxy_address().is_none() {
                return Err((
                    "server.proxy-bind",
                    "must be an address and a port, or empty".to_owned(),
                ));
            }
            if self.trusted_proxies.is_empty() {
                return Err((
                    "server.trusted-proxies",
                    "must name the proxies that may call server.proxy-bind".to_owned(),
                ));
            }
        }
        if !(1024..=16 * 1024 * 1024).contains(&self.body_limit_bytes) {
            return Err((
                "server.body-limit-bytes",
                "must be between 1024 and 16777216".to_owned(),
            ));
        }
        if self.watchers_per_tenant == 0 {
            return Err(("server.watchers-per-tenant", "must be at least 1".to_owned()));
        }
        if !(1..=300).contains(&self.keep_alive_seconds) {
            return Err(("server.keep-alive-seconds", "must be between 1 and 300".to_owned()));
        }
        if self.workers > 1024 {
            return Err(("server.workers", "must be at most 1024".to_owned()));
        }
        if !(1..=3600).contains(&self.drain_seconds) {
            return Err(("server.drain-seconds", "must be between 1 and 3600".to_owned()));
        }
        Ok(())
    }
}

/// Longest life in hours of anything that signs in, whatever the configuration says.
pub const SIGN_IN_HOURS_MAX: u64 = 87_600;

/// Section `[auth]`: sign-in and tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuthConfig {
    /// Life of a browser session.
    pub session_hours: u64,
    /// Life of a one-time sign-in link.
    pub sign_in_link_hours: u64,
    /// Longest life of a token that `foundation token` mints.
    pub token_hours_max: u64,
    /// Who may sign up.
    pub sign_up: SignUpRule,
    /// Identity providers whose access tokens let people in.
    pub issuers: Vec<IssuerConfig>,
}

/// Who may sign up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignUpRule {
    /// Everyone; each founds a tenant.
    #[default]
    Open,
    /// Who was invited.
    Closed,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            session_hours: 168,
            sign_in_link_hours: 24,
            token_hours_max: 8760,
            sign_up: SignUpRule::default(),
            issuers: Vec::new(),
        }
    }
}

impl AuthConfig {
    /// Life of the token that lives longest.
    #[must_use]
    pub fn longest_token(&self) -> Duration {
        let hours = [self.session_hours, self.sign_in_link_hours, self.token_hours_max];
        // The file of the local operator lives two days.
        Duration::from_hours(hours.into_iter().fold(48, u64::max))
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        for (key, hours) in [
            ("auth.session-hours", self.session_hours),
            ("auth.sign-in-link-hours", self.sign_in_link_hours),
            ("auth.token-hours-max", self.token_hours_max),
        ] {
            if !(1..=SIGN_IN_HOURS_MAX).contains(&hours) {
                return Err((key, format!("must be between 1 and {SIGN_IN_HOURS_MAX}")));
            }
        }
        check_issuers(&self.issuers).map_err(|message| ("auth.issuers", message))
    }
}

/// Section `[log]`: what is logged and how it looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LogConfig {
    /// How a line looks.
    pub format: LogFormat,
    /// Which lines are written, as directives of `tracing-subscriber`.
    pub filter: String,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Json,
            // The HTTP library calls what a client garbles an error; nobody here has to look at that.
            filter: "warn,actix_http::h1=off,foundation=info,actors=info,cluster=info".to_owned(),
        }
    }
}

impl LogConfig {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        tracing_subscriber::EnvFilter::try_new(&self.filter)
            .map(|_| ())
            .map_err(|error| ("log.filter", error.to_string()))
    }
}

/// Section `[db]`: the state of all actors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DbConfig {
    /// Directory of everything the server keeps.
    pub path: PathBuf,
    /// Number of shards, read once when the directory is created: a power of two from 8 to 256.
    pub shards: u16,
    /// Threads that run actors; 0 means one per core.
    pub threads: usize,
    /// Milliseconds from which a turn of an actor is remembered as slow.
    pub slow_turn_ms: u64,
}

impl Default for DbConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::from("data"),
            shards: 16,
            threads: 0,
            slow_turn_ms: 100,
        }
    }
}

impl DbConfig {
    /// Where the engine keeps its log and state.
    #[must_use]
    pub fn cluster_dir(&self) -> PathBuf {
        self.path.join("cluster")
    }

    /// Where the running server makes backups, and where it reads them.
    #[must_use]
    pub fn backups_dir(&self) -> PathBuf {
        self.path.join("backups")
    }

    /// Where the token of the local operator is written while the server runs.
    #[must_use]
    pub fn operator_token_file(&self) -> PathBuf {
        operator_token_file(&self.path)
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.path.as_os_str().is_empty() {
            return Err(("db.path", "must not be empty".to_owned()));
        }
        if !self.shards.is_power_of_two() || !(8..=256).contains(&self.shards) {
            return Err(("db.shards", "must be a power of two from 8 to 256".to_owned()));
        }
        if self.threads > 1024 {
            return Err(("db.threads", "must be at most 1024".to_owned()));
        }
        if !(1..=3_600_000).contains(&self.slow_turn_ms) {
            return Err(("db.slow-turn-ms", "must be between 1 and 3600000".to_owned()));
        }
        Ok(())
    }
}

fn operator_token_file(data: &Path) -> PathBuf {
    data.join("operator-token")
}
