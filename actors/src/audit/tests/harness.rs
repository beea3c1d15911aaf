//! A cluster with audit chains, and an intruder who writes into their storage.

use std::sync::Arc;

use cluster::{prelude::*, testing::TestCluster};
use serde::{Deserialize, Serialize};

use crate::{
    audit::{
        Append, AuditEnv, AuditLog, AuditRecord, ChainHash, ChainHead, Checkpoint, GetHead, ListRecords, NAME, PAGE,
        Verdict, verify,
    },
    ports::fake::FakeSigner,
};

pub(super) struct Bench {
    pub(super) cluster: TestCluster,
    env: AuditEnv,
}

impl Bench {
    pub(super) async fn start(seed: u64) -> Self {
        Self::with(seed, FakeSigner::new("key")).await
    }

    pub(super) async fn with(seed: u64, signer: FakeSigner) -> Self {
        let env = AuditEnv {
            signer: Arc::new(signer),
            retention_days: None,
        };
        let cluster = TestCluster::builder(seed).actor::<AuditLog>(env.clone()).start().await;
        Self { cluster, env }
    }

    pub(super) fn audit(&self, tenant: &str) -> ActorRef<AuditLog> {
        let tenant = TenantId::new(tenant).unwrap();
        self.cluster
            .cluster()
            .get(ActorId::from_name::<AuditLog>(&tenant, NAME))
    }

    pub(super) async fn append(&self, tenant: &str, event_type: &str) -> AuditRecord {
        self.audit(tenant).ask(event(event_type, 0)).await.unwrap()
    }

    /// A chain with so many records.
    pub(super) async fn fill(&self, tenant: &str, records: u64) {
        let audit = self.audit(tenant);
        for number in 1..=records {
            audit.ask(event("something_done", number)).await.unwrap();
        }
    }

    pub(super) async fn all(&self, tenant: &str) -> Vec<AuditRecord> {
        let (audit, mut records, mut cursor) = (self.audit(tenant), Vec::new(), None);
        loop {
            let list = ListRecords {
                cursor,
                limit: PAGE,
                ..ListRecords::default()
            };
            let page = audit.ask(list).await.unwrap();
            records.extend(page.records);
            cursor = page.next;
            if cursor.is_none() {
                return records;
            }
        }
    }

    pub(super) async fn head(&self, tenant: &str) -> ChainHead {
        self.audit(tenant).ask(GetHead).await.unwrap()
    }

    pub(super) async fn verdict(&self, tenant: &str) -> Verdict {
        verify(&self.audit(tenant)).await.unwrap()
    }

    /// The number that the check names.
    pub(super) async fn first_bad(&self, tenant: &str) -> Option<u64> {
        self.verdict(tenant).await.fault.map(|fault| fault.first_bad_seq)
    }

    pub(super) async fn restart_with(&mut self, signer: FakeSigner) {
        self.env.signer = Arc::new(signer);
        let program = TestCluster::builder(0).actor::<AuditLog>(self.env.clone());
        self.cluster.crash_and_restart_as(program).await.unwrap();
    }

    /// Stops the server, changes what is stored for a tenant, and starts the server again.
    pub(super) async fn tamper(&mut self, tenant: &str, changes: Vec<Change>) {
        let intruder = TestCluster::builder(0).actor::<Intruder>(());
        self.cluster.crash_and_restart_as(intruder).await.unwrap();
        let id = ActorId::from_name::<Intruder>(&TenantId::new(tenant).unwrap(), NAME);
        self.cluster
            .cluster()
            .get::<Intruder>(id)
            .ask(Tamper(changes))
            .await
            .unwrap();
        let program = TestCluster::builder(0).actor::<AuditLog>(self.env.clone());
        self.cluster.crash_and_restart_as(program).await.unwrap();
    }
}

pub(super) fn event(event_type: &str, number: u64) -> Append {
    Append {
        event_type: event_type.to_owned(),
        payload: format!(r#"{{"actor":"u-1","request_id":null,"number":{number}}}"#),
    }
}

/// Has the class of the chain, and so its storage.
struct Intruder;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Change {
    /// A record under a number.
    Record(u64, AuditRecord),
    /// Something else under a number.
    Garbage(u64),
    Drop(u64),
    Head(u64, ChainHash, i64),
    Checkpoint(u64, Checkpoint),
    DropCheckpoint(u64),
}

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "intruder.tamper")]
struct Tamper(Vec<Change>);

impl VirtualActor for Intruder {
    const CLASS: &'static str = AuditLog::CLASS;
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Tamper>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }

    async fn alarm(&mut self, _: Alarm, _: &mut Ctx<Self>) -> Result<()> {
        Ok(())
    }
}

impl Handler<Tamper> for Intruder {
    async fn handle(&mut self, Tamper(changes): Tamper, ctx: &mut Ctx<Self>) -> Result<()> {
        fn under<T>(family: &str, seq: u64) -> Key<T> {
            Key::named(format!("{family}/{seq:020}"))
        }
        let storage = ctx.storage();
        for change in changes {
            match change {
                Change::Record(seq, record) => storage.put(&under("records", seq), &record)?,
                Change::Garbage(seq) => storage.put(&under("records", seq), &255_u8)?,
                Change::Drop(seq) => storage.delete(&under::<AuditRecord>("records", seq))?,
                Change::Head(seq, hash, created_at) => storage.put(&Key::new("head"), &(seq, hash, created_at))?,
                Change::Checkpoint(seq, checkpoint) => storage.put(&under("checkpoints", seq), &checkpoint)?,
                Change::DropCheckpoint(seq) => storage.delete(&under::<Checkpoint>("checkpoints", seq))?,
            }
        }
        Ok(())
    }
}
