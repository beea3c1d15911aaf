//! Classes that are made, renamed, deleted and transferred.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cluster::{
    ClassState, Cluster, ClusterConfig, Migration, MigrationError, Migrations, OpenError, Renamed, Stores, Transferred,
    prelude::*,
    testing::{TestCluster, TestClusterBuilder},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::fixture::{Account, Activations, Add, Total, account, slow, tenant};

/// What happened to notes.
#[derive(Clone, Default)]
struct Desk {
    lines: Arc<Mutex<Vec<String>>>,
    /// Notes cannot be activated for now.
    closed: Arc<AtomicBool>,
    /// Notes panic when they are told something.
    broken: Arc<AtomicBool>,
}

/// A note, under one of several class names.
struct Note<const NAME: char>;

const TEXT: Key<String> = Key::new("text");
const LINES: Keys<u64> = Keys::new("lines/");

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "note.write")]
struct Write(String);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "note.read", reply = Option<String>)]
struct Read;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "note.fill")]
struct Fill(u64);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "note.remind")]
struct Remind(Duration);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "note.empty")]
struct Empty;

/// Handled without a trace in storage.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "note.tell")]
struct Tell(String);

impl<const NAME: char> VirtualActor for Note<NAME> {
    const CLASS: &'static str = match NAME {
        'a' => "note",
        'b' => "memo",
        _ => "slip",
    };
    type Env = Desk;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Write>()
            .on::<Read>()
            .on::<Fill>()
            .on::<Remind>()
            .on::<Empty>()
            .on::<Tell>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        if ctx.env().closed.load(Ordering::SeqCst) {
            return Err(ActorError::retryable("note.closed", "not now"));
        }
        Ok(Self)
    }

    async fn alarm(&mut self, _: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        let line = format!("{} alarm", ctx.id());
        ctx.env().lines.lock().push(line);
        Ok(())
    }
}

impl<const NAME: char> Handler<Write> for Note<NAME> {
    async fn handle(&mut self, Write(text): Write, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&TEXT, &text)
    }
}

impl<const NAME: char> Handler<Read> for Note<NAME> {
    async fn handle(&mut self, _: Read, ctx: &mut Ctx<Self>) -> Result<Option<String>> {
        ctx.storage().get(&TEXT).await
    }
}

impl<const NAME: char> Handler<Fill> for Note<NAME> {
    async fn handle(&mut self, Fill(lines): Fill, ctx: &mut Ctx<Self>) -> Result<()> {
        (0..lines).try_for_each(|n| ctx.storage().put(&LINES.key(&n.to_string()), &n))
    }
}

impl<const NAME: char> Handler<Remind> for Note<NAME> {
    async fn handle(&mut self, Remind(after): Remind, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.set_alarm(ctx.now().plus(after));
        Ok(())
    }
}

impl<const NAME: char> Handler<Empty> for Note<NAME> {
    async fn handle(&mut self, _: Empty, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().delete_all()
    }
}

impl<const NAME: char> Handler<Tell> for Note<NAME> {
    async fn handle(&mut self, Tell(text): Tell, ctx: &mut Ctx<Self>) -> Result<()> {
        assert!(!ctx.env().broken.load(Ordering::SeqCst), "told to panic");
        let line = format!("{} told {text}", ctx.id());
        ctx.env().lines.lock().push(line);
        Ok(())
    }
}

/// Sends to notes of the class `NAME`.
struct Post<const NAME: char>;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "post.send")]
struct Send {
    to: String,
    text: String,
}

impl<const NAME: char> VirtualActor for Post<NAME> {
    const CLASS: &'static str = "post";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Send>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl<const NAME: char> Handler<Send> for Post<NAME> {
    async fn handle(&mut self, Send { to, text }: Send, ctx: &mut Ctx<Self>) -> Result<()> {
        let note = ctx.get::<Note<NAME>>(&to);
        ctx.send(&note, Tell(text))
    }
}

fn new(tag: &str, classes: &[&str]) -> Migration {
    Migration {
        tag: tag.into(),
        new_classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        ..Migration::default()
    }
}

fn rename(tag: &str, from: &str, to: &str) -> Migration {
    Migration {
        tag: tag.into(),
        renamed_classes: vec![Renamed {
            from: from.into(),
            to: to.into(),
        }],
        ..Migration::default()
    }
}

fn delete(tag: &str, class: &str) -> Migration {
    Migration {
        tag: tag.into(),
        deleted_classes: vec![class.into()],
        ..Migration::default()
    }
}

/// A program with notes of the class `NAME`, their post, accounts, and these migrations.
fn program<const NAME: char>(seed: u64, desk: &Desk, migrations: &[Migration]) -> TestClusterBuilder {
    without_notes::<NAME>(seed, migrations).actor::<Note<NAME>>(desk.clone())
}

