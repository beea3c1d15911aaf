//! Storage: listing, sizes, transactions, deletion.

use std::time::Duration;

use cluster::{prelude::*, testing::TestCluster};
use serde::{Deserialize, Serialize};

use crate::fixture::tenant;

/// Runs what a test asks for inside a turn.
struct Shelf;

const ITEMS: Keys<String> = Keys::new("items/");
const MARK: Key<u64> = Key::new("mark");

#[derive(Debug, Clone, Default, Serialize, Deserialize, Message)]
#[message(name = "shelf.page", reply = Vec<(String, String)>)]
struct Page {
    start: Option<String>,
    after: Option<String>,
    end: Option<String>,
    reverse: bool,
    limit: usize,
}

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "shelf.change", reply = Vec<(String, String)>)]
struct Change {
    put: Vec<(String, String)>,
    delete: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "shelf.read", reply = Option<String>)]
struct Read(String);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "shelf.try", reply = (bool, Option<u64>))]
struct Try(bool);

/// Tries in a transaction that is dropped in the middle.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "shelf.try-in-vain", reply = Option<u64>)]
struct TryInVain;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "shelf.clear", reply = (usize, Option<Timestamp>))]
struct Clear {
    then: Option<String>,
}

impl VirtualActor for Shelf {
    const CLASS: &'static str = "shelf";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Page>()
            .on::<Change>()
            .on::<Read>()
            .on::<Try>()
            .on::<TryInVain>()
            .on::<Clear>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<Page> for Shelf {
    async fn handle(&mut self, page: Page, ctx: &mut Ctx<Self>) -> Result<Vec<(String, String)>> {
        let Page {
            start,
            after,
            end,
            reverse,
            limit,
        } = page;
        ctx.storage()
            .list(
                &ITEMS,
                List {
                    start,
                    after,
                    end,
                    reverse,
                    limit,
                },
            )
            .await
    }
}

impl Handler<Change> for Shelf {
    async fn handle(&mut self, change: Change, ctx: &mut Ctx<Self>) -> Result<Vec<(String, String)>> {
        for (name, value) in change.put {
            ctx.storage().put(&ITEMS.key(&name), &value)?;
        }
        for name in change.delete {
            ctx.storage().delete(&ITEMS.key(&name))?;
        }
        ctx.storage().list(&ITEMS, List::default()).await
    }
}

impl Handler<Read> for Shelf {
    async fn handle(&mut self, Read(name): Read, ctx: &mut Ctx<Self>) -> Result<Option<String>> {
        ctx.storage().get(&ITEMS.key(&name)).await
    }
}

impl Handler<Try> for Shelf {
    async fn handle(&mut self, Try(succeed): Try, ctx: &mut Ctx<Self>) -> Result<(bool, Option<u64>)> {
        ctx.storage().put(&MARK, &1)?;
        let tried = ctx
            .storage()
            .transaction(async |tx| {
                tx.put(&MARK, &2)?;
                tx.put(&ITEMS.key("tried"), &"yes".to_owned())?;
                assert_eq!(tx.get(&MARK).await?, Some(2));
                if succeed {
                    Ok(())
                } else {
                    Err(ActorError::conflict("shelf.tried", "told to fail"))
                }
            })
            .await;
        Ok((tried.is_ok(), ctx.storage().get(&MARK).await?))
    }
}

impl Handler<TryInVain> for Shelf {
    async fn handle(&mut self, _: TryInVain, ctx: &mut Ctx<Self>) -> Result<Option<u64>> {
        ctx.storage().put(&MARK, &1)?;
        let work = ctx.storage().transaction(async |tx| {
            tx.delete_all()?;
            tx.put(&MARK, &2)?;
            tokio::time::sleep(Duration::from_secs(5)).await;
            tx.put(&MARK, &3)
        });
        tokio::time::timeout(Duration::from_secs(1), work).await.unwrap_err();
        ctx.storage().get(&MARK).await
    }
}

impl Handler<Clear> for Shelf {
    async fn handle(&mut self, clear: Clear, ctx: &mut Ctx<Self>) -> Result<(usize, Option<Timestamp>)> {
        ctx.set_alarm(ctx.now().plus(std::time::Duration::from_secs(3600)));
        ctx.storage().delete_all()?;
        if let Some(name) = clear.then {
            ctx.storage().put(&ITEMS.key(&name), &"new".to_owned())?;
        }
        let left = ctx.storage().list(&ITEMS, List::default()).await?.len();
        Ok((left, ctx.get_alarm()))
    }
}

async fn shelf(seed: u64) -> (TestCluster, ActorRef<Shelf>) {
    let test = TestCluster::builder(seed).actor::<Shelf>(()).start().await;
    let shelf = reference(&test);
    (test, shelf)
}

fn reference(test: &TestCluster) -> ActorRef<Shelf> {
    test.cluster().get(ActorId::from_name::<Shelf>(&tenant(), "s"))
}

fn pairs(names: &[&str]) -> Vec<(String, String)> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), format!("value of {name}")))
        .collect()
}

