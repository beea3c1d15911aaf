//! For tests of the kinds of agents that every server has: a tenant with people, and clients of its agents.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use cluster::{
    Outgoing, SocketReceiver, SocketSender,
    prelude::{ActorError, ActorId, Frame, Handler, Message, Result, TenantId, Uuid},
    testing::TestClusterBuilder,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{
    Agent, AgentActor, AgentAddress, AgentCaller, AgentCtx, Agents, CallAgent, Callable, Method, Methods,
    chat::{Chat, ChatEnv},
    limiter::Pacer,
    session::{Devices, SessionEnv},
    task::{TaskEnv, Tasks},
    tenant::{RequestLimits, TenantDesk},
};
use crate::{
    api_key::Scope,
    env::{Env, PlanningSettings},
    events::EventLog,
    limiter::{Limiter, LimiterEnv},
    membership::{FoundTenant, Membership},
    ports::fake::{FakeEmbedder, FakeEvents, FakeModel, FakeObjects, FakeSearch, FakeSessions, FakeVectors, Reply},
    role::{Plan, Role},
    run::Run,
    scene::{Scene, acme, member, user},
    tenant::Tenant,
    vectors::VectorIndex,
};

/// The permissions of the roles, as far as the tests need them.
pub(in crate::agents) fn grants(scope: &Scope, _: &TenantId) -> BTreeSet<String> {
    let role = match scope {
        Scope::Role(role) => *role,
        Scope::Permissions(names) => return names.clone(),
    };
    let all = [
        ("agent:use", Role::Operator),
        ("decision:view", Role::Operator),
        ("run:view", Role::Operator),
        ("user:view", Role::Supervisor),
        ("run:create", Role::Admin),
        ("key:view", Role::Admin),
        ("tenant:configure", Role::Admin),
    ];
    let granted = all.into_iter().filter(|(_, least)| role >= *least);
    granted.map(|(name, _)| name.to_owned()).collect()
}

/// A person who has a role.
pub(in crate::agents) fn person(who: &str, role: Role) -> AgentCaller {
    AgentCaller {
        user: who.to_owned(),
        permissions: grants(&Scope::Role(role), &acme()),
    }
}

pub(in crate::agents) fn ann() -> AgentCaller {
    person("ann", Role::Admin)
}

pub(in crate::agents) fn evil() -> TenantId {
    TenantId::new("evil").unwrap()
}

/// What an application might have: adds up, sometimes slowly, and fails as often as it is told to.
pub(in crate::agents) struct Tally;

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::agents) struct Sum {
    sum: i64,
    failures: u32,
}

/// Adds.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Add {
    amount: i64,
    /// How long it takes.
    #[serde(default)]
    millis: u64,
    /// Fails so often first.
    #[serde(default)]
    failures: u32,
}

/// What is the sum, and who asks.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Total;

/// Says more than anybody keeps.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Much;

impl Method for Add {
    const NAME: &'static str = "add";
    type Reply = i64;
}

impl Method for Total {
    const NAME: &'static str = "total";
    type Reply = (i64, Option<String>, Vec<String>);
}

impl Method for Much {
    const NAME: &'static str = "much";
    type Reply = String;
}

impl Agent for Tally {
    const NAME: &'static str = "tally";
    type State = Sum;
    type Env = ();

    fn methods(methods: Methods<Self>) -> Methods<Self> {
        methods.callable::<Add>().callable::<Total>().callable::<Much>()
    }