fn without_notes<const NAME: char>(seed: u64, migrations: &[Migration]) -> TestClusterBuilder {
    TestCluster::builder(seed)
        .actor::<Post<NAME>>(())
        .actor::<Account>(Activations::default())
        .migrations(Migrations::new("main", migrations.to_vec()))
}

fn first() -> Migration {
    new("0001_first", &["note", "post", "account"])
}

fn note<const NAME: char>(test: &TestCluster, name: &str) -> ActorRef<Note<NAME>> {
    test.cluster().get(ActorId::from_name::<Note<NAME>>(&tenant(), name))
}

fn post<const NAME: char>(test: &TestCluster) -> ActorRef<Post<NAME>> {
    test.cluster().get(ActorId::from_name::<Post<NAME>>(&tenant(), "post"))
}

async fn listed<const NAME: char>(test: &TestCluster) -> Vec<String> {
    let (cluster, tenant) = (test.cluster(), tenant());
    let listed = cluster.list::<Note<NAME>>(&tenant, DirectoryQuery::default());
    listed.await.unwrap()
}

fn send(to: &str, text: &str) -> Send {
    Send {
        to: to.into(),
        text: text.into(),
    }
}

/// Guarantee 16.
#[tokio::test(start_paused = true)]
async fn a_renamed_class_keeps_its_data_its_alarms_and_what_is_on_its_way_to_it() {
    let desk = Desk::default();
    let mut test = program::<'a'>(1, &desk, &[first()]).start().await;
    note::<'a'>(&test, "x").ask(Write("kept".into())).await.unwrap();
    note::<'a'>(&test, "x")
        .ask(Remind(Duration::from_secs(3600)))
        .await
        .unwrap();
    test.passivate_all().await;
    desk.closed.store(true, Ordering::SeqCst);
    post::<'a'>(&test).ask(send("y", "hello")).await.unwrap();
    test.advance(Duration::from_secs(5)).await;
    assert!(desk.lines.lock().is_empty());

    desk.closed.store(false, Ordering::SeqCst);
    let migrations = [first(), rename("0002_memo", "note", "memo")];
    test.crash_and_restart_as(program::<'b'>(1, &desk, &migrations))
        .await
        .unwrap();
    test.advance(Duration::from_secs(5)).await;
    assert_eq!(
        note::<'b'>(&test, "x").ask(Read).await.unwrap().as_deref(),
        Some("kept")
    );
    test.advance(Duration::from_secs(3600)).await;
    assert_eq!(*desk.lines.lock(), ["memo/acme/y told hello", "memo/acme/x alarm"]);
    assert_eq!(listed::<'b'>(&test).await, ["x"]);

    // Its old name may begin anew.
    let migrations = [&migrations[..], &[new("0003_note", &["note"])]].concat();
    let both = program::<'b'>(1, &desk, &migrations).actor::<Note<'a'>>(desk.clone());
    test.crash_and_restart_as(both).await.unwrap();
    assert_eq!(note::<'a'>(&test, "x").ask(Read).await.unwrap(), None);
    assert_eq!(
        note::<'b'>(&test, "x").ask(Read).await.unwrap().as_deref(),
        Some("kept")
    );
}

/// Fills a cluster with notes of all kinds of rows, beside an account.
async fn fill(test: &TestCluster, desk: &Desk) {
    for n in 0..20 {
        note::<'a'>(test, &format!("n{n}"))
            .ask(Write("text".into()))
            .await
            .unwrap();
        note::<'a'>(test, &format!("n{n}"))
            .ask(Remind(Duration::from_secs(60)))
            .await
            .unwrap();
    }
    // One with more rows than are removed at a time, one that is empty again, one that has only taken a message.
    note::<'a'>(test, "big").ask(Fill(500)).await.unwrap();
    note::<'a'>(test, "emptied").ask(Write("text".into())).await.unwrap();
    note::<'a'>(test, "emptied").ask(Empty).await.unwrap();
    post::<'a'>(test).ask(send("told", "once")).await.unwrap();
    test.advance(Duration::from_secs(2)).await;
    assert_eq!(desk.lines.lock().pop().unwrap(), "note/acme/told told once");
    // One message that was given up, and one that is on its way.
    desk.broken.store(true, Ordering::SeqCst);
    post::<'a'>(test).ask(send("dead", "letter")).await.unwrap();
    test.advance(Duration::from_secs(50)).await;
    while test.dead_letters() == 0 {
        test.advance(Duration::from_secs(1)).await;
    }
    test.passivate_all().await;
    desk.closed.store(true, Ordering::SeqCst);
    post::<'a'>(test).ask(send("late", "letter")).await.unwrap();
}

