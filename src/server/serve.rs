//! The life of the server process: open, listen, wait for a signal or a fault, stop.

use std::{convert::Infallible, fmt, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use actors::agents::Agents;
use cluster::{
    NodeAddress, OpenError, Stores,
    prelude::{ActorError, Cluster, TenantId},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    compose::{self, ComposeError, Runtimes},
    failure::{FailureNote, Fault, space_left},
    first_start, indexes, listener,
    lock::{DataLock, LockError},
    operator::TokenFile,
    proxy_protocol,
    tls::{self, ServerCertificate, TlsError},
};
use crate::{
    cli::Environment,
    config::Config,
    gateway::{ContextTokens, Gateway, watch_stores},
    planes::{events::Watchers, observability::ClusterKey},
    telemetry::{Telemetry, TelemetryError},
};

/// Time between two passes over the metrics and the operator's token.
const UPKEEP: Duration = Duration::from_secs(5);

/// Time that the engine gets to close after the last request.
const ENGINE_CLOSE: Duration = Duration::from_secs(30);

/// Pause between two lines that say what a node waits for that does not open.
const OPENING: Duration = Duration::from_secs(10);

/// What the person who started the server is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The last run ended with a fatal error.
    LastFailure(String),
    /// What must be known about the models.
    Model(String),
    /// The node is among others and does not open yet.
    Waiting {
        /// Who is asked to take it in, if it is new.
        seeds: Vec<NodeAddress>,
    },
    /// Requests are taken.
    Listening {
        /// Address for browsers.
        url: String,
        /// Directory of everything the server keeps.
        data: PathBuf,
    },
    /// Nobody has signed in yet: the way in, for one use.
    SignInLink {
        /// The link.
        url: String,
        /// Hours until it ends.
        hours: u64,
    },
    /// The server stops.
    Draining,
    /// Everything is closed.
    Stopped,
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LastFailure(text) => write!(formatter, "the last run of the server ended with an error: {text}"),
            Self::Model(text) => formatter.write_str(text),
            Self::Waiting { seeds } if seeds.is_empty() => formatter
                .write_str("waiting for other nodes of the cluster: so many must run that every shard has an owner"),
            Self::Waiting { seeds } => {
                let seeds: Vec<_> = seeds.iter().map(NodeAddress::as_str).collect();
                write!(
                    formatter,
                    "waiting for the cluster: a new node for an answer of {}, any other until so many nodes run that \
                     every shard has an owner",
                    seeds.join(", ")
                )
            }
            Self::Listening { url, data } => {
                write!(
                    formatter,
                    "foundation listens on {url} and keeps its data in {}",
                    data.display()
                )
            }
            Self::SignInLink { url, hours } => {
                write!(
                    formatter,
                    "sign in as admin with this link (once, within {hours} hours):\n  {url}"
                )
            }
            Self::Draining => formatter.write_str("stopping: running requests are finished first"),
            Self::Stopped => formatter.write_str("stopped"),
        }
    }
}

/// Why the server did not start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Logs and metrics cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// Kinds of agents do not go together.
    #[error("the agents of this program cannot be registered: {0}")]
    Agents(#[source] ActorError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Something the server is made of did not open.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The certificate of the server cannot be used.
    #[error("failed to set up TLS: {0}")]
    Tls(#[from] TlsError),
    /// The address is taken or not ours.
    #[error("failed to listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The token of the local operator cannot be written.
    #[error("failed to write {path}: {source}")]
    OperatorToken {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The HTTP server or a signal handler failed.
    #[error("the HTTP server failed: {0}")]
    Http(#[source] io::Error),
    /// The engine stopped by itself; what was acknowledged is safe.
    #[error("the engine stopped after a fatal error: {0}")]
    Engine(String),
}

impl ServeError {
    /// The exit code: 2 where starting again cannot help before something is changed.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Agents(_) | Self::Lock(_) | Self::Telemetry(_) | Self::Tls(_) | Self::Bind { .. } => 2,
            // The others may run the next time.
            Self::Compose(ComposeError::Cluster {
                source: OpenError::NoOwner(_),
                ..
            }) => 1,
            Self::Compose(
                ComposeError::Cluster { .. }
                | ComposeError::Certificates(_)
                | ComposeError::Ai(_)
                | ComposeError::Search(_)
                | ComposeError::Mail(_)
                | ComposeError::Turnstile(_)
                | ComposeError::Issuers(_)
                | ComposeError::Agents(_)
                | ComposeError::Store(_)
                | ComposeError::NotShared(_),
            ) => 2,
            Self::Compose(
                ComposeError::Runtime(_)
                | ComposeError::Objects(_)
                | ComposeError::Vectors(_)
                | ComposeError::Settings(_),
            )
            | Self::OperatorToken { .. }
            | Self::Http(_)
            | Self::Engine(_) => 1,
        }
    }
}

/// Serves until SIGTERM or SIGINT, and closes everything.
///
/// # Errors
///
/// Fails when something does not open, the address is taken, or the engine stops by itself.
pub fn serve(
    config: Config,
    environment: &Environment,
    agents: Result<Agents, ActorError>,
    announce: &dyn Fn(&Note),
) -> Result<(), ServeError> {
    let agents = agents.map_err(ServeError::Agents)?;
    let telemetry = Telemetry::install(&config.log)?;
    // Two providers are linked, so rustls would not choose by itself. Another one that was installed before serves as well.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    if !config.cluster.name.is_empty() {
        config.check_shared().map_err(ComposeError::from)?;
    }
    let certificate = config
        .server
        .tls()
        .map(ServerCertificate::read)
        .transpose()?
        .map(Arc::new);
    let _lock = DataLock::take(&config.db.path)?;
    let failure = FailureNote::new(&config.db.path);
    let runtimes = Runtimes::start(&config)?;
    let result = open_and_serve(
        &config,
        certificate,
        Program { environment, agents },
        announce,
        telemetry,
        &runtimes,
        &failure,
    );
    match result {
        Ok(Ended::Served) => Ok(()),
        Ok(Ended::Opening) => {
            // What was not open yet has nothing to close, and may be waiting for others.
            runtimes.abandon();
            announce(&Note::Stopped);
            Ok(())
        }
        Err(error) => {
            if let ServeError::Engine(_) = &error {
                tracing::error!(%error, "the server ends");
                failure.leave(&error.to_string());
            }
            Err(error)
        }
    }
}

