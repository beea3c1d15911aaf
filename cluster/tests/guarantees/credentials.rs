//! What calls show to be let in: where it is asked for, where it goes along, and where it does not.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use cluster::{
    Credential, DeadLetterQuery, Gatekeeper, IdempotencyKey,
    prelude::*,
    testing::{TestCluster, TestNodes, TestNodesBuilder, Weather},
};
use serde::{Deserialize, Serialize};

use crate::fixture::{Activations, tenant};

/// What a gatekeeper lets in.
#[derive(Debug)]
enum Rule {
    /// What is of the tenant: `of acme`, or `vouched acme`.
    Own,
    /// Everything.
    Everything,
    /// Every credential once.
    Once(Mutex<BTreeSet<String>>),
    /// Nothing yet, so many times; then everything.
    Later(AtomicU32),
}

/// A gatekeeper that remembers what it was shown.
#[derive(Debug)]
struct Door {
    rule: Rule,
    /// What it says of a tenant.
    voucher: &'static str,
    shown: Mutex<Vec<Option<String>>>,
}

impl Door {
    fn of(rule: Rule) -> Arc<Self> {
        Arc::new(Self {
            rule,
            voucher: "vouched",
            shown: Mutex::default(),
        })
    }

    fn strict() -> Arc<Self> {
        Self::of(Rule::Own)
    }

    /// What it was shown since it was last asked for this.
    fn shown(&self) -> Vec<Option<String>> {
        std::mem::take(&mut self.shown.lock().unwrap())
    }
}

impl Gatekeeper for Door {
    fn admit(&self, to: &ActorId, credential: Option<&Credential>) -> Result<()> {
        let shown = credential.map(|credential| credential.as_str().to_owned());
        self.shown.lock().unwrap().push(shown.clone());
        if let Rule::Later(times) = &self.rule
            && times.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
        {
            return Err(ActorError::retryable("door.early", "nobody is known yet"));
        }
        let is_lawful = match (&self.rule, shown) {
            (Rule::Everything | Rule::Later(_), _) => true,
            (Rule::Own | Rule::Once(_), None) => false,
            (Rule::Own, Some(shown)) => ["of", "vouched"]
                .map(|word| format!("{word} {}", to.tenant()))
                .contains(&shown),
            (Rule::Once(seen), Some(shown)) => seen.lock().unwrap().insert(shown),
        };
        if is_lawful {
            Ok(())
        } else {
            Err(ActorError::forbidden("door.closed", "nobody gets in with that"))
        }
    }

    fn vouch(&self, tenant: &TenantId) -> Credential {
        credential(&format!("{} {tenant}", self.voucher))
    }
}

/// Says what its turns were let in with.
struct Porter {
    other: String,
    heard: Vec<Heard>,
}

/// What a turn was, what it was let in with, and what the one was let in with that it asked, or why not.
type Heard = (String, Option<String>, Option<Result<Option<String>, String>>);

/// Answers the credential of this turn.
#[derive(Serialize, Deserialize, Message)]
#[message(name = "porter.show", reply = Option<String>)]
struct Show;

/// Answers the credential of this turn, what goes along with its calls, and that of another one that it asks.
#[derive(Serialize, Deserialize, Message)]
#[message(name = "porter.ask", reply = [Option<String>; 3])]
struct Ask(String);

/// Has its actor act on its own account: by a durable send, work beside the mailbox, and an alarm.
#[derive(Serialize, Deserialize, Message)]
#[message(name = "porter.leave")]
struct Leave(String);

/// Sends durably.
#[derive(Serialize, Deserialize, Message)]
#[message(name = "porter.send")]
struct Send(String);

#[derive(Serialize, Deserialize, Message)]
#[message(name = "porter.sent")]
struct Sent;

#[derive(Serialize, Deserialize, Message)]
#[message(name = "porter.worked")]
struct Worked(Heard);

/// Answers what was heard.
#[derive(Serialize, Deserialize, Message)]
#[message(name = "porter.tell", reply = Vec<Heard>)]
struct Tell;

fn credential(text: &str) -> Credential {
    Credential::new(text).unwrap()
}

fn text(credential: Option<&Credential>) -> Option<String> {
    credential.map(|credential| credential.as_str().to_owned())
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

impl VirtualActor for Porter {
    const CLASS: &'static str = "porter";
    type Env = Activations;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Show>()
            .on::<Ask>()
            .on::<Leave>()
            .on::<Send>()
            .on::<Sent>()
            .on::<Worked>()
            .on::<Tell>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        ctx.env().another();
        assert!(ctx.credential().is_none() && Credential::current().is_none());
        Ok(Self {
            other: String::new(),
            heard: Vec::new(),
        })
    }

    async fn alarm(&mut self, _: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        assert!(Credential::current().is_none());
        let other = ctx.get::<Self>(&self.other);
        let answer = ctx.ask(&other, Show).await.map_err(|error| error.code().to_owned());
        let own = text(ctx.credential());
        self.heard.push(("alarm".to_owned(), own, Some(answer)));
        Ok(())
    }
}