/// Guarantee 16.
#[tokio::test(start_paused = true)]
async fn a_deleted_class_leaves_nothing_behind_whenever_the_node_crashes() {
    let mut halves = 0;
    for seed in 0..10 {
        let desk = Desk::default();
        let mut test = program::<'a'>(seed, &desk, &[first()]).simulated(slow(4)).start().await;
        account(&test, "x").ask(Add(3)).await.unwrap();
        post::<'a'>(&test).ask(send("first", "")).await.unwrap();
        test.advance(Duration::from_secs(1)).await;
        // What the account stores; the post stores nothing.
        let others = {
            let alone = TestCluster::builder(seed)
                .actor::<Account>(Activations::default())
                .simulated(slow(4))
                .start()
                .await;
            account(&alone, "x").ask(Add(3)).await.unwrap();
            alone.rows()
        };
        fill(&test, &desk).await;
        desk.lines.lock().clear();

        let migrations = [first(), delete("0002_no-notes", "note")];
        test.crash_and_restart_as(without_notes::<'a'>(seed, &migrations))
            .await
            .unwrap();
        let deleted = async |test: &TestCluster| {
            let classes = test.cluster().classes().await.unwrap();
            let [note] = &classes.iter().filter(|class| class.name == "note").collect::<Vec<_>>()[..] else {
                panic!("one class was deleted")
            };
            note.state
        };
        assert_eq!(test.cluster().status().erasures, 4);
        let mut before = test.rows();
        while deleted(&test).await != ClassState::Deleted {
            test.advance(Duration::from_millis(seed + 1)).await;
            test.crash_and_restart().await;
            let after = test.rows();
            halves += usize::from(others < after && after < before);
            before = after;
        }
        assert_eq!(test.cluster().status().erasures, 0);
        // A mark for each shard says that it is done.
        assert_eq!(test.rows(), others + 4, "seed {seed}");
        assert_eq!(account(&test, "x").ask(Total).await.unwrap(), 3);
        test.crash_and_restart().await;
        test.advance(Duration::from_secs(120)).await;
        assert_eq!(test.rows(), others + 4, "seed {seed}");
        assert!(desk.lines.lock().is_empty(), "an actor of a deleted class ran");
    }
    assert!(halves > 20, "the work was seen half-done {halves} times");
}

/// Guarantee 16.
#[tokio::test(start_paused = true)]
async fn a_namesake_of_a_deleted_class_never_sees_its_rows() {
    let desk = Desk::default();
    let mut test = program::<'a'>(2, &desk, &[first()]).simulated(slow(50)).start().await;
    note::<'a'>(&test, "x").ask(Write("old".into())).await.unwrap();
    note::<'a'>(&test, "x")
        .ask(Remind(Duration::from_secs(60)))
        .await
        .unwrap();
    note::<'a'>(&test, "big").ask(Fill(2000)).await.unwrap();
    let again = Migration {
        new_classes: vec!["note".into()],
        ..delete("0002_notes-again", "note")
    };
    test.crash_and_restart_as(program::<'a'>(2, &desk, &[first(), again]))
        .await
        .unwrap();
    let state = async |test: &TestCluster| {
        let classes = test.cluster().classes().await.unwrap();
        classes.iter().map(|class| class.state).collect::<Vec<_>>()
    };
    assert!(matches!(state(&test).await[..], [.., ClassState::Deleting { .. }]));
    assert_eq!(note::<'a'>(&test, "x").ask(Read).await.unwrap(), None);
    note::<'a'>(&test, "x").ask(Write("new".into())).await.unwrap();
    assert_eq!(listed::<'a'>(&test).await, ["x"]);
    test.advance(Duration::from_secs(600)).await;
    assert!(matches!(
        state(&test).await[..],
        [.., ClassState::Live, ClassState::Deleted]
    ));
    assert_eq!(note::<'a'>(&test, "x").ask(Read).await.unwrap().as_deref(), Some("new"));
    assert!(desk.lines.lock().is_empty());
}

/// Guarantee 16.
#[tokio::test(start_paused = true)]
async fn a_class_is_transferred_from_one_application_to_another() {
    let desk = Desk::default();
    let library = |list: &[Migration]| Migrations::new("library", list.to_vec());
    let notes = new("0001_notes", &["note"]);
    let ours = new("0001_ours", &["post", "account"]);
    let mut test = program::<'a'>(3, &desk, std::slice::from_ref(&ours))
        .migrations(library(std::slice::from_ref(&notes)))
        .start()
        .await;
    note::<'a'>(&test, "x").ask(Write("kept".into())).await.unwrap();

    let take = Migration {
        tag: "0002_memos".into(),
        transferred_classes: vec![Transferred {
            from_application: "library".into(),
            from: "note".into(),
            to: "memo".into(),
        }],
        ..Migration::default()
    };
    let program = program::<'b'>(3, &desk, &[ours, take]).migrations(library(&[notes]));
    test.crash_and_restart_as(program).await.unwrap();
    assert_eq!(
        note::<'b'>(&test, "x").ask(Read).await.unwrap().as_deref(),
        Some("kept")
    );
    let classes = test.cluster().classes().await.unwrap();
    let memo = classes.iter().find(|class| class.name == "memo").unwrap();
    assert_eq!(
        (memo.application.as_str(), memo.migration.as_str()),
        ("main", "0002_memos")
    );
}