/// When a server was told to stop.
enum Ended {
    /// Before it was open.
    Opening,
    /// While it served.
    Served,
}

/// What a program brings beside its configuration.
struct Program<'a> {
    environment: &'a Environment,
    agents: Agents,
}

fn open_and_serve(
    config: &Config,
    certificate: Option<Arc<ServerCertificate>>,
    program: Program<'_>,
    announce: &dyn Fn(&Note),
    telemetry: Telemetry,
    runtimes: &Runtimes,
    failure: &FailureNote,
) -> Result<Ended, ServeError> {
    let watchers = Watchers::new(config.server.watchers_per_tenant);
    let fault = Fault::default();
    let opening = open(config, program, telemetry, runtimes, &watchers, &fault);
    let (opened, mut signals) = runtimes.actors.block_on(async {
        let mut signals = Signals::new().map_err(ServeError::Http)?;
        let opened = tokio::select! {
            opened = Box::pin(opening) => Some(opened?),
            () = signals.next() => None,
            never = waiting(config, announce) => match never {},
        };
        Ok::<_, ServeError>((opened, signals))
    })?;
    let Some((cluster, gateway)) = opened else {
        return Ok(Ended::Opening);
    };
    if let Some(text) = failure.take() {
        tracing::warn!(failure = text, "the last run ended with a fatal error");
        announce(&Note::LastFailure(text));
    }
    for notice in &gateway.model.notices {
        announce(&Note::Model(notice.clone()));
    }
    let checking = runtimes
        .actors
        .spawn(indexes::check_all(cluster.clone(), gateway.context.clone()));
    let following = gateway.signer.keys().clone().follow(cluster.clone());
    let following = runtimes.actors.spawn(following);
    let watching = watch_stores(gateway.objects(), gateway.readiness.clone());
    let watching = runtimes.actors.spawn(watching);
    let served = actix_web::rt::System::new().block_on(http(
        config,
        certificate.as_ref(),
        &gateway,
        &fault,
        announce,
        &mut signals,
    ));
    if let Err(ServeError::Engine(_)) = &served {
        // Whoever waited was told that the outcome is unknown. Closing would sync files, and after one sync has failed the
        // success of another proves nothing; what was acknowledged is in the log.
        return served.map(|()| Ended::Served);
    }
    checking.abort();
    following.abort();
    watching.abort();
    let closed = runtimes
        .actors
        .block_on(async { tokio::time::timeout(ENGINE_CLOSE, cluster.shutdown()).await });
    if closed.is_err() {
        tracing::warn!("the engine did not close in time; what was acknowledged is in its log");
    }
    served?;
    announce(&Note::Stopped);
    Ok(Ended::Served)
}

