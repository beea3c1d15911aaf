//! Actors that the tests share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cluster::{
    prelude::*,
    testing::{Faults, TestCluster},
};
use serde::{Deserialize, Serialize};

pub(crate) fn tenant() -> TenantId {
    TenantId::new("acme").unwrap()
}

/// Counts activations of the class.
#[derive(Clone, Default)]
pub(crate) struct Activations(Arc<AtomicUsize>);

impl Activations {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn another(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

const TOTAL: Key<u64> = Key::new("total");
const FIRST: Key<u64> = Key::new("first");
const SECOND: Key<u64> = Key::new("second");

/// Adds up numbers, in storage and in memory, and misbehaves when told to.
pub(crate) struct Account {
    total: u64,
    seen: Vec<u64>,
}

/// Adds and answers the new total.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "account.add", reply = u64)]
pub(crate) struct Add(pub(crate) u64);

/// Adds after some time.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "account.add-slowly", reply = u64)]
pub(crate) struct AddSlowly(pub(crate) u64, pub(crate) Duration);

/// Answers the total in storage.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "account.total", reply = u64)]
pub(crate) struct Total;

/// Answers what was added since the activation, in order.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "account.seen", reply = Vec<u64>)]
pub(crate) struct Seen;

/// Adds, and then returns an error.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "account.add-and-fail")]
pub(crate) struct AddAndFail(pub(crate) u64);

/// Adds, and then panics.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "account.add-and-panic")]
pub(crate) struct AddAndPanic(pub(crate) u64);

/// Writes two values that must never differ.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "account.write-pair")]
pub(crate) struct WritePair(pub(crate) u64);

/// Reads the two values.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "account.read-pair", reply = (Option<u64>, Option<u64>))]
pub(crate) struct ReadPair;

impl VirtualActor for Account {
    const CLASS: &'static str = "account";
    type Env = Activations;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Add>()
            .on::<AddSlowly>()
            .on::<Total>()
            .on::<Seen>()
            .on::<AddAndFail>()
            .on::<AddAndPanic>()
            .on::<WritePair>()
            .on::<ReadPair>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        ctx.env().another();
        Ok(Self {
            total: ctx.storage().get(&TOTAL).await?.unwrap_or_default(),
            seen: Vec::new(),
        })
    }
}

impl Account {
    fn add(&mut self, amount: u64, ctx: &mut Ctx<Self>) -> Result<u64> {
        self.total += amount;
        self.seen.push(amount);
        ctx.storage().put(&TOTAL, &self.total)?;
        Ok(self.total)
    }
}

impl Handler<Add> for Account {
    async fn handle(&mut self, Add(amount): Add, ctx: &mut Ctx<Self>) -> Result<u64> {
        self.add(amount, ctx)
    }
}

impl Handler<AddSlowly> for Account {
    async fn handle(&mut self, AddSlowly(amount, pause): AddSlowly, ctx: &mut Ctx<Self>) -> Result<u64> {
        let before = self.total;
        tokio::time::sleep(pause).await;
        assert_eq!(before, self.total, "another handler ran across an await");
        self.add(amount, ctx)
    }
}

impl Handler<Total> for Account {
    async fn handle(&mut self, _: Total, ctx: &mut Ctx<Self>) -> Result<u64> {
        Ok(ctx.storage().get(&TOTAL).await?.unwrap_or_default())
    }
}

impl Handler<Seen> for Account {
    async fn handle(&mut self, _: Seen, _: &mut Ctx<Self>) -> Result<Vec<u64>> {
        Ok(self.seen.clone())
    }
}

impl Handler<AddAndFail> for Account {
    async fn handle(&mut self, AddAndFail(amount): AddAndFail, ctx: &mut Ctx<Self>) -> Result<()> {
        self.add(amount, ctx)?;
        Err(ActorError::conflict("account.refused", "told to fail"))
    }
}

impl Handler<AddAndPanic> for Account {
    async fn handle(&mut self, AddAndPanic(amount): AddAndPanic, ctx: &mut Ctx<Self>) -> Result<()> {
        self.add(amount, ctx)?;
        panic!("told to panic")
    }
}

impl Handler<WritePair> for Account {
    async fn handle(&mut self, WritePair(value): WritePair, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&FIRST, &value)?;
        tokio::task::yield_now().await;
        ctx.storage().put(&SECOND, &value)
    }
}

impl Handler<ReadPair> for Account {
    async fn handle(&mut self, _: ReadPair, ctx: &mut Ctx<Self>) -> Result<(Option<u64>, Option<u64>)> {
        let storage = ctx.storage();
        Ok((storage.get(&FIRST).await?, storage.get(&SECOND).await?))
    }
}

/// A cluster with accounts, on the simulation.
pub(crate) async fn accounts(seed: u64, faults: Faults) -> (TestCluster, Activations) {
    let activations = Activations::default();
    let test = TestCluster::builder(seed)
        .actor::<Account>(activations.clone())
        .simulated(faults)
        .start()
        .await;
    (test, activations)
}

/// A cluster with accounts, on the engine.
pub(crate) async fn engine_accounts(seed: u64) -> (TestCluster, Activations) {
    let activations = Activations::default();
    let test = TestCluster::builder(seed)
        .actor::<Account>(activations.clone())
        .start()
        .await;
    (test, activations)
}

pub(crate) fn account(test: &TestCluster, name: &str) -> ActorRef<Account> {
    test.cluster().get(ActorId::from_name::<Account>(&tenant(), name))
}

pub(crate) fn slow(millis: u64) -> Faults {
    Faults {
        commit_delay: Duration::from_millis(millis),
        ..Faults::default()
    }
}
