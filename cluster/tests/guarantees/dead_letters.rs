//! Durable sends that were given up: what an operator sees of them and may decide.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cluster::{
    Bounds, DeadLetter, DeadLetterId, DeadLetterQuery, DeadLetters,
    prelude::*,
    testing::{Faults, TestCluster},
};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use crate::fixture::{slow, tenant};

const TAKEN: Keys<u32> = Keys::new("taken/");

/// Takes doses once there is a cure; until then it panics.
struct Patient;

/// Whether there is a cure.
#[derive(Clone, Default)]
struct Cure(Arc<AtomicBool>);

/// Sends a dose to each of the named patients.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "patient.pass-on")]
struct PassOn(u32, Vec<String>);

#[derive(Debug, PartialEq, Serialize, Deserialize, Message)]
#[message(name = "patient.take")]
struct Take(u32);

/// Answers which doses were taken how often.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "patient.taken", reply = Vec<(String, u32)>)]
struct Taken;

impl VirtualActor for Patient {
    const CLASS: &'static str = "patient";
    type Env = Cure;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<PassOn>().on::<Take>().on::<Taken>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<PassOn> for Patient {
    async fn handle(&mut self, PassOn(dose, names): PassOn, ctx: &mut Ctx<Self>) -> Result<()> {
        for name in names {
            ctx.send(&ctx.get::<Self>(&name), Take(dose))?;
        }
        Ok(())
    }
}

impl Handler<Take> for Patient {
    async fn handle(&mut self, Take(dose): Take, ctx: &mut Ctx<Self>) -> Result<()> {
        assert!(ctx.env().0.load(Ordering::SeqCst), "told to panic");
        let key = TAKEN.key(&format!("{dose:04}"));
        let before = ctx.storage().get(&key).await?.unwrap_or_default();
        ctx.storage().put(&key, &(before + 1))
    }
}

impl Handler<Taken> for Patient {
    async fn handle(&mut self, _: Taken, ctx: &mut Ctx<Self>) -> Result<Vec<(String, u32)>> {
        ctx.storage().list(&TAKEN, List::default()).await
    }
}

struct Ward {
    test: TestCluster,
    cure: Cure,
}

impl Ward {
    async fn open(seed: u64, bounds: Bounds, faults: Option<Faults>) -> Self {
        let cure = Cure::default();
        let builder = TestCluster::builder(seed).bounds(bounds).actor::<Patient>(cure.clone());
        let test = match faults {
            Some(faults) => builder.simulated(faults).start().await,
            None => builder.start().await,
        };
        Self { test, cure }
    }

    fn letters(&self) -> DeadLetters {
        self.test.cluster().dead_letters()
    }

    fn patient(&self, tenant: &TenantId, name: &str) -> ActorRef<Patient> {
        self.test.cluster().get(ActorId::from_name::<Patient>(tenant, name))
    }

    async fn pass_on(&self, tenant: &TenantId, dose: u32, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.patient(tenant, "nurse").ask(PassOn(dose, names)).await.unwrap();
    }

    /// Lets every send that is on its way be given up.
    async fn give_up(&self) {
        self.test.advance(Duration::from_secs(120)).await;
    }

    /// Waits until no send is on its way: each that fails begins its attempts anew when a commit of its shard is refused.
    async fn settle(&self, seed: u64) {
        for _ in 0..100 {
            self.give_up().await;
            if self.test.probe().audit().unwrap().sends == 0 {
                return;
            }
        }
        panic!("seed {seed}: a send is neither taken nor given up");
    }

    async fn list(&self, query: DeadLetterQuery) -> Vec<DeadLetter> {
        self.letters().list(query).await.unwrap()
    }

    async fn taken(&self, name: &str) -> Vec<(String, u32)> {
        for _ in 0..100 {
            if let Ok(taken) = self.patient(&tenant(), name).ask(Taken).await {
                return taken;
            }
        }
        panic!("{name} never answers");
    }