impl Handler<Show> for Porter {
    async fn handle(&mut self, _: Show, ctx: &mut Ctx<Self>) -> Result<Option<String>> {
        Ok(text(ctx.credential()))
    }
}

impl Handler<Ask> for Porter {
    async fn handle(&mut self, Ask(other): Ask, ctx: &mut Ctx<Self>) -> Result<[Option<String>; 3]> {
        let other = ctx.get::<Self>(&other);
        let answer = ctx.ask(&other, Show).await?;
        Ok([text(ctx.credential()), text(Credential::current().as_ref()), answer])
    }
}

impl Handler<Leave> for Porter {
    async fn handle(&mut self, Leave(other): Leave, ctx: &mut Ctx<Self>) -> Result<()> {
        let to = ctx.get::<Self>(&other);
        ctx.send(&to, Sent)?;
        ctx.set_alarm(ctx.now().plus(Duration::from_secs(5)));
        ctx.pipe_to_self(async move {
            let own = text(Credential::current().as_ref());
            let answer = to.ask(Show).await.map_err(|error| error.code().to_owned());
            Worked(("work".to_owned(), own, Some(answer)))
        });
        self.other = other;
        Ok(())
    }
}

impl Handler<Send> for Porter {
    async fn handle(&mut self, Send(other): Send, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.send(&ctx.get::<Self>(&other), Sent)
    }
}

impl Handler<Sent> for Porter {
    async fn handle(&mut self, _: Sent, ctx: &mut Ctx<Self>) -> Result<()> {
        self.heard.push(("send".to_owned(), text(ctx.credential()), None));
        Ok(())
    }
}

impl Handler<Worked> for Porter {
    async fn handle(&mut self, Worked(heard): Worked, ctx: &mut Ctx<Self>) -> Result<()> {
        self.heard.push(heard);
        self.heard.push(("worked".to_owned(), text(ctx.credential()), None));
        Ok(())
    }
}

impl Handler<Tell> for Porter {
    async fn handle(&mut self, _: Tell, _: &mut Ctx<Self>) -> Result<Vec<Heard>> {
        Ok(self.heard.clone())
    }
}

fn id(name: &str) -> ActorId {
    ActorId::from_name::<Porter>(&tenant(), name)
}

async fn single(seed: u64, door: &Arc<Door>) -> (TestCluster, Activations) {
    let activations = Activations::default();
    let test = TestCluster::builder(seed)
        .actor::<Porter>(activations.clone())
        .gatekeeper(Arc::<Door>::clone(door))
        .start()
        .await;
    (test, activations)
}

/// Three nodes with these gatekeepers.
fn nodes(seed: u64, activations: &Activations, doors: &[&Arc<Door>; 3]) -> TestNodesBuilder {
    let builder = TestNodes::builder(seed).actor::<Porter>(activations.clone());
    let doors = doors.iter().enumerate();
    doors.fold(builder, |builder, (node, door)| {
        builder.gatekeeper(node, Arc::<Door>::clone(door))
    })
}

fn porter(test: &TestNodes, node: usize, name: &str) -> ActorRef<Porter> {
    test.node(node).get(id(name))
}

/// An actor that a node owns.
fn owned_by(test: &TestNodes, node: usize) -> String {
    let mut names = (0..).map(|number| format!("porter-{number}"));
    names
        .find(|name| test.owner(test.shard_of::<Porter>(&id(name))) == node)
        .unwrap()
}

/// What alarm, send and work of an actor come to that asks another one.
fn own_account() -> Vec<Heard> {
    vec![
        ("work".to_owned(), None, Some(Ok(None))),
        ("worked".to_owned(), None, None),
        ("alarm".to_owned(), None, Some(Ok(None))),
    ]
}

fn is_closed<T: std::fmt::Debug>(outcome: Result<T>) -> bool {
    let error = outcome.unwrap_err();
    (error.kind(), error.code()) == (ErrorKind::Forbidden, "door.closed")
}

/// Guarantee 18.
#[tokio::test(start_paused = true)]
async fn a_call_without_a_lawful_credential_is_refused_and_activates_nothing() {
    let door = Door::strict();
    let (test, activations) = single(1, &door).await;
    let (porter, rows) = (test.cluster().get::<Porter>(id("a")), test.rows());
    let key = IdempotencyKey::new("once").unwrap();
    assert!(is_closed(porter.ask(Show).await));
    assert!(is_closed(credential("of others").scope(porter.ask(Show)).await));
    assert!(is_closed(porter.ask_idempotent(&key, Show).await));
    assert_eq!((activations.count(), test.rows()), (0, rows));
    let shown = credential("of acme").scope(porter.ask_idempotent(&key, Show)).await;
    assert_eq!(shown.unwrap(), some("of acme"), "a refusal breaks no reference");
    assert_eq!(door.shown(), [None, some("of others"), None, some("of acme")]);
}