    async fn start(_: &mut AgentCtx<'_, Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Callable<Add> for Tally {
    async fn call(&mut self, add: Add, ctx: &mut AgentCtx<'_, Self>) -> Result<i64> {
        if add.millis > 0 {
            tokio::time::sleep(Duration::from_millis(add.millis)).await;
        }
        let mut sum = ctx.state().cloned().unwrap_or_default();
        if sum.failures < add.failures {
            sum.failures += 1;
            ctx.set_state(sum)?;
            return Err(ActorError::overloaded("tally.told", "told to"));
        }
        sum.sum += add.amount;
        let total = sum.sum;
        ctx.set_state(sum)?;
        Ok(total)
    }
}

impl Callable<Total> for Tally {
    async fn call(&mut self, Total: Total, ctx: &mut AgentCtx<'_, Self>) -> Result<(i64, Option<String>, Vec<String>)> {
        let caller = ctx.caller().cloned();
        let user = caller.as_ref().map(|caller| caller.user.clone());
        let permissions = caller.into_iter().flat_map(|caller| caller.permissions).collect();
        Ok((ctx.state().map_or(0, |sum| sum.sum), user, permissions))
    }
}

impl Callable<Much> for Tally {
    async fn call(&mut self, Much: Much, _: &mut AgentCtx<'_, Self>) -> Result<String> {
        Ok("x".repeat(10_000))
    }
}

/// A server with two tenants, `acme` and `evil`, whose admin is ann.
pub(in crate::agents) struct Bench {
    pub(in crate::agents) scene: Scene,
    sessions: FakeSessions,
}

impl Bench {
    pub(in crate::agents) async fn start(seed: u64) -> Self {
        Self::build(Scene::builder(seed)).await
    }

    /// With a disk that takes so many milliseconds to sync.
    pub(in crate::agents) async fn with_disk(seed: u64, millis: u64) -> Self {
        let sync = Duration::from_millis(millis);
        Self::build(Scene::builder(seed).syncs(sync..=sync)).await
    }

    async fn build(builder: TestClusterBuilder) -> Self {
        let env = Env {
            model: Arc::new(FakeModel::new(|_, _| Reply::Hang)),
            embedder: Arc::new(FakeEmbedder::default()),
            vectors: Arc::new(FakeVectors::default()),
            objects: Arc::new(FakeObjects::default()),
            search: Arc::new(FakeSearch::default()),
            events: Arc::new(FakeEvents::default()),
            planning: PlanningSettings::default(),
        };
        let sessions = FakeSessions::default();
        let limits = RequestLimits {
            free: Some(100),
            key: Some(50),
            ..RequestLimits::default()
        };
        let tasks = TaskEnv {
            grants,
            callable: Arc::new(["tally", "task.enqueue"].map(str::to_owned).into()),
        };
        let agents = Agents::default()
            .with::<Tally>(())
            .and_then(|agents| agents.with::<Chat>(ChatEnv::from(&env)))
            .and_then(|agents| agents.with::<Tasks>(tasks))
            .and_then(|agents| agents.with::<TenantDesk>(limits))
            .and_then(|agents| agents.with::<Pacer>(limits))
            .and_then(|agents| agents.with::<Devices>(SessionEnv(Arc::new(sessions.clone()))));
        let builder = builder
            .actor::<AgentActor>(agents.unwrap())
            .actor::<Limiter>(LimiterEnv::default())
            .actor::<Run>(env.clone())
            .actor::<Tenant>(env.clone())
            .actor::<EventLog>(env.clone())
            .actor::<VectorIndex>(env);
        let bench = Self {
            scene: Scene::of(builder).await,
            sessions,
        };
        bench.sessions.attach(bench.scene.test.cluster());
        for tenant in [acme(), evil()] {
            let found = FoundTenant {
                name: tenant.as_str().to_owned(),
                plan: Plan::Free,
                admin: member("ann"),
            };
            bench.membership(&tenant, found).await.unwrap();
        }
        bench
    }

    pub(in crate::agents) async fn membership<M: Message>(&self, tenant: &TenantId, message: M) -> Result<M::Reply>
    where
        Membership: Handler<M>,
    {
        let id = Membership::address(tenant);
        self.scene.actor::<Membership>(id).ask(message).await
    }

    pub(in crate::agents) async fn wait(&self, millis: u64) {
        self.scene.test.advance(Duration::from_millis(millis)).await;
    }

    pub(in crate::agents) async fn crash(&mut self) {
        self.scene.test.crash_and_restart().await;
        self.sessions.attach(self.scene.test.cluster());
    }

