//! For tests: a cluster with people, tenants and keys.

use std::time::Duration;

use cluster::{
    prelude::{ActorId, ActorRef, Handler, Message, Result, TenantId, Timestamp, Uuid, VirtualActor},
    testing::{TestCluster, TestClusterBuilder},
};
use tokio::time::Instant;

use crate::{
    account::{Account, Person, Proof, Register, SignedIn},
    api_key::ApiKey,
    audit::{self, AuditEnv, AuditLog, ListRecords},
    email::Email,
    mcp_session::McpSession,
    membership::{FoundTenant, Membership, NewMember, TenantProfile},
    role::Plan,
    secret::{Hashed, PasswordHash},
    session::Session,
    user::UserId,
};

/// Where the clock of a test begins.
const BEGIN: Timestamp = Timestamp::from_millis(1_790_000_000_000);

pub(crate) const DAY: Duration = Duration::from_hours(24);

pub(crate) struct Scene {
    pub(crate) test: TestCluster,
    began: Instant,
}

impl Scene {
    pub(crate) fn builder(seed: u64) -> TestClusterBuilder {
        TestCluster::builder(seed)
            .actor::<Account>(())
            .actor::<Session>(())
            .actor::<Membership>(())
            .actor::<ApiKey>(())
            .actor::<McpSession>(())
            .actor::<AuditLog>(AuditEnv::fake())
    }

    pub(crate) async fn start(seed: u64) -> Self {
        Self::of(Self::builder(seed)).await
    }

    /// With other actors too.
    pub(crate) async fn of(builder: TestClusterBuilder) -> Self {
        let began = Instant::now();
        let test = builder.start().await;
        Self { test, began }
    }

    pub(crate) fn now(&self) -> Timestamp {
        BEGIN.plus(self.began.elapsed())
    }

    pub(crate) fn actor<A: VirtualActor>(&self, id: ActorId) -> ActorRef<A> {
        self.test.cluster().get(id)
    }

    pub(crate) async fn account<M: Message>(&self, who: &str, message: M) -> Result<M::Reply>
    where
        Account: Handler<M>,
    {
        self.actor::<Account>(Account::address(&email(who))).ask(message).await
    }

    pub(crate) async fn session<M: Message>(&self, session: u128, message: M) -> Result<M::Reply>
    where
        Session: Handler<M>,
    {
        let id = Session::address(Uuid::from_u128(session));
        self.actor::<Session>(id).ask(message).await
    }

    pub(crate) async fn tenant<M: Message>(&self, message: M) -> Result<M::Reply>
    where
        Membership: Handler<M>,
    {
        self.actor::<Membership>(Membership::address(&acme()))
            .ask(message)
            .await
    }

    pub(crate) async fn key<M: Message>(&self, key: u128, message: M) -> Result<M::Reply>
    where
        ApiKey: Handler<M>,
    {
        let id = ApiKey::address(&acme(), Uuid::from_u128(key));
        self.actor::<ApiKey>(id).ask(message).await
    }

    /// Somebody whose address is proven, with the password `old`.
    pub(crate) async fn person(&self, who: &str) -> Person {
        let register = Register {
            email: email(who),
            name: who.to_owned(),
            password: password("old"),
            proof: Proof::Given,
            founds: None,
        };
        self.account(who, register).await.unwrap();
        self.account(who, crate::account::GetAccount).await.unwrap()
    }

    /// The person signs in, until the day after tomorrow.
    pub(crate) async fn sign_in(&self, who: &str, session: u128) {
        let signed_in = SignedIn {
            session: Uuid::from_u128(session),
            tenant: None,
            device: "a device".into(),
            expires: self.now().plus(2 * DAY),
        };
        self.account(who, signed_in).await.unwrap();
        self.settle().await;
    }

    /// A tenant whose admin is `ann`.
    pub(crate) async fn acme(&self, plan: Plan) -> TenantProfile {
        let found = FoundTenant {
            name: "Acme".into(),
            plan,
            admin: member("ann"),
        };
        self.tenant(found).await.unwrap()
    }

    /// What the audit chain of a tenant tells: types of events, and payloads.
    pub(crate) async fn audited(&self, tenant: &TenantId) -> Vec<(String, String)> {
        self.settle().await;
        let list = ListRecords {
            limit: 200,
            ..ListRecords::default()
        };
        let chain = ActorId::from_name::<AuditLog>(tenant, audit::NAME);
        let page = self.actor::<AuditLog>(chain).ask(list).await.unwrap();
        let records = page.records.into_iter();
        records.map(|record| (record.event_type, record.payload)).collect()
    }

    /// Lets what was sent arrive.
    pub(crate) async fn settle(&self) {
        self.test.advance(Duration::from_secs(1)).await;
    }

    /// How many values an actor has stored.
    pub(crate) async fn stored(&self, id: &ActorId) -> u64 {
        self.test.cluster().inspect(id).await.unwrap().state.rows
    }

    /// Batches that are durable so far.
    pub(crate) fn commits(&self) -> u64 {
        self.test.commits()
    }
}

pub(crate) fn acme() -> TenantId {
    TenantId::new("acme").unwrap()
}

pub(crate) fn email(who: &str) -> Email {
    Email::new(&format!("{who}@example.org")).unwrap()
}

pub(crate) fn user(who: &str) -> UserId {
    UserId::new(who).unwrap()
}

pub(crate) fn member(who: &str) -> NewMember {
    NewMember {
        user: user(who),
        email: email(who),
        name: who.to_owned(),
    }
}

pub(crate) fn password(text: &str) -> PasswordHash {
    PasswordHash::new(&format!("$plain${text}")).unwrap()
}

pub(crate) fn hashed(text: &str) -> Hashed {
    Hashed::of(text.as_bytes())
}

/// The code of a failure.
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().code().to_owned()
}