/// Opens what the server is made of.
async fn open(
    config: &Config,
    program: Program<'_>,
    telemetry: Telemetry,
    runtimes: &Runtimes,
    watchers: &Watchers,
    fault: &Fault,
) -> Result<(Cluster, Gateway), ComposeError> {
    let directory = config.db.cluster_dir();
    // First of all: what a later program wrote is not touched, nor what stands beside it.
    let stores = Stores::disk(&directory);
    stores.check().map_err(|source| ComposeError::Cluster {
        path: directory.clone(),
        source,
    })?;
    let context = ContextTokens::default();
    let cluster = runtimes.cluster_config(config, fault, &context)?;
    let adapters = compose::adapters(config, program.environment, runtimes.actors.handle(), watchers).await?;
    let agents = compose::agents(program.agents, config, &adapters)?;
    let key = ClusterKey::default();
    let audit = config.audit.env(&key);
    let cluster = compose::cluster(cluster, stores, adapters.env.clone(), audit, agents.clone())
        .await
        .map_err(|source| ComposeError::Cluster {
            path: directory,
            source,
        })?;
    first_start::audit_key(&cluster, &key)
        .await
        .map_err(ComposeError::Settings)?;
    let gateway = compose::gateway(
        config,
        context,
        cluster.clone(),
        adapters,
        agents,
        watchers.clone(),
        telemetry,
    )
    .await
    .map_err(ComposeError::Settings)?;
    Ok((cluster, gateway))
}

/// Says now and then what a node among others waits for: nobody sees why it does not open.
async fn waiting(config: &Config, announce: &dyn Fn(&Note)) -> Infallible {
    if config.cluster.name.is_empty() {
        return std::future::pending().await;
    }
    let note = Note::Waiting {
        seeds: config.cluster.seeds.clone(),
    };
    tokio::time::sleep(OPENING).await;
    announce(&note);
    loop {
        tracing::info!("{note}");
        tokio::time::sleep(OPENING).await;
    }
}

async fn http(
    config: &Config,
    certificate: Option<&Arc<ServerCertificate>>,
    gateway: &Gateway,
    fault: &Fault,
    announce: &dyn Fn(&Note),
    signals: &mut Signals,
) -> Result<(), ServeError> {
    let address = config.server.bind;
    let server =
        listener::serve(&config.server, certificate, gateway).map_err(|source| ServeError::Bind { address, source })?;
    let handle = server.handle();
    let mut server = actix_web::rt::spawn(server);
    let proxied = proxy_protocol::serve(&config.server, gateway).map_err(|source| ServeError::Bind {
        address: config.server.proxy_address().unwrap_or(address),
        source,
    })?;
    let proxied = proxied.map(|server| {
        let handle = server.handle();
        actix_web::rt::spawn(server);
        handle
    });

    let mut operator = operator_token(config, gateway)?;
    announce(&Note::Listening {
        url: config.server.base_url(),
        data: config.db.path.clone(),
    });
    tracing::info!(%address, "the server listens");
    let link = first_start::first_link(gateway).await.map_err(ComposeError::Settings)?;
    if let Some(url) = link {
        announce(&Note::SignInLink {
            url,
            hours: config.auth.sign_in_link_hours,
        });
    }
    let ended = tokio::select! {
        () = signals.next() => Ok(()),
        reason = fault.happened() => {
            let space = space_left(&config.db.path);
            Err(ServeError::Engine(format!("{reason}; {space}")))
        },
        ended = &mut server => Err(ServeError::Http(ended_early(ended))),
        never = housekeeping(gateway, &mut operator, certificate) => match never {},
    };
    announce(&Note::Draining);
    gateway.readiness.drain();
    gateway.readiness.close_streams();
    let stop = async |graceful| {
        let proxied = async {
            if let Some(proxied) = &proxied {
                proxied.stop(graceful).await;
            }
        };
        tokio::join!(handle.stop(graceful), proxied);
    };
    tokio::select! {
        () = stop(true) => {},
        // Whoever asks twice does not want to wait.
        () = signals.next() => stop(false).await,
    }
    drop(operator);
    ended
}

/// The signals that end a server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {},
            _ = self.interrupt.recv() => {},
        }
    }
}

fn ended_early(ended: Result<io::Result<()>, tokio::task::JoinError>) -> io::Error {
    match ended {
        Ok(Ok(())) => io::Error::other("it stopped by itself"),
        Ok(Err(error)) => error,
        Err(error) => io::Error::other(error),
    }
}

fn operator_token(config: &Config, gateway: &Gateway) -> Result<TokenFile, ServeError> {
    let path = config.db.operator_token_file();
    let tenant = TenantId::new(actors::role::HOME_TENANT).map_err(ComposeError::Settings)?;
    let mut file = TokenFile::new(path.clone(), tenant, gateway.signer.clone());
    file.renew()
        .map_err(|source| ServeError::OperatorToken { path, source })?;
    Ok(file)
}

/// Renews the operator's token and the certificate, and keeps the metrics small, for ever.
async fn housekeeping(
    gateway: &Gateway,
    operator: &mut TokenFile,
    certificate: Option<&Arc<ServerCertificate>>,
) -> Infallible {
    let mut certificates = tokio::time::interval(tls::RENEWAL);
    let mut upkeep = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            _ = upkeep.tick() => {
                gateway.telemetry.upkeep();
                if let Err(error) = operator.renew() {
                    tracing::warn!(%error, "failed to renew the token of the local operator");
                }
            },
            _ = certificates.tick() => {
                if let Some(certificate) = certificate {
                    certificate.renew();
                }
            },
        }
    }
}
