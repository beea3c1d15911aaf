//! The tenant's indexes: paging, parked ideas, promotion; and the log of its events.

use cluster::prelude::{ActorId, TenantId};

use super::harness::{Bench, GO, IDEA, KILL, model};
use crate::{
    events::{self, EventLog, ListEvents},
    records::{RunConfig, RunEventKind, RunStatus},
    run::GetRun,
    tenant::{DeleteParked, GetParked, ListParked, ListRuns, Promote},
    workflows::planning::phase::PhaseId,
};

#[tokio::test(start_paused = true)]
async fn runs_are_listed_newest_first_page_by_page_and_by_status() {
    let bench = Bench::new(1, model(&[GO])).await;
    for n in 0..7 {
        bench.start(&format!("r{n}"), RunConfig::default()).await;
        bench.cluster.advance(std::time::Duration::from_millis(300)).await;
    }
    for n in 0..7 {
        bench.until(&format!("r{n}"), RunStatus::Completed).await;
    }
    bench.settle().await;
    let (mut after, mut ids, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = bench
            .tenant()
            .ask(ListRuns {
                status: None,
                after,
                limit: 3,
            })
            .await
            .unwrap();
        ids.extend(page.items.into_iter().map(|item| item.run.id));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(ids, ["r6", "r5", "r4", "r3", "r2", "r1", "r0"]);
    assert_eq!(pages, 3);
    let of = |status| ListRuns {
        status: Some(status),
        after: None,
        limit: 100,
    };
    assert_eq!(
        bench.tenant().ask(of(RunStatus::Completed)).await.unwrap().items.len(),
        7
    );
    assert!(
        bench
            .tenant()
            .ask(of(RunStatus::Failed))
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

/// P15: promoted once, with what was learnt, and the reason is kept.
#[tokio::test(start_paused = true)]
async fn a_parked_idea_is_promoted_once_and_its_run_knows_why_it_was_parked() {
    let bench = Bench::new(2, model(&[KILL])).await;
    bench.start("r1", RunConfig::default()).await;
    bench.until("r1", RunStatus::Killed).await;
    bench.settle().await;
    let parked = bench
        .tenant()
        .ask(ListParked {
            limit: 10,
            ..ListParked::default()
        })
        .await
        .unwrap()
        .items
        .remove(0);
    let promote = Promote {
        id: parked.id.clone(),
        config: RunConfig::default(),
        run_id: Some("r2".to_owned()),
    };
    let promoted = bench.tenant().ask(promote.clone()).await.unwrap();
    assert_eq!(promoted.new_run_id, "r2");
    assert_eq!(bench.tenant().ask(promote.clone()).await.unwrap(), promoted);
    let other = Promote {
        run_id: None,
        ..promote
    };
    let again = bench.tenant().ask(other).await.unwrap_err();
    assert_eq!(again.code(), "parked-idea.promoted");
    assert!(again.message().contains(&promoted.new_run_id));
    bench.settle().await;

    let run = bench.run(&promoted.new_run_id).ask(GetRun).await.unwrap();
    assert_eq!(run.idea, IDEA);
    let kinds = bench.kinds(&promoted.new_run_id).await;
    assert_eq!(kinds[..2], [RunEventKind::RunStarted, RunEventKind::IdeaPromoted]);
    let now = bench.tenant().ask(GetParked { id: parked.id.clone() }).await.unwrap();
    assert_eq!(
        (&now.reason, now.promoted_run_id),
        (&parked.reason, Some(promoted.new_run_id.clone()))
    );
    let prompts = bench.prompts(PhaseId::Opportunity, 0);
    assert!(!prompts[0].contains(&parked.reason) && prompts[1].contains(&parked.reason));
    assert!(prompts[1].contains("What was found out before it was parked"));

    bench
        .tenant()
        .ask(DeleteParked { id: parked.id.clone() })
        .await
        .unwrap();
    assert_eq!(
        bench
            .tenant()
            .ask(GetParked { id: parked.id })
            .await
            .unwrap_err()
            .code(),
        "parked-idea.not-found"
    );
}

#[tokio::test(start_paused = true)]
async fn the_log_of_a_tenant_has_the_events_of_all_its_runs_once() {
    let mut bench = Bench::new(3, model(&[GO])).await;
    bench.start("r1", RunConfig::default()).await;
    bench.start("r2", RunConfig::default()).await;
    bench.cluster.crash_and_restart().await;
    bench.until("r1", RunStatus::Completed).await;
    bench.until("r2", RunStatus::Completed).await;
    bench.settle().await;
    let tenant = TenantId::new("default").unwrap();
    let log = bench
        .cluster
        .cluster()
        .get::<EventLog>(ActorId::from_name::<EventLog>(&tenant, events::NAME));
    let logged = log.ask(ListEvents { after: 0, limit: 200 }).await.unwrap();
    assert_eq!(
        logged.iter().map(|event| event.number).collect::<Vec<_>>(),
        (1..=64).collect::<Vec<_>>()
    );
    for id in ["r1", "r2"] {
        let of_run: Vec<_> = logged
            .iter()
            .filter(|logged| logged.event.run_id == id)
            .map(|l| l.event.clone())
            .collect();
        assert_eq!(of_run, bench.events_of(id).await);
    }
}