/// Guarantee 16.
#[tokio::test(start_paused = true)]
async fn a_program_that_does_not_fit_is_refused_and_changes_nothing() {
    let desk = Desk::default();
    let mut test = program::<'a'>(4, &desk, &[first()]).start().await;
    note::<'a'>(&test, "x").ask(Write("kept".into())).await.unwrap();
    let applied = test.cluster().migrations().await.unwrap();
    assert_eq!(applied.len(), 1);

    let gone = delete("0002_no-notes", "note");
    let edited = new("0001_first", &["note", "post", "account", "slip"]);
    let slips = || program::<'a'>(4, &desk, &[first()]).actor::<Note<'c'>>(desk.clone());
    let cases: Vec<(TestClusterBuilder, &str)> = vec![
        (
            program::<'a'>(4, &desk, &[first(), gone.clone()]),
            "0002_no-notes deleted it",
        ),
        (
            without_notes::<'a'>(4, &[first()]),
            "class note of application main exists since 0001_first",
        ),
        (slips(), "write a migration 0002 with `new-classes = [\"slip\"]`"),
        (
            program::<'a'>(4, &desk, &[edited]).actor::<Note<'c'>>(desk.clone()),
            "migration 0001_first was applied as",
        ),
        (
            program::<'a'>(4, &desk, &[first(), new("0003_slip", &["slip"])]),
            "none numbered 0002",
        ),
        (
            program::<'a'>(4, &desk, &[]),
            "migration 0001_first of application main was applied",
        ),
        (
            program::<'a'>(4, &desk, &[first(), new("0002_note", &["note"])]),
            "there is one since 0001_first",
        ),
    ];
    for (program, told) in cases {
        let refused = test.crash_and_restart_as(program).await.unwrap_err();
        assert!(matches!(refused, OpenError::Migration(_)), "{refused}");
        assert!(refused.to_string().contains(told), "{refused}");
    }

    test.crash_and_restart_as(program::<'a'>(4, &desk, &[first()]))
        .await
        .unwrap();
    assert_eq!(
        note::<'a'>(&test, "x").ask(Read).await.unwrap().as_deref(),
        Some("kept")
    );
    assert_eq!(test.cluster().migrations().await.unwrap(), applied);
}

/// Guarantee 16.
#[tokio::test(start_paused = true)]
async fn a_program_without_migrations_means_that_its_classes_are_all() {
    let desk = Desk::default();
    let notes = |desk: &Desk| TestCluster::builder(5).actor::<Note<'a'>>(desk.clone());
    let mut test = notes(&desk).start().await;
    let applied = test.cluster().migrations().await.unwrap();
    assert_eq!(applied[0].migration, new("0001_classes", &["note"]));
    let more = notes(&desk).actor::<Note<'b'>>(desk.clone());
    let refused = test.crash_and_restart_as(more).await.unwrap_err();
    assert!(
        matches!(refused, OpenError::Migration(MigrationError::Changed { .. })),
        "{refused}"
    );
    let listed = [new("0001_classes", &["note"]), new("0002_memo", &["memo"])];
    let listed = notes(&desk)
        .actor::<Note<'b'>>(desk.clone())
        .migrations(Migrations::new("main", listed));
    test.crash_and_restart_as(listed).await.unwrap();
}

/// Guarantee 16.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_start_gives_the_data_directory_back() {
    let directory = tempfile::tempdir().unwrap();
    let open = async |migrations: &[Migration]| {
        let config = ClusterConfig {
            shards: 1,
            ..ClusterConfig::new(Handle::current(), Handle::current())
        };
        Cluster::builder(config)
            .actor::<Note<'a'>>(Desk::default())
            .migrations(Migrations::new("main", migrations.to_vec()))
            .open(Stores::disk(directory.path()))
            .await
    };
    let right = [new("0001_note", &["note"])];
    open(&right).await.unwrap().shutdown().await;
    assert!(matches!(open(&[]).await, Err(OpenError::Migration(_))));
    open(&right).await.unwrap().shutdown().await;
}
