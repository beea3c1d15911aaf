//! Identity, laziness, activation.

use cluster::{prelude::*, testing::TestCluster};
use serde::{Deserialize, Serialize};

use crate::fixture::{Account, Add, Seen, account, engine_accounts, tenant};

/// Guarantee 1.
#[test]
fn ids_are_pure() {
    let id = ActorId::from_name::<Account>(&tenant(), "a");
    assert_eq!(id, ActorId::from_name::<Account>(&tenant(), "a"));
    assert_eq!((id.class(), id.tenant(), id.name()), ("account", &tenant(), "a"));
    let other = TenantId::new("other").unwrap();
    assert_ne!(id, ActorId::from_name::<Account>(&other, "a"));
    assert_ne!(
        ActorId::unique::<Account>(&tenant(), Uuid::from_u128(1)),
        ActorId::unique::<Account>(&tenant(), Uuid::from_u128(2))
    );
}

/// Guarantee 2.
#[tokio::test(start_paused = true)]
async fn a_thousand_references_activate_nothing() {
    let (test, activations) = engine_accounts(1).await;
    let references: Vec<_> = (0..1000).map(|n| account(&test, &n.to_string())).collect();
    test.advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(activations.count(), 0);
    references[7].ask(Seen).await.unwrap();
    assert_eq!(activations.count(), 1);
}

#[derive(Default)]
struct Other;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "other.reach", reply = (String, String))]
struct Reach {
    name: String,
}

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "other.whoami", reply = (String, String))]
struct WhoAmI;

impl VirtualActor for Other {
    const CLASS: &'static str = "other";
    type Env = Option<ActorRef<Account>>;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Reach>().on::<WhoAmI>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<WhoAmI> for Other {
    async fn handle(&mut self, _: WhoAmI, ctx: &mut Ctx<Self>) -> Result<(String, String)> {
        Ok((ctx.tenant().to_string(), ctx.name().to_owned()))
    }
}

impl Handler<Reach> for Other {
    async fn handle(&mut self, reach: Reach, ctx: &mut Ctx<Self>) -> Result<(String, String)> {
        if let Some(account) = ctx.env().clone() {
            ctx.ask(&account, Add(1)).await?;
        }
        let other = ctx.get::<Other>(&reach.name);
        ctx.ask(&other, WhoAmI).await
    }
}

/// Guarantee 1.
#[tokio::test(start_paused = true)]
async fn an_actor_inherits_its_tenant_to_those_it_reaches() {
    let test = TestCluster::builder(2).actor::<Other>(None).start().await;
    let other = test.cluster().get::<Other>(ActorId::from_name::<Other>(&tenant(), "a"));
    let reached = other.ask(Reach { name: "b".into() }).await.unwrap();
    assert_eq!(reached, ("acme".into(), "b".into()));
}

/// Guarantee 1.
#[tokio::test(start_paused = true)]
async fn ids_of_another_class_or_tenant_are_refused() {
    let (accounts, _) = engine_accounts(3).await;
    let foreign = accounts
        .cluster()
        .get::<Account>(ActorId::from_name::<Other>(&tenant(), "a"));
    assert_eq!(foreign.ask(Seen).await.unwrap_err().code(), "actor.class");
    let unregistered = accounts
        .cluster()
        .get::<Other>(ActorId::from_name::<Other>(&tenant(), "a"));
    assert_eq!(unregistered.ask(WhoAmI).await.unwrap_err().code(), "class.unregistered");
    let nameless = account(&accounts, "");
    assert_eq!(nameless.ask(Seen).await.unwrap_err().code(), "actor.name");

    let stranger = TenantId::new("stranger").unwrap();
    let foreign = accounts
        .cluster()
        .get::<Account>(ActorId::from_name::<Account>(&stranger, "a"));
    let test = TestCluster::builder(3).actor::<Other>(Some(foreign)).start().await;
    let other = test.cluster().get::<Other>(ActorId::from_name::<Other>(&tenant(), "a"));
    let refused = other.ask(Reach { name: "b".into() }).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Forbidden, "actor.tenant"));
}

struct Fragile;

#[derive(Clone, Default)]
struct Failures(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl VirtualActor for Fragile {
    const CLASS: &'static str = "fragile";
    type Env = Failures;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<WhoAmI>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        match ctx.env().0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Err(ActorError::not_found("fragile.missing", "not yet")),
            1 => panic!("told to panic"),
            _ => Ok(Self),
        }
    }
}

impl Handler<WhoAmI> for Fragile {
    async fn handle(&mut self, _: WhoAmI, ctx: &mut Ctx<Self>) -> Result<(String, String)> {
        Ok((ctx.tenant().to_string(), ctx.name().to_owned()))
    }
}

/// Guarantee 5.
#[tokio::test(start_paused = true)]
async fn a_failed_activation_is_heard_and_the_next_message_tries_again() {
    let test = TestCluster::builder(4)
        .actor::<Fragile>(Failures::default())
        .start()
        .await;
    let fragile = test
        .cluster()
        .get::<Fragile>(ActorId::from_name::<Fragile>(&tenant(), "a"));
    let code = async || fragile.clone().ask(WhoAmI).await.unwrap_err().code().to_owned();
    assert_eq!(code().await, "fragile.missing");
    assert_eq!(code().await, "panic");
    assert!(fragile.clone().ask(WhoAmI).await.is_ok());
}