/// Guarantee 18.
#[tokio::test(start_paused = true)]
async fn a_credential_goes_along_with_what_the_handler_asks_and_is_looked_at_once() {
    let door = Door::of(Rule::Everything);
    let (test, _) = single(2, &door).await;
    let porter = test.cluster().get::<Porter>(id("a"));
    let ask = || porter.ask(Ask("b".to_owned()));
    let (first, second) = tokio::join!(credential("1").scope(ask()), credential("2").scope(ask()));
    assert_eq!(first.unwrap(), [some("1"), some("1"), some("1")]);
    assert_eq!(second.unwrap(), [some("2"), some("2"), some("2")]);
    assert_eq!(ask().await.unwrap(), [None, None, None], "a turn keeps no credential");
    assert_eq!(door.shown(), [some("1"), some("2"), None]);
}

/// Guarantee 18.
#[tokio::test(start_paused = true)]
async fn without_a_gatekeeper_everything_is_let_in_and_credentials_are_carried() {
    let test = TestNodes::builder(3)
        .actor::<Porter>(Activations::default())
        .start()
        .await;
    let (near, far) = (owned_by(&test, 0), owned_by(&test, 1));
    let porter = porter(&test, 2, &near);
    assert_eq!(porter.ask(Ask(far.clone())).await.unwrap(), [None, None, None]);
    let shown = credential("1").scope(porter.ask(Ask(far))).await.unwrap();
    assert_eq!(shown, [some("1"), some("1"), some("1")]);
}

/// Guarantee 18.
#[tokio::test(start_paused = true)]
async fn alarms_durable_sends_and_piped_work_are_on_the_account_of_the_actor() {
    let door = Door::strict();
    let (test, _) = single(4, &door).await;
    let [a, b] = ["a", "b"].map(|name| test.cluster().get::<Porter>(id(name)));
    let of = || credential("of acme");
    of().scope(a.ask(Leave("b".to_owned()))).await.unwrap();
    test.advance(Duration::from_secs(10)).await;
    assert_eq!(door.shown(), [some("of acme")], "what is inside is not asked about");
    assert_eq!(of().scope(a.ask(Tell)).await.unwrap(), own_account());
    let sent = ("send".to_owned(), None, None);
    assert_eq!(of().scope(b.ask(Tell)).await.unwrap(), [sent]);
}

/// Guarantee 18.
#[tokio::test(start_paused = true)]
async fn a_call_is_admitted_where_it_arrives_whoever_let_it_enter() {
    let (lenient, strict, activations) = (Door::of(Rule::Everything), Door::strict(), Activations::default());
    let test = nodes(5, &activations, &[&lenient, &strict, &strict]).start().await;
    let (near, far) = (owned_by(&test, 0), owned_by(&test, 1));

    let reference = porter(&test, 0, &far);
    assert!(is_closed(reference.ask(Show).await));
    assert!(is_closed(credential("of others").scope(reference.ask(Show)).await));
    assert_eq!(activations.count(), 0);
    let begun = tokio::time::Instant::now();
    let (first, second, third) = tokio::join!(
        credential("of acme").scope(reference.ask(Show)),
        reference.ask(Show),
        credential("of acme").scope(reference.ask(Ask(near.clone()))),
    );
    assert_eq!(first.unwrap(), some("of acme"));
    assert!(is_closed(second));
    assert_eq!(third.unwrap(), [some("of acme"), some("of acme"), some("of acme")]);
    assert!(
        begun.elapsed() < Duration::from_millis(500),
        "nothing waits for a call that was refused"
    );

    assert_eq!(porter(&test, 0, &near).ask(Show).await.unwrap(), None);
    let asked = porter(&test, 0, &near).ask(Ask(far.clone())).await;
    assert!(is_closed(asked), "nobody vouches for a caller that is not known");
    assert_eq!(lenient.shown().len(), 8);
    assert_eq!(strict.shown().len(), 6);
}

/// Guarantee 18.
#[tokio::test(start_paused = true)]
async fn a_call_that_cannot_be_judged_yet_where_it_arrives_is_sent_again() {
    let (lenient, activations) = (Door::of(Rule::Everything), Activations::default());
    let later = Door::of(Rule::Later(AtomicU32::new(3)));
    let test = nodes(8, &activations, &[&lenient, &later, &lenient]).start().await;
    let far = owned_by(&test, 1);
    let shown = credential("of acme").scope(porter(&test, 0, &far).ask(Show)).await;
    assert_eq!(shown.unwrap(), some("of acme"));
    assert_eq!(later.shown().len(), 4);
    assert_eq!(activations.count(), 1, "it was handled once");
}