async fn names(shelf: &ActorRef<Shelf>, page: Page) -> Vec<String> {
    shelf
        .ask(page)
        .await
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

/// Guarantee 6.
#[tokio::test(start_paused = true)]
async fn listings_follow_the_bytes_of_their_keys() {
    let (test, shelf) = shelf(1).await;
    shelf
        .ask(Change {
            put: pairs(&["a", "b", "ba", "c", "é", "z"]),
            delete: vec![],
        })
        .await
        .unwrap();
    test.passivate_all().await;
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(names(&shelf, Page::default()).await, ["a", "b", "ba", "c", "z", "é"]);
    assert_eq!(
        names(
            &shelf,
            Page {
                start: some("b"),
                ..Page::default()
            }
        )
        .await,
        ["b", "ba", "c", "z", "é"]
    );
    assert_eq!(
        names(
            &shelf,
            Page {
                after: some("b"),
                limit: 2,
                ..Page::default()
            }
        )
        .await,
        ["ba", "c"]
    );
    assert_eq!(
        names(
            &shelf,
            Page {
                start: some("b"),
                end: some("c"),
                ..Page::default()
            }
        )
        .await,
        ["b", "ba"]
    );
    assert_eq!(
        names(
            &shelf,
            Page {
                reverse: true,
                limit: 2,
                ..Page::default()
            }
        )
        .await,
        ["é", "z"]
    );
    assert_eq!(
        names(
            &shelf,
            Page {
                reverse: true,
                end: some("c"),
                start: some("b"),
                ..Page::default()
            }
        )
        .await,
        ["ba", "b"]
    );
    assert!(
        names(
            &shelf,
            Page {
                start: some("c"),
                end: some("b"),
                ..Page::default()
            }
        )
        .await
        .is_empty()
    );
    assert!(
        names(
            &shelf,
            Page {
                after: some("b"),
                end: some("b"),
                ..Page::default()
            }
        )
        .await
        .is_empty()
    );
    assert_eq!(
        shelf
            .ask(Page {
                limit: 1001,
                ..Page::default()
            })
            .await
            .unwrap_err()
            .code(),
        "too-large"
    );
}

/// Guarantee 6.
#[tokio::test(start_paused = true)]
async fn listings_and_reads_see_the_writes_of_their_turn() {
    let (test, shelf) = shelf(2).await;
    shelf
        .ask(Change {
            put: pairs(&["a", "b", "c"]),
            delete: vec![],
        })
        .await
        .unwrap();
    test.passivate_all().await;
    let change = Change {
        put: pairs(&["bb"]),
        delete: vec!["a".into(), "c".into()],
    };
    let seen: Vec<_> = shelf
        .ask(change)
        .await
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(seen, ["b", "bb"]);
    assert_eq!(
        names(
            &shelf,
            Page {
                limit: 1,
                ..Page::default()
            }
        )
        .await,
        ["b"]
    );
}

/// Guarantee 6.
#[tokio::test(start_paused = true)]
async fn values_of_every_size_come_back_whole() {
    let (mut test, shelf) = shelf(3).await;
    let sizes = [0, 1, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 100_000, 1 << 20];
    let put: Vec<_> = sizes.iter().map(|size| (size.to_string(), "x".repeat(*size))).collect();
    shelf
        .ask(Change {
            put: put.clone(),
            delete: vec![],
        })
        .await
        .unwrap();
    test.crash_and_restart().await;
    let shelf = reference(&test);
    for (name, value) in &put {
        assert_eq!(shelf.ask(Read(name.clone())).await.unwrap().as_ref(), Some(value));
    }
    let listed = shelf.ask(Page::default()).await.unwrap();
    assert_eq!(listed.len(), put.len());
    assert!(listed.iter().all(|(name, value)| name.parse() == Ok(value.len())));
    shelf
        .ask(Change {
            put: vec![],
            delete: vec!["100000".into()],
        })
        .await
        .unwrap();
    assert_eq!(names(&shelf, Page::default()).await.len(), put.len() - 1);
}

/// Guarantee 6.
#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_dropped_rolls_back_storage() {
    let test = TestCluster::builder(9).actor::<Shelf>(()).start().await;
    let shelf = test.cluster().get::<Shelf>(ActorId::from_name::<Shelf>(&tenant(), "s"));
    assert_eq!(shelf.ask(TryInVain).await.unwrap(), Some(1));
}