    fn cure(&self) {
        self.cure.0.store(true, Ordering::SeqCst);
    }
}

fn once(doses: &[u32]) -> Vec<(String, u32)> {
    doses.iter().map(|dose| (format!("{dose:04}"), 1)).collect()
}

/// Guarantee 9.
#[tokio::test(start_paused = true)]
async fn dead_letters_are_listed_by_tenant_and_receiver_and_read() {
    let mut ward = Ward::open(1, Bounds::default(), None).await;
    let other = TenantId::new("other").unwrap();
    ward.pass_on(&tenant(), 1, &["a", "b"]).await;
    ward.pass_on(&other, 2, &["a"]).await;
    ward.give_up().await;
    ward.test.crash_and_restart().await;

    let all = ward.list(DeadLetterQuery::default()).await;
    assert_eq!(all.len(), 3);
    assert!(all.is_sorted_by_key(|letter| letter.id));
    let of_tenant = ward
        .list(DeadLetterQuery {
            tenant: Some(tenant()),
            ..DeadLetterQuery::default()
        })
        .await;
    assert_eq!(of_tenant.len(), 2);
    let of_actor = ward
        .list(DeadLetterQuery {
            receiver: Some(ActorId::from_name::<Patient>(&tenant(), "b")),
            ..DeadLetterQuery::default()
        })
        .await;
    let [letter] = &of_actor[..] else {
        panic!("{of_actor:?}")
    };
    let receiver = letter.receiver.as_ref().unwrap();
    assert_eq!(
        (receiver.class.as_deref(), &receiver.tenant, receiver.name.as_str()),
        (Some("patient"), &tenant(), "b")
    );
    assert_eq!(letter.message, "patient.take");
    assert!(letter.reason.contains("panic"), "{}", letter.reason);
    assert!(letter.at > Timestamp::default());
    let content = ward.letters().read(letter.id).await.unwrap();
    assert_eq!((content.letter(), content.payload().len()), (letter, letter.bytes));
    assert_eq!(content.message::<Take>().unwrap(), Take(1));
    assert_eq!(content.message::<Taken>().unwrap_err().code(), "message.unknown");

    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = ward
            .list(DeadLetterQuery {
                after,
                limit: 1,
                ..DeadLetterQuery::default()
            })
            .await;
        let Some(letter) = page.into_iter().next() else { break };
        after = Some(letter.id);
        paged.push(letter);
    }
    assert_eq!(paged, all);
    let missing: DeadLetterId = "99-1-1".parse().unwrap();
    assert_eq!(
        ward.letters().read(missing).await.unwrap_err().code(),
        "dead-letter.not-found"
    );
}

/// Guarantees 6 and 9.
#[tokio::test(start_paused = true)]
async fn a_replayed_letter_is_handled_once_however_often_it_is_replayed() {
    let mut ward = Ward::open(2, Bounds::default(), None).await;
    ward.pass_on(&tenant(), 1, &["a"]).await;
    ward.give_up().await;
    let [letter] = &ward.list(DeadLetterQuery::default()).await[..] else {
        panic!()
    };
    ward.letters().replay(letter.id).await.unwrap();
    ward.give_up().await;
    let [again] = &ward.list(DeadLetterQuery::default()).await[..] else {
        panic!()
    };
    assert_ne!(again.id, letter.id, "it failed again, under another name");

    ward.cure();
    let letters = ward.letters();
    let replays = join_all((0..5).map(|_| letters.replay(again.id))).await;
    assert_eq!(replays.iter().filter(|replay| replay.is_ok()).count(), 1);
    for late in replays.into_iter().filter_map(Result::err) {
        assert_eq!(
            (late.kind(), late.code()),
            (ErrorKind::NotFound, "dead-letter.not-found")
        );
    }
    ward.test.advance(Duration::from_secs(1)).await;
    assert_eq!(ward.taken("a").await, once(&[1]));
    ward.test.crash_and_restart().await;
    ward.test.advance(Duration::from_secs(10)).await;
    assert_eq!(ward.taken("a").await, once(&[1]));
    assert!(ward.list(DeadLetterQuery::default()).await.is_empty());
}

/// Guarantees 6 and 9.
#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_double_a_replay() {
    let ward = Ward::open(3, Bounds::default(), Some(slow(50))).await;
    ward.pass_on(&tenant(), 1, &["a"]).await;
    ward.give_up().await;
    let [letter] = &ward.list(DeadLetterQuery::default()).await[..] else {
        panic!()
    };
    ward.cure();
    let gone = ward.letters();
    let left = tokio::time::timeout(Duration::from_millis(1), gone.replay(letter.id)).await;
    assert!(left.is_err(), "the commit takes longer");
    assert_eq!(
        ward.letters().replay(letter.id).await.unwrap_err().code(),
        "dead-letter.not-found"
    );
    ward.test.advance(Duration::from_secs(10)).await;
    assert_eq!(ward.taken("a").await, once(&[1]));
}