    /// The agent `main` of a kind.
    pub(in crate::agents) fn agent(tenant: &TenantId, kind: &str, who: &str) -> ActorId {
        let is_shared = [TenantDesk::NAME, Pacer::NAME].contains(&kind);
        let owner = (!is_shared).then(|| user(who));
        AgentAddress::new(kind, owner, "main").unwrap().actor(tenant)
    }

    pub(in crate::agents) async fn call(
        &self,
        kind: &str,
        who: &AgentCaller,
        method: &str,
        args: Value,
    ) -> Result<Value> {
        self.call_in(&acme(), kind, who, method, args).await
    }

    pub(in crate::agents) async fn call_in(
        &self,
        tenant: &TenantId,
        kind: &str,
        who: &AgentCaller,
        method: &str,
        args: Value,
    ) -> Result<Value> {
        let call = CallAgent {
            caller: Some(who.clone()),
            method: method.to_owned(),
            args: args.to_string(),
        };
        let id = Self::agent(tenant, kind, &who.user);
        let answer = self.scene.actor::<AgentActor>(id).ask(call).await?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    /// Calls on behalf of nobody.
    pub(in crate::agents) async fn call_as_nobody(&self, kind: &str, method: &str, args: Value) -> Result<String> {
        let call = CallAgent {
            caller: None,
            method: method.to_owned(),
            args: args.to_string(),
        };
        let id = Self::agent(&acme(), kind, "ann");
        self.scene.actor::<AgentActor>(id).ask(call).await
    }

    pub(in crate::agents) async fn client(&self, kind: &str, who: &AgentCaller) -> Result<Client> {
        self.client_in(&acme(), kind, who).await
    }

    pub(in crate::agents) async fn client_in(
        &self,
        tenant: &TenantId,
        kind: &str,
        who: &AgentCaller,
    ) -> Result<Client> {
        let opening = who.opening(&format!("/agents/{kind}/main"));
        let id = Self::agent(tenant, kind, &who.user);
        let (sender, receiver) = self
            .scene
            .test
            .cluster()
            .connect(id, opening, Arc::new(|| None))
            .await?;
        Ok(Client { sender, receiver })
    }

    /// Somebody who is signed in by this session.
    pub(in crate::agents) async fn signed_in(&self, who: &str, session: u128) -> AgentCaller {
        self.scene.sign_in(who, session).await;
        person(who, Role::Operator).by_session(Uuid::from_u128(session))
    }
}

/// A client, and what it hears.
pub(in crate::agents) struct Client {
    sender: SocketSender,
    receiver: SocketReceiver,
}

impl Client {
    /// What comes next; what is not there after a while never comes.
    async fn next(&mut self) -> Option<Outgoing> {
        let next = tokio::time::timeout(Duration::from_mins(10), self.receiver.next()).await;
        next.expect("something comes")
    }

    async fn hear(&mut self) -> Value {
        match self.next().await {
            Some(Outgoing::Frame(Frame::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("no text, but {other:?}"),
        }
    }

    /// Hears states up to one that is meant.
    pub(in crate::agents) async fn state(&mut self, is_meant: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.hear().await;
            if frame["type"] == "cf_agent_state" && is_meant(&frame["state"]) {
                return frame["state"].clone();
            }
        }
    }

    /// Says what the state is to be, and hears that it is not.
    pub(in crate::agents) async fn cannot_set(&mut self, state: Value) {
        let set = json!({ "type": "cf_agent_state", "state": state });
        self.sender.send(Frame::Text(set.to_string())).await;
        loop {
            let frame = self.hear().await;
            if frame["type"] == "cf_agent_state_error" {
                assert_eq!(frame["error"], "State update rejected");
                return;
            }
        }
    }

    /// Hears everything up to the end of the connection, and the code of that.
    pub(in crate::agents) async fn end(&mut self) -> u16 {
        loop {
            match self.next().await {
                Some(Outgoing::Close(closing)) => return closing.code,
                Some(Outgoing::Frame(_)) => {}
                None => panic!("it ended without a word"),
            }
        }
    }
}
