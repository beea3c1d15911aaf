//! What the tests share: a cluster, a gateway over it, and a client.

use std::{path::PathBuf, sync::Arc, time::Duration};

use actix_service::{Service, ServiceFactory};
use actix_web::{
    body::to_bytes,
    http::{StatusCode, header::HeaderMap},
    test::{TestRequest, init_service},
};
use actors::{
    account::Account,
    agents::AgentActor,
    api_key::ApiKey,
    audit::{AuditEnv, AuditLog},
    email::Email,
    env::{Env, PlanningSettings},
    events::EventLog,
    limiter::{Limiter, LimiterEnv},
    mcp_session::McpSession,
    membership::Membership,
    ports::{
        ModelRequest,
        fake::{FakeEmbedder, FakeModel, FakeObjects, FakePasswords, FakeSearch, FakeVectors, Reply},
    },
    role::Role,
    run::Run,
    session::Session,
    tenant::Tenant,
    vectors::VectorIndex,
    workflows::planning::{phase::PhaseId, sample},
};
use bytes::Bytes;
use cluster::{
    Clock, ClusterConfig, Stores, Timestamp,
    prelude::{Cluster, TenantId},
    testing::{TestCluster, TestNodes},
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::{Mutex, OnceCell, mpsc},
    task::LocalSet,
    time::Instant,
};

use super::{contract, mcp::ExampleAgent};
use crate::{
    config::{AuthConfig, ServerConfig},
    gateway::{
        AccountSessions, Backups, Callers, ContextTokens, Gateway, Issuers, Limits, LimitsConfig, Mcp, McpAgent,
        ModelStatus, Parts, Planning, Readiness, Signer, SigningKeys, SocketCounts, SocketsConfig, Turnstile, app,
        connections,
    },
    outbound::OutboundConfig,
    planes::{
        communication::{Letter, MailQueue, fake::FakePost},
        events::Watchers,
    },
    server::migrations::migrations,
    telemetry::Telemetry,
};

/// A builder of clusters with all classes that the gateway asks.
macro_rules! with_classes {
    ($builder:expr, $env:expr) => {
        with_classes!($builder, $env, AccountSessions::default())
    };
    ($builder:expr, $env:expr, $sessions:expr) => {
        $builder
            .actor::<Run>($env.clone())
            .actor::<Tenant>($env.clone())
            .actor::<EventLog>($env.clone())
            .actor::<VectorIndex>($env.clone())
            .actor::<Session>(())
            .actor::<Membership>(())
            .actor::<ApiKey>(())
            .actor::<McpSession>(())
            .actor::<Account>(())
            .actor::<AuditLog>(AuditEnv::fake())
            .actor::<Limiter>(LimiterEnv::default())
            .actor::<AgentActor>(super::agents::kinds(&$sessions))
    };
}

/// The key of the cluster.
const KEY: [u8; 32] = [7; 32];

pub(super) const IDEA: &str = "A shared tool library for apartment houses with a locker in each cellar";

/// Scores of a kill test that says GO, and of one that says KILL.
pub(super) const GO: [f64; 6] = [8.0; 6];
pub(super) const KILL: [f64; 6] = [1.0; 6];

/// Scores of a kill test that says PIVOT.
pub(super) const PIVOT: [f64; 6] = [8.0, 3.0, 8.0, 8.0, 8.0, 8.0];

/// The phase and step that a request of the planning run is for.
pub(super) fn asked(request: &ModelRequest) -> (PhaseId, String, usize) {
    let parts: Vec<&str> = request.idempotency_key.split('/').collect();
    let [_class, _tenant, _run, attempt, phase, step, ..] = parts[..] else {
        panic!("{}", request.idempotency_key)
    };
    (
        PhaseId::parse(phase).unwrap(),
        step.to_owned(),
        attempt.parse().unwrap(),
    )
}