/// Guarantee 18.
#[tokio::test(start_paused = true)]
async fn what_an_actor_does_on_its_own_account_is_vouched_for_on_another_node() {
    let (here, there, activations) = (Door::strict(), Door::strict(), Activations::default());
    let test = nodes(6, &activations, &[&here, &there, &there]).start().await;
    let (near, far) = (owned_by(&test, 0), owned_by(&test, 1));
    let of = || credential("of acme");
    of().scope(porter(&test, 0, &near).ask(Leave(far.clone())))
        .await
        .unwrap();
    test.advance(Duration::from_secs(10)).await;
    let vouched = || some("vouched acme");
    assert_eq!(there.shown(), [vouched(), vouched(), vouched()]);
    assert_eq!(here.shown(), [some("of acme")]);
    // What arrives so is told nothing else than on the same node.
    assert_eq!(
        of().scope(porter(&test, 0, &near).ask(Tell)).await.unwrap(),
        own_account()
    );
    let sent = ("send".to_owned(), None, None);
    assert_eq!(of().scope(porter(&test, 1, &far).ask(Tell)).await.unwrap(), [sent]);
}

/// Guarantees 9 and 18.
#[tokio::test(start_paused = true)]
async fn a_durable_send_that_is_refused_where_it_arrives_becomes_a_dead_letter() {
    let stranger = Arc::new(Door {
        rule: Rule::Own,
        voucher: "said by",
        shown: Mutex::default(),
    });
    let (strict, activations) = (Door::strict(), Activations::default());
    let test = nodes(7, &activations, &[&stranger, &strict, &strict]).start().await;
    let (near, far) = (owned_by(&test, 0), owned_by(&test, 1));
    let sender = porter(&test, 0, &near);
    credential("of acme").scope(sender.ask(Send(far))).await.unwrap();
    test.advance(Duration::from_secs(300)).await;
    assert_eq!(activations.count(), 1, "only the sender was activated");
    assert_eq!(strict.shown(), vec![some("said by acme"); 10]);
    let letters = test
        .node(2)
        .dead_letters()
        .list(DeadLetterQuery::default())
        .await
        .unwrap();
    let reasons: Vec<_> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(reasons, ["nobody gets in with that (door.closed)"]);
}

/// Guarantees 13 and 18.
#[tokio::test(start_paused = true)]
async fn a_copy_of_a_call_that_was_let_in_is_not_refused() {
    let weather = Weather {
        delay: Duration::from_micros(50)..=Duration::from_millis(5),
        loss: 0.0,
        repeat: 0.7,
    };
    for seed in 0..20 {
        let (lenient, once) = (Door::of(Rule::Everything), Door::of(Rule::Once(Mutex::default())));
        let test = nodes(seed, &Activations::default(), &[&lenient, &once, &lenient]);
        let test = test.weather(weather.clone()).start().await;
        let far = owned_by(&test, 1);
        for round in 0..50 {
            let round = round.to_string();
            let shown = credential(&round).scope(porter(&test, 0, &far).ask(Show)).await;
            assert_eq!(shown.unwrap(), Some(round), "seed {seed}");
        }
        assert!(once.shown().len() > 50, "seed {seed}: nothing arrived twice");
    }
}

/// Guarantee 18.
#[tokio::test(start_paused = true)]
async fn nothing_is_asked_for_that_an_older_node_cannot_say() {
    let (lenient, strict) = (Door::of(Rule::Everything), Door::strict());
    let test = nodes(8, &Activations::default(), &[&lenient, &strict, &strict]);
    let test = test.start().await;
    let far = owned_by(&test, 1);
    for node in 0..3 {
        test.go_over(node, 1);
    }
    let shown = credential("of acme").scope(porter(&test, 0, &far).ask(Show)).await;
    assert_eq!(shown.unwrap(), None, "it does not go along");
    assert_eq!(strict.shown(), []);

    // The owner has heard sooner that the last older node is gone: a call waits until its node has heard it as well.
    test.go_over(1, 2);
    let waiting = porter(&test, 0, &far);
    let begun = tokio::time::Instant::now();
    let (shown, ()) = tokio::join!(credential("of acme").scope(waiting.ask(Show)), async {
        test.advance(Duration::from_secs(2)).await;
        test.go_over(0, 2);
    });
    assert_eq!(shown.unwrap(), some("of acme"));
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(is_closed(porter(&test, 0, &far).ask(Show).await));
}