/// Guarantee 9.
#[tokio::test(start_paused = true)]
async fn a_failed_transaction_rolls_back_storage() {
    let (mut test, shelf) = shelf(4).await;
    assert_eq!(shelf.ask(Try(false)).await.unwrap(), (false, Some(1)));
    assert_eq!(shelf.ask(Read("tried".into())).await.unwrap(), None);
    assert_eq!(shelf.ask(Try(true)).await.unwrap(), (true, Some(2)));
    test.crash_and_restart().await;
    assert_eq!(
        reference(&test).ask(Read("tried".into())).await.unwrap().as_deref(),
        Some("yes")
    );
}

/// Guarantees 6 and 10.
#[tokio::test(start_paused = true)]
async fn deleting_everything_takes_the_alarm_and_the_entry_in_the_directory() {
    let (mut test, shelf) = shelf(5).await;
    shelf
        .ask(Change {
            put: pairs(&["a", "b"]),
            delete: vec![],
        })
        .await
        .unwrap();
    assert_eq!(shelf.ask(Clear { then: None }).await.unwrap(), (0, None));
    let listed = async |test: &TestCluster| {
        test.cluster()
            .list::<Shelf>(&tenant(), DirectoryQuery::default())
            .await
            .unwrap()
    };
    assert!(listed(&test).await.is_empty());
    test.crash_and_restart().await;
    let shelf = reference(&test);
    assert!(names(&shelf, Page::default()).await.is_empty());
    assert_eq!(shelf.ask(Clear { then: Some("c".into()) }).await.unwrap(), (1, None));
    assert_eq!(listed(&test).await, ["s"]);
    test.advance(std::time::Duration::from_secs(5)).await;
    test.passivate_all().await;
    assert_eq!(
        names(&shelf, Page::default()).await,
        ["c"],
        "the collector takes only what is old"
    );
}

/// Guarantee 6.
#[tokio::test(start_paused = true)]
async fn deleted_rows_are_collected() {
    let (mut test, shelf) = shelf(6).await;
    for round in 0..4 {
        let put = (0..200).map(|n| (format!("{round}-{n}"), "x".into())).collect();
        shelf.ask(Change { put, delete: vec![] }).await.unwrap();
    }
    let before = test.rows();
    shelf.ask(Clear { then: None }).await.unwrap();
    test.crash_and_restart().await;
    test.advance(std::time::Duration::from_secs(5)).await;
    assert!(
        before > 800 && test.rows() < before - 790,
        "{} of {before} rows are left",
        test.rows()
    );
}