/// A model whose kill tests have these scores.
pub(super) fn model(scores: [f64; 6]) -> FakeModel {
    FakeModel::new(move |request, _| {
        let (phase, step, attempt) = asked(request);
        let seed = 1 + attempt * 40 + phase.number() as usize;
        let answer = match (step.as_str(), phase) {
            ("draft", PhaseId::KillTest) => sample::kill_test(scores, seed),
            ("draft", phase) => sample::full(phase.phase(), seed),
            (_, phase) => sample::review(phase.phase(), 8.0, seed),
        };
        Reply::Text(answer.to_string())
    })
}

/// A model that never answers, so that runs stay where they are.
pub(super) fn silent() -> FakeModel {
    FakeModel::new(|_, _| Reply::Hang)
}

/// Ports that reach nothing outside.
fn fakes(model: FakeModel, watchers: &Watchers) -> Env {
    Env {
        model: Arc::new(model),
        embedder: Arc::new(FakeEmbedder::default()),
        vectors: Arc::new(FakeVectors::default()),
        objects: Arc::new(FakeObjects::default()),
        search: Arc::new(FakeSearch::default()),
        events: Arc::new(watchers.clone()),
        planning: PlanningSettings::default(),
    }
}

pub(super) struct Bench {
    pub(super) cluster: TestCluster,
    pub(super) gateway: Gateway,
    env: Env,
    limits: LimitsConfig,
    admins_token: OnceCell<String>,
    pub(super) passwords: FakePasswords,
    letters: Mutex<mpsc::UnboundedReceiver<Letter>>,
    /// Goes with the bench.
    folder: tempfile::TempDir,
}

/// An answer with its body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// Asserts a problem and returns it.
    #[track_caller]
    pub(super) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("/problems#{code}"));
        assert_eq!(problem["request_id"], self.header("x-correlation-id"));
        for member in ["title", "detail", "instance"] {
            assert!(
                problem[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member}: {problem}"
            );
        }
        problem
    }
}

impl Bench {
    /// Runs a test on one thread, as the workers of the server have.
    pub(super) async fn with(model: FakeModel, test: impl AsyncFnOnce(&Self)) {
        Self::configured(model, ServerConfig::default(), test).await;
    }

    pub(super) async fn configured(model: FakeModel, server: ServerConfig, test: impl AsyncFnOnce(&Self)) {
        Self::run(model, server, LimitsConfig::off(), test).await;
    }

    /// Runs a test under rate limits; other tests have none.
    pub(super) async fn limited(limits: LimitsConfig, test: impl AsyncFnOnce(&Self)) {
        Self::run(silent(), ServerConfig::default(), limits, test).await;
    }

    async fn run(model: FakeModel, server: ServerConfig, limits: LimitsConfig, test: impl AsyncFnOnce(&Self)) {
        let run = async {
            let bench = Self::new(model, server, limits).await;
            test(&bench).await;
        };
        LocalSet::new().run_until(Box::pin(run)).await;
    }

    async fn new(model: FakeModel, server: ServerConfig, limits: LimitsConfig) -> Self {
        let watchers = Watchers::new(server.watchers_per_tenant);
        let folder = tempfile::tempdir().unwrap();
        let env = fakes(model, &watchers);
        let sessions = AccountSessions::default();
        let builder = TestCluster::builder(7).gatekeeper(Arc::new(context()));
        let cluster = with_classes!(builder, env, sessions).start().await;
        let (post, letters) = FakePost::new();
        let mail = MailQueue::start(Arc::new(post));
        let passwords = FakePasswords::default();
        let gateway = gateway(Node {
            cluster: cluster.cluster(),
            env: env.clone(),
            watchers,
            server,
            limits: limits.clone(),
            auth: AuthConfig::default(),
            mail,
            passwords: passwords.clone(),
            contact: None,
            turnstile: Turnstile::default(),
            backups: folder.path().join("backups"),
            mcp: Mcp::default(),
            sockets: SocketsConfig::default(),
        });
        sessions.attach(&gateway);
        gateway.callers.found_home().await.unwrap();
        Self {
            cluster,
            gateway,
            env,
            limits,
            admins_token: OnceCell::new(),
            passwords,
            letters: Mutex::new(letters),
            folder,
        }
    }