/// Guarantees 6 and 9.
#[tokio::test(start_paused = true)]
async fn crashes_and_doubtful_commits_neither_lose_nor_double_a_replay() {
    let mut unknown = 0;
    for seed in 0..200 {
        let faults = Faults {
            unknown: 0.1,
            refused: 0.1,
            ..slow(20)
        };
        let mut ward = Ward::open(seed, Bounds::default(), Some(faults)).await;
        while ward
            .patient(&tenant(), "nurse")
            .ask(PassOn(7, vec!["a".into()]))
            .await
            .is_err()
        {
            // What is doubtful may be there as well; each is a letter of its own.
        }
        ward.settle(seed).await;
        let dead = ward.list(DeadLetterQuery::default()).await;
        assert!(!dead.is_empty(), "seed {seed}");
        ward.cure();
        for letter in &dead {
            let letters = ward.letters();
            let id = letter.id;
            let replaying = tokio::spawn(async move { letters.replay(id).await });
            tokio::time::sleep(Duration::from_millis(seed % 25)).await;
            if seed % 2 == 0 {
                ward.test.crash_and_restart().await;
            }
            let first = replaying.await.unwrap();
            unknown += u32::from(first.is_err_and(|error| error.kind() == ErrorKind::Unknown));
            for _ in 0..100 {
                match ward.letters().replay(id).await {
                    Err(error) if error.code() == "dead-letter.not-found" => break,
                    Ok(()) => {}
                    Err(error) => assert!(matches!(error.kind(), ErrorKind::Unknown | ErrorKind::Retryable)),
                }
            }
        }
        ward.settle(seed).await;
        let taken = ward.taken("a").await;
        assert_eq!(
            taken,
            [("0007".to_owned(), u32::try_from(dead.len()).unwrap())],
            "seed {seed}"
        );
        assert!(ward.list(DeadLetterQuery::default()).await.is_empty(), "seed {seed}");
    }
    assert!(unknown > 10, "{unknown} replays were doubtful");
}

/// Guarantee 9.
#[tokio::test(start_paused = true)]
async fn a_discarded_letter_is_gone() {
    let ward = Ward::open(4, Bounds::default(), None).await;
    ward.pass_on(&tenant(), 1, &["a"]).await;
    ward.give_up().await;
    let [letter] = &ward.list(DeadLetterQuery::default()).await[..] else {
        panic!()
    };
    ward.letters().discard(letter.id).await.unwrap();
    for gone in [
        ward.letters().discard(letter.id).await,
        ward.letters().replay(letter.id).await,
    ] {
        assert_eq!(gone.unwrap_err().code(), "dead-letter.not-found");
    }
    assert_eq!(ward.test.dead_letters(), 0);
    ward.cure();
    ward.give_up().await;
    assert!(ward.taken("a").await.is_empty());
}

/// Guarantees 9 and 14.
#[tokio::test(start_paused = true)]
async fn too_many_dead_letters_lose_the_oldest() {
    let bounds = Bounds {
        dead_letters: 3,
        ..Bounds::default()
    };
    let ward = Ward::open(5, bounds, None).await;
    for dose in 0..5 {
        ward.pass_on(&tenant(), dose, &["a"]).await;
        ward.give_up().await;
    }
    let mut doses = Vec::new();
    for letter in ward.list(DeadLetterQuery::default()).await {
        doses.push(
            ward.letters()
                .read(letter.id)
                .await
                .unwrap()
                .message::<Take>()
                .unwrap()
                .0,
        );
    }
    assert_eq!(doses, [2, 3, 4]);
}

/// Guarantees 9 and 14.
#[tokio::test(start_paused = true)]
async fn an_old_dead_letter_is_dropped() {
    let mut ward = Ward::open(6, Bounds::default(), None).await;
    ward.pass_on(&tenant(), 1, &["a"]).await;
    ward.give_up().await;
    let day = Duration::from_secs(24 * 3600);
    ward.test.advance(10 * day).await;
    ward.pass_on(&tenant(), 2, &["a"]).await;
    ward.give_up().await;
    ward.test.crash_and_restart().await;
    ward.test.advance(19 * day).await;
    assert_eq!(ward.test.dead_letters(), 2);
    ward.test.advance(day).await;
    assert_eq!(ward.test.dead_letters(), 1);
    ward.test.advance(10 * day).await;
    assert_eq!(ward.test.dead_letters(), 0);
}
