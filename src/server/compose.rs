//! Composition: the one place that knows every adapter and every actor.

use std::{collections::BTreeSet, io, path::PathBuf, sync::Arc, time::Duration};

use actors::{
    account::Account,
    agents::{
        AgentActor, Agents,
        chat::{Chat, ChatEnv},
        limiter::Pacer,
        session::{Devices, SessionEnv},
        task::{TaskEnv, Tasks},
        tenant::TenantDesk,
    },
    api_key::ApiKey,
    audit::{AuditEnv, AuditLog},
    email::Email,
    env::Env,
    events::EventLog,
    limiter::{Limiter, LimiterEnv},
    mcp_session::McpSession,
    membership::Membership,
    ports::{ObjectError, Profile, Slot, VectorError},
    run::Run,
    session::Session,
    tenant::Tenant,
    vectors::VectorIndex,
};
use cluster::{
    CertificateError, ClusterBuilder, ClusterConfig, OnFatal, OpenError, Stores, SystemClock,
    prelude::{ActorError, Cluster},
};
use secrecy::SecretString;
use tokio::runtime::{Builder, Handle, Runtime};

use super::{failure::Fault, migrations::migrations, place};
use crate::{
    cli::Environment,
    config::{Config, NotShared},
    gateway::{
        AccountSessions, Backups, Callers, ContextTokens, Gateway, Issuers, Limits, Mcp, ModelStatus, Parts,
        Permission, Planning, Readiness, Signer, SigningKeys, SocketCounts, Turnstile, TurnstileError,
    },
    outbound::OutboundError,
    planes::{
        ai::{self, ConnectError},
        communication::{Mail, MailError, MailQueue, Transport},
        data::{LanceVectors, ObjectStorage, StoreError},
        events::Watchers,
        passwords::Argon2id,
        search::{self, SearchConfigError},
    },
    telemetry::Telemetry,
};

/// What is said where an earlier version has left its index.
const RENEWED: &str =
    "the vector index of an earlier version was removed; it is made again from the artifacts in the background";

/// Threads of agreement and timers; both work little and must not wait for actors.
const RAFT_THREADS: usize = 1;