    /// A session of a member who has this role from now on.
    pub(super) async fn token(&self, tenant: &str, user: &str, role: Role) -> String {
        self.session(tenant, user, role, Duration::from_secs(3600)).await
    }

    async fn admins_token(&self) -> &str {
        let opened = self.token("default", "admin", Role::Admin);
        self.admins_token.get_or_init(|| opened).await
    }

    pub(super) async fn session(&self, tenant: &str, user: &str, role: Role, life: Duration) -> String {
        token(&self.gateway, tenant, user, role, life).await
    }

    /// Sends a request as it is.
    pub(super) async fn call(&self, request: TestRequest) -> Answer {
        call(&self.gateway, request).await
    }

    /// A connection of a client to a server with this gateway.
    pub(super) async fn connect(&self) -> TcpStream {
        connect_to(&self.gateway).await
    }

    /// A gateway that shares nothing with this one but the actors and the keys.
    pub(super) fn another_node(&self) -> Gateway {
        self.node_with(AuthConfig::default())
    }

    /// Another such gateway with other rules of sign-in.
    pub(super) fn node_with(&self, auth: AuthConfig) -> Gateway {
        gateway(Node { auth, ..self.node() })
    }

    /// Another such gateway with another MCP server.
    pub(super) fn node_of(&self, agent: impl McpAgent) -> Gateway {
        gateway(Node {
            mcp: Mcp::new(agent),
            ..self.node()
        })
    }

    /// Another such gateway that asks whether people are people, and has a reader of what they write.
    pub(super) fn guarded(&self, turnstile: Turnstile, contact: &str) -> Gateway {
        gateway(Node {
            turnstile,
            contact: Email::new(contact).ok(),
            ..self.node()
        })
    }

    fn node(&self) -> Node {
        Node {
            cluster: self.cluster.cluster(),
            env: self.env.clone(),
            watchers: self.gateway.watchers.clone(),
            server: self.gateway.server.clone(),
            limits: self.limits.clone(),
            auth: AuthConfig::default(),
            mail: self.gateway.mail.clone(),
            passwords: self.passwords.clone(),
            contact: None,
            turnstile: Turnstile::default(),
            backups: self.folder.path().join("backups"),
            mcp: Mcp::default(),
            sockets: SocketsConfig::default(),
        }
    }

    /// Another such gateway with other rules of WebSockets.
    pub(super) fn with_sockets(&self, sockets: SocketsConfig) -> Gateway {
        gateway(Node { sockets, ..self.node() })
    }

    /// Sends a request of the admin of tenant `default`.
    pub(super) async fn admin(&self, request: TestRequest) -> Answer {
        let token = self.admins_token().await;
        self.call(request.insert_header(("authorization", format!("Bearer {token}"))))
            .await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.admin(TestRequest::get().uri(path)).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.admin(TestRequest::post().uri(path).set_json(body)).await
    }

    /// Sends what a browser with a session sends.
    pub(super) async fn browse(&self, path: &str) -> Answer {
        self.call(
            TestRequest::get()
                .uri(path)
                .insert_header(("cookie", self.cookie().await)),
        )
        .await
    }

    /// Sends a form as a browser on one of our pages does.
    pub(super) async fn submit(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = TestRequest::post()
            .uri(path)
            .insert_header(("cookie", self.cookie().await))
            .insert_header(("host", "plans.test"))
            .insert_header(("origin", "http://plans.test"))
            .set_form(form);
        self.call(request).await
    }

    pub(super) async fn cookie(&self) -> String {
        format!("session_id={}", self.admins_token().await)
    }

    /// The next mail; it was asked for before.
    pub(super) async fn letter(&self) -> Letter {
        let mut letters = self.letters.lock().await;
        let letter = tokio::time::timeout(Duration::from_secs(5), letters.recv()).await;
        letter.ok().flatten().unwrap_or_else(|| panic!("no mail was sent"))
    }

    /// Whether nothing was mailed that no test has read.
    pub(super) async fn has_no_letter(&self) -> bool {
        let mut letters = self.letters.lock().await;
        tokio::time::timeout(Duration::from_secs(5), letters.recv())
            .await
            .is_err()
    }