/// Why the server could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A runtime did not start.
    #[error("failed to start a runtime: {0}")]
    Runtime(#[source] io::Error),
    /// The engine did not open.
    #[error("failed to open the state in {path}: {source}")]
    Cluster {
        /// Directory of the engine.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// The place of the objects or of the vectors is not configured well.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Files or vectors lie where the other nodes do not reach them.
    #[error(transparent)]
    NotShared(#[from] NotShared),
    /// The certificates of the node cannot be used.
    #[error("failed to use the certificates of [cluster]: {0}")]
    Certificates(#[from] CertificateError),
    /// The object store did not open.
    #[error("failed to open the object store: {0}")]
    Objects(#[from] ObjectError),
    /// The vector index did not open.
    #[error("failed to open the vector index: {0}")]
    Vectors(#[from] VectorError),
    /// The models cannot be connected.
    #[error("failed to connect the models: {0}")]
    Ai(#[from] ConnectError),
    /// The search engine cannot be connected.
    #[error("failed to connect the search: {0}")]
    Search(#[from] SearchConfigError),
    /// Mail cannot leave.
    #[error("failed to prepare the mail: {0}")]
    Mail(#[from] MailError),
    /// It cannot be asked whether somebody is a person.
    #[error("failed to prepare Turnstile: {0}")]
    Turnstile(#[from] TurnstileError),
    /// Issuers of tokens cannot be asked for their keys.
    #[error("failed to prepare auth.issuers: {0}")]
    Issuers(#[from] OutboundError),
    /// An application has agents that go by the name of others.
    #[error("the agents of this program cannot be registered: {0}")]
    Agents(#[source] ActorError),
    /// The cluster did not answer.
    #[error("failed to read the settings of the cluster: {0}")]
    Settings(#[from] ActorError),
}

/// The runtimes of the engine. They are not those of the HTTP server, whose workers have one thread each.
#[derive(Debug)]
pub(super) struct Runtimes {
    pub(super) actors: Runtime,
    raft: Runtime,
}

impl Runtimes {
    pub(super) fn start(config: &Config) -> Result<Self, ComposeError> {
        let mut actors = Builder::new_multi_thread();
        if config.db.threads > 0 {
            actors.worker_threads(config.db.threads);
        }
        let actors = actors
            .thread_name("actors")
            .enable_all()
            .build()
            .map_err(ComposeError::Runtime)?;
        let raft = Builder::new_multi_thread()
            .worker_threads(RAFT_THREADS)
            .thread_name("raft")
            .enable_all()
            .build()
            .map_err(ComposeError::Runtime)?;
        Ok(Self { actors, raft })
    }

    pub(super) fn cluster_config(
        &self,
        config: &Config,
        fault: &Fault,
        context: &ContextTokens,
    ) -> Result<ClusterConfig, ComposeError> {
        let mut cluster = ClusterConfig::new(self.actors.handle().clone(), self.raft.handle().clone());
        let fault = fault.clone();
        cluster.on_fatal = OnFatal::new(move |reason| fault.report(reason));
        cluster.shards = config.db.shards;
        cluster.bounds.slow_turn = Duration::from_millis(config.db.slow_turn_ms);
        cluster.network = place::network(config)?;
        cluster.gatekeeper = Some(Arc::new(context.clone()));
        Ok(cluster)
    }

    /// Ends the runtimes without waiting for what runs on them; the process is about to end.
    pub(super) fn abandon(self) {
        self.actors.shutdown_background();
        self.raft.shutdown_background();
    }
}

/// What the configuration connects the server with.
pub(super) struct Adapters {
    /// What the actors ask.
    pub(super) env: Env,
    model: ModelStatus,
    mail: MailQueue,
    contact: Option<Email>,
    turnstile: Turnstile,
    issuers: Issuers,
    sessions: AccountSessions,
}

/// Opens the adapters of the configuration.
pub(super) async fn adapters(
    config: &Config,
    environment: &Environment,
    runtime: &Handle,
    watchers: &Watchers,
) -> Result<Adapters, ComposeError> {
    let data = &config.db.path;
    let key = config
        .ai
        .api_key(|name| environment.get(name).map(str::to_owned))
        .map_err(ConnectError::from)?;
    let ai = ai::connect(&config.ai, &config.models_dir(), key)?;
    let search_key = config
        .search
        .key_variable()
        .and_then(|name| environment.get(name))
        .map(|key| SecretString::from(key.to_owned()));
    let search = search::open(&config.search, &config.outbound, search_key)?;
    let variable = |name: &str| environment.get(name).map(str::to_owned);
    let files = config.files.place(data, &variable)?;
    let objects = Arc::new(ObjectStorage::open(&files, &config.files).await?);
    let place = config.vector_index.place(data, &variable)?;
    let vectors = LanceVectors::open(place, config.vector_index.clone(), ai.embedder.info(), runtime.clone()).await?;
    let mut status = model_status(&ai);
    if vectors.is_renewed() {
        status.notices.push(RENEWED.to_owned());
    }
    let env = Env {
        model: ai.model,
        embedder: ai.embedder,
        vectors: Arc::new(vectors),
        objects,
        search,
        events: Arc::new(watchers.clone()),
        planning: config.planning.settings(),
    };
    Ok(Adapters {
        env,
        model: status,
        mail: mail(config, environment)?,
        contact: config.mail.contact().map_err(MailError::from)?,
        turnstile: Turnstile::open(&config.turnstile, &config.server, &config.outbound, variable)?,
        issuers: Issuers::open(&config.auth.issuers, &config.outbound)?,
        sessions: AccountSessions::default(),
    })
}

fn mail(config: &Config, environment: &Environment) -> Result<MailQueue, ComposeError> {
    let password = config.mail.password(|name| environment.get(name).map(str::to_owned));
    let password = password.map_err(MailError::from)?;
    let mail = Mail::open(&config.mail, &config.db.path, password.as_ref())?;
    Ok(MailQueue::start(Arc::new(mail)))
}

fn model_status(ai: &ai::Ai) -> ModelStatus {
    let info = ai.model.info(Slot::Generator);
    ModelStatus {
        id: info.id,
        is_embedded: info.profile == Profile::Embedded,
        notices: ai.notices.clone(),
    }
}

/// What tasks may call besides the agents of the application: nothing that a person has to decide.
const CALLED_BY_TASKS: [&str; 3] = ["limiter.check", "task.enqueue", "tenant.refresh"];

/// All kinds of agents: those of the application, and those that every server has.
pub(super) fn agents(application: Agents, config: &Config, adapters: &Adapters) -> Result<Agents, ComposeError> {
    let requests = config.limits.of_requests();
    let own = application.list().into_iter().map(|kind| kind.name);
    let callable: BTreeSet<String> = own.chain(CALLED_BY_TASKS).map(str::to_owned).collect();
    let tasks = TaskEnv {
        grants: Permission::names_within,
        callable: Arc::new(callable),
    };
    application
        .with::<Chat>(ChatEnv::from(&adapters.env))
        .and_then(|agents| agents.with::<Pacer>(requests))
        .and_then(|agents| agents.with::<Devices>(SessionEnv(Arc::new(adapters.sessions.clone()))))
        .and_then(|agents| agents.with::<Tasks>(tasks))
        .and_then(|agents| agents.with::<TenantDesk>(requests))
        .map_err(ComposeError::Agents)
}

/// Opens the cluster with every class registered.
pub(super) async fn cluster(
    config: ClusterConfig,
    stores: Stores,
    env: Env,
    audit: AuditEnv,
    agents: Agents,
) -> Result<Cluster, OpenError> {
    register(Cluster::builder(config), env, audit, agents)
        .open(stores)
        .await
}

/// Registers every class; the migrations make the same ones, or the cluster does not open.
fn register(builder: ClusterBuilder, env: Env, audit: AuditEnv, agents: Agents) -> ClusterBuilder {
    builder
        .migrations(migrations())
        .actor::<Tenant>(env.clone())
        .actor::<Run>(env.clone())
        .actor::<VectorIndex>(env.clone())
        .actor::<EventLog>(env)
        .actor::<AuditLog>(audit)
        .actor::<Limiter>(LimiterEnv::default())
        .actor::<Account>(())
        .actor::<Session>(())
        .actor::<Membership>(())
        .actor::<ApiKey>(())
        .actor::<McpSession>(())
        .actor::<AgentActor>(agents)
}

/// Where people find their mail who try the server on their own machine.
fn mail_folder(config: &Config) -> Option<PathBuf> {
    let is_here = config.server.is_development() && config.mail.transport == Transport::File;
    is_here.then(|| config.mail.directory(&config.db.path))
}

/// Puts the gateway together over an open cluster.
pub(super) async fn gateway(
    config: &Config,
    context: ContextTokens,
    cluster: Cluster,
    adapters: Adapters,
    agents: Agents,
    watchers: Watchers,
    telemetry: Telemetry,
) -> Result<Gateway, ActorError> {
    let Adapters {
        env,
        model,
        mail,
        contact,
        turnstile,
        issuers,
        sessions,
    } = adapters;
    let keys = SigningKeys::open(&cluster, config.auth.longest_token()).await?;
    context.set_keys(keys.clone());
    let signer = Signer::new(keys);
    let planning = Planning::new(cluster.clone(), env);
    let passwords = Arc::new(Argon2id::default());
    let callers = Callers::new(cluster.clone(), passwords, context.clone(), signer.clone(), issuers);
    let limits = Limits::new(cluster.clone(), context.clone(), config.limits.clone());
    let gateway = Gateway::new(Parts {
        cluster,
        limits,
        planning,
        signer,
        callers,
        context,
        watchers,
        readiness: Readiness::default(),
        telemetry,
        model,
        clock: Arc::new(SystemClock),
        mail,
        contact,
        turnstile,
        mail_folder: mail_folder(config),
        backups: Backups::new(config.db.backups_dir()),
        mcp: Mcp::default(),
        agents,
        sockets: config.sockets.clone(),
        socket_counts: SocketCounts::default(),
        server: config.server.clone(),
        auth: config.auth.clone(),
    });
    sessions.attach(&gateway);
    Ok(gateway)
}

#[cfg(test)]
mod tests {
    use actors::ports::fake::{FakeEmbedder, FakeModel, FakeObjects, FakeSearch, FakeVectors, Reply};

    use super::*;

    fn env() -> Env {
        Env {
            model: Arc::new(FakeModel::new(|_, _| Reply::Hang)),
            embedder: Arc::new(FakeEmbedder::default()),
            vectors: Arc::new(FakeVectors::default()),
            objects: Arc::new(FakeObjects::default()),
            search: Arc::new(FakeSearch::default()),
            events: Arc::new(Watchers::new(1)),
            planning: actors::env::PlanningSettings::default(),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_classes_are_those_of_the_migrations() {
        let runtime = Handle::current();
        let config = ClusterConfig {
            shards: 1,
            ..ClusterConfig::new(runtime.clone(), runtime)
        };
        let opened = cluster(config, Stores::memory(), env(), AuditEnv::fake(), Agents::default())
            .await
            .unwrap();
        opened.shutdown().await;
    }
}