    /// Creates a run and returns its id.
    pub(super) async fn create(&self, config: Value) -> String {
        let answer = self
            .post("/api/planning/runs", &json!({ "idea": IDEA, "config": config }))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Lets time pass until the run has this status.
    pub(super) async fn until(&self, run: &str, status: &str) -> Value {
        for _ in 0..5_000 {
            let answer = self.get(&format!("/api/planning/runs/{run}")).await;
            if answer.json()["status"] == status {
                return answer.json();
            }
            self.cluster.advance(Duration::from_millis(100)).await;
        }
        let answer = self.get(&format!("/api/planning/runs/{run}")).await;
        panic!("the run never became {status}: {}", answer.text());
    }
}

/// The signing keys of the tests.
fn signing_keys() -> SigningKeys {
    SigningKeys::new(&KEY, Duration::from_hours(1))
}

/// A clock that follows the paused time, from about where that of the cluster begins.
#[derive(Debug)]
struct BenchClock(Instant);

impl Clock for BenchClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000).plus(self.0.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Context tokens with the keys of the tests.
fn context() -> ContextTokens {
    let context = ContextTokens::default();
    context.set_keys(signing_keys());
    context
}

/// Three nodes in paused time, for gateways on each.
pub(super) struct Several {
    pub(super) nodes: TestNodes,
    env: Env,
    watchers: Watchers,
    /// Goes with them.
    folder: tempfile::TempDir,
}

impl Several {
    /// Runs a test on one thread.
    pub(super) async fn with(test: impl AsyncFnOnce(&Self)) {
        let run = async {
            let watchers = Watchers::new(ServerConfig::default().watchers_per_tenant);
            let env = fakes(silent(), &watchers);
            let mut builder = TestNodes::builder(7).migrations(migrations());
            for node in 0..3 {
                builder = builder.gatekeeper(node, Arc::new(context()));
            }
            let several = Self {
                nodes: with_classes!(builder, env).start().await,
                env,
                watchers,
                folder: tempfile::tempdir().unwrap(),
            };
            several.gateway(1, ExampleAgent).callers.found_home().await.unwrap();
            test(&several).await;
        };
        LocalSet::new().run_until(Box::pin(run)).await;
    }

    /// A gateway on a node, with an MCP server.
    pub(super) fn gateway(&self, node: usize, agent: impl McpAgent) -> Gateway {
        gateway(Node {
            cluster: self.nodes.node(node),
            env: self.env.clone(),
            watchers: self.watchers.clone(),
            server: ServerConfig::default(),
            limits: LimitsConfig::off(),
            auth: AuthConfig::default(),
            mail: MailQueue::start(Arc::new(FakePost::new().0)),
            passwords: FakePasswords::default(),
            contact: None,
            turnstile: Turnstile::default(),
            backups: self.folder.path().join("backups"),
            mcp: Mcp::new(agent),
            sockets: SocketsConfig::default(),
        })
    }

    /// A session of a member.
    pub(super) async fn token(&self, at: &Gateway, tenant: &str, user: &str, role: Role) -> String {
        token(at, tenant, user, role, Duration::from_hours(1)).await
    }
}

/// A gateway over a cluster that runs in real time, for programs that others have written.
pub(super) struct Real {
    pub(super) gateway: Gateway,
    cluster: Cluster,
    runtime: Runtime,
    /// Goes with it.
    _folder: tempfile::TempDir,
}

/// Starts one with an MCP server.
pub(super) async fn real(agent: impl McpAgent) -> Real {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let server = ServerConfig::default();
    let watchers = Watchers::new(server.watchers_per_tenant);
    let env = fakes(silent(), &watchers);
    let mut config = ClusterConfig::new(runtime.handle().clone(), runtime.handle().clone());
    config.shards = 1;
    config.gatekeeper = Some(Arc::new(context()));
    let builder = with_classes!(Cluster::builder(config).migrations(migrations()), env);
    let cluster = builder.open(Stores::memory()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let gateway = gateway(Node {
        cluster: cluster.clone(),
        env,
        watchers,
        server,
        limits: LimitsConfig::off(),
        auth: AuthConfig::default(),
        mail: MailQueue::start(Arc::new(FakePost::new().0)),
        passwords: FakePasswords::default(),
        contact: None,
        turnstile: Turnstile::default(),
        backups: folder.path().join("backups"),
        mcp: Mcp::new(agent),
        sockets: SocketsConfig::default(),
    });
    gateway.callers.found_home().await.unwrap();
    Real {
        gateway,
        cluster,
        runtime,
        _folder: folder,
    }
}

impl Real {
    /// A session of a member.
    pub(super) async fn token(&self, tenant: &str, user: &str, role: Role) -> String {
        token(&self.gateway, tenant, user, role, Duration::from_hours(1)).await
    }

    pub(super) async fn shutdown(self) {
        self.cluster.shutdown().await;
        self.runtime.shutdown_background();
    }
}

/// A session of a member who has this role from now on.
async fn token(gateway: &Gateway, tenant: &str, user: &str, role: Role, life: Duration) -> String {
    let tenant = TenantId::new(tenant).unwrap();
    let callers = &gateway.callers;
    let enrolled = callers.enrol(&tenant, user, Some(role));
    gateway.context.as_system(&tenant, enrolled).await.unwrap();
    callers.open(&tenant, user, "a test", life).await.unwrap().token
}

/// What a gateway of a test is made of.
struct Node {
    cluster: Cluster,
    env: Env,
    watchers: Watchers,
    server: ServerConfig,
    limits: LimitsConfig,
    auth: AuthConfig,
    mail: MailQueue,
    passwords: FakePasswords,
    contact: Option<Email>,
    turnstile: Turnstile,
    backups: PathBuf,
    mcp: Mcp,
    sockets: SocketsConfig,
}

fn gateway(node: Node) -> Gateway {
    let (context, signer) = (context(), Signer::new(signing_keys()));
    let cluster = node.cluster;
    Gateway::new(Parts {
        callers: Callers::new(
            cluster.clone(),
            Arc::new(node.passwords),
            context.clone(),
            signer.clone(),
            Issuers::open(&node.auth.issuers, &OutboundConfig::default()).unwrap(),
        ),
        planning: Planning::new(cluster.clone(), node.env),
        limits: Limits::new(cluster.clone(), context.clone(), node.limits),
        cluster,
        signer,
        context,
        watchers: node.watchers,
        readiness: Readiness::default(),
        telemetry: Telemetry::detached(),
        model: ModelStatus {
            id: "fake".to_owned(),
            is_embedded: false,
            notices: Vec::new(),
        },
        clock: Arc::new(BenchClock(Instant::now())),
        mail: node.mail,
        mail_folder: None,
        contact: node.contact,
        turnstile: node.turnstile,
        backups: Backups::new(node.backups),
        mcp: node.mcp,
        agents: super::agents::kinds(&AccountSessions::default()),
        sockets: node.sockets,
        socket_counts: SocketCounts::default(),
        server: node.server,
        auth: node.auth,
    })
}

/// A connection of a client to a server with a gateway.
pub(super) async fn connect_to(gateway: &Gateway) -> TcpStream {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect(address).await.unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    let service = connections(gateway, address, std::future::pending);
    let service = service.new_service(()).await.unwrap();
    actix_web::rt::spawn(async move {
        // How a connection ends is the client's to see.
        service.call((stream, Some(peer))).await.ok();
    });
    client
}

/// Sends a request to a gateway as it is.
pub(super) async fn call(gateway: &Gateway, request: TestRequest) -> Answer {
    let service = init_service(app(gateway.clone())).await;
    let request = request.to_request();
    let method = request.method().clone();
    let response = actix_web::test::call_service(&service, request).await;
    let (request, response) = response.into_parts();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = to_bytes(response.into_body())
        .await
        .unwrap_or_else(|_| panic!("the body ends well"));
    let answer = Answer { status, headers, body };
    contract::check(method.as_str(), request.match_pattern().as_deref(), &answer);
    answer
}
