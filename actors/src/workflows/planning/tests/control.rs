//! Start, pause, resume, cancel, approve, reject, delete: what each does, and what is refused in which state.

use std::time::Duration;

use super::harness::{Bench, GO, IDEA, asked, gated, good, model, request};
use crate::{
    ports::fake::{FakeModel, Reply},
    records::{Mode, RunConfig, RunEventKind, RunStatus},
    run::{
        ApproveRun, CancelRun, Decision, DeleteRun, GetRun, GetRunDetail, ListArtifacts, PauseRun, RejectRun,
        ResumeRun, StartRun,
    },
    tenant::ListRuns,
    workflows::{GetStatus, Pause, Restart, Status, planning::phase::PhaseId},
};

/// A model that takes 10 s for each answer.
fn slow() -> FakeModel {
    FakeModel::new(|request, _| match good(request, &[GO]) {
        Reply::Text(text) => Reply::After(Duration::from_secs(10), text),
        other => other,
    })
}

#[tokio::test(start_paused = true)]
async fn starting_again_with_the_same_request_changes_nothing() {
    let bench = Bench::new(1, model(&[GO])).await;
    let first = bench.start("r1", RunConfig::default()).await;
    let again = bench
        .run("r1")
        .ask(request(&format!("  {IDEA} "), RunConfig::default()))
        .await
        .unwrap();
    assert!(first.created && !again.created);
    for other in [
        request("Another idea altogether", RunConfig::default()),
        request(IDEA, gated()),
    ] {
        let error = bench.run("r1").ask(other).await.unwrap_err();
        assert_eq!(error.code(), "idempotency-key-reused");
    }
    bench.until("r1", RunStatus::Completed).await;
    assert_eq!(bench.model.requests().len(), 15);
    assert_eq!(
        bench
            .kinds("r1")
            .await
            .iter()
            .filter(|kind| **kind == RunEventKind::RunStarted)
            .count(),
        1
    );
}

/// P25: the length of an idea has bounds.
#[tokio::test(start_paused = true)]
async fn an_idea_has_ten_to_five_thousand_characters() {
    let bench = Bench::new(2, model(&[GO])).await;
    for (name, idea, lawful) in [
        ("a", " ".repeat(50) + "123456789", false),
        ("b", "1234567890".to_owned(), true),
        ("c", "ä".repeat(5_000), true),
        ("d", "ä".repeat(5_001), false),
    ] {
        let result = bench.run(name).ask(request(&idea, RunConfig::default())).await;
        match result {
            Ok(_) => assert!(lawful, "{name}"),
            Err(error) => assert_eq!((error.code(), lawful), ("run.idea", false), "{name}"),
        }
    }
    assert_eq!(bench.run("a").ask(GetRun).await.unwrap_err().code(), "run.not-found");
    let local = StartRun {
        mode: Mode::Local,
        ..request(IDEA, RunConfig::default())
    };
    assert_eq!(bench.run("e").ask(local).await.unwrap_err().code(), "run.mode");
}

/// P2: a paused run does nothing until it is resumed.
#[tokio::test(start_paused = true)]
async fn a_pause_takes_effect_between_two_steps() {
    let mut bench = Bench::new(3, slow()).await;
    bench.start("r1", RunConfig::default()).await;
    bench.cluster.advance(Duration::from_secs(25)).await;
    assert_eq!(bench.run("r1").ask(PauseRun).await.unwrap().status, RunStatus::Paused);
    let asked = bench.model.requests().len();
    bench.cluster.advance(Duration::from_secs(500)).await;
    bench.cluster.crash_and_restart().await;
    bench.cluster.advance(Duration::from_secs(500)).await;
    assert_eq!(
        (bench.model.requests().len(), bench.model.open()),
        (asked, 0),
        "the running call ended, none was begun"
    );
    assert_eq!(bench.detail("r1").await.run.status, RunStatus::Paused);
    assert_eq!(bench.run("r1").ask(ResumeRun).await.unwrap().status, RunStatus::Running);
    bench.until("r1", RunStatus::Completed).await;
    assert_eq!(
        bench.model.requests().len(),
        15,
        "the call that ran while the run was paused is not repeated"
    );
    let kinds = bench.kinds("r1").await;
    assert!(kinds.contains(&RunEventKind::RunPaused) && kinds.contains(&RunEventKind::RunResumed));
}

/// P2: a cancelled run stops working at once and stays cancelled.
#[tokio::test(start_paused = true)]
async fn a_cancel_aborts_the_model_call() {
    let mut bench = Bench::new(4, FakeModel::new(|_, _| Reply::Hang)).await;
    bench.start("r1", RunConfig::default()).await;
    bench.cluster.advance(Duration::from_secs(25)).await;
    assert_eq!(bench.model.open(), 1);
    assert_eq!(bench.detail("r1").await.current_step.as_deref(), Some("draft"));
    assert_eq!(
        bench.run("r1").ask(CancelRun).await.unwrap().status,
        RunStatus::Cancelled
    );
    bench.cluster.advance(Duration::from_secs(1)).await;
    assert_eq!(bench.model.open(), 0);
    bench.cluster.crash_and_restart().await;
    bench.cluster.advance(Duration::from_secs(5_000)).await;
    assert_eq!(bench.detail("r1").await.run.status, RunStatus::Cancelled);
    assert_eq!(bench.model.requests().len(), 1);
    assert_eq!(bench.kinds("r1").await.last(), Some(&RunEventKind::RunCancelled));
}

/// P3: approval is a real gate, behind a GO and before the package.
#[tokio::test(start_paused = true)]
async fn an_approved_run_makes_its_package() {
    let mut bench = Bench::new(5, model(&[GO])).await;
    bench.start("r1", gated()).await;
    bench.until("r1", RunStatus::AwaitingApproval).await;
    assert!(!bench.objects.keys().iter().any(|key| key.contains("planning-package")));
    bench.cluster.crash_and_restart().await;
    bench.cluster.advance(Duration::from_secs(7 * 24 * 3600)).await;
    assert_eq!(bench.detail("r1").await.run.status, RunStatus::AwaitingApproval);
    let comment = Some("  Worth building. ".to_owned());
    assert_eq!(
        bench.run("r1").ask(ApproveRun { comment }).await.unwrap().status,
        RunStatus::Running
    );
    assert_eq!(
        bench
            .run("r1")
            .ask(ApproveRun { comment: None })
            .await
            .unwrap_err()
            .code(),
        "run.wrong-state"
    );
    let detail = bench.until("r1", RunStatus::Completed).await;
    let approval = detail.approval.unwrap();
    assert_eq!(
        (approval.decision, approval.comment.as_deref()),
        (Decision::Approved, Some("Worth building."))
    );
    let kinds = bench.kinds("r1").await;
    use RunEventKind::{ApprovalRequested, PhaseCompleted, RunApproved, RunCompleted};
    assert_eq!(
        kinds[kinds.len() - 4..],
        [PhaseCompleted, ApprovalRequested, RunApproved, RunCompleted]
    );
    assert_eq!(bench.model.requests().len(), 15);
}

/// P3: a rejection ends the run and keeps its reason.
#[tokio::test(start_paused = true)]
async fn a_rejected_run_is_cancelled_and_keeps_the_comment() {
    let bench = Bench::new(6, model(&[GO])).await;
    bench.start("r1", gated()).await;
    bench.until("r1", RunStatus::AwaitingApproval).await;
    let long = Some("x".repeat(2_001));
    assert_eq!(
        bench
            .run("r1")
            .ask(RejectRun { comment: long })
            .await
            .unwrap_err()
            .code(),
        "run.comment"
    );
    let comment = Some("Too small a market.".to_owned());
    assert_eq!(
        bench
            .run("r1")
            .ask(RejectRun {
                comment: comment.clone()
            })
            .await
            .unwrap()
            .status,
        RunStatus::Cancelled
    );
    bench.cluster.advance(Duration::from_secs(100)).await;
    let detail = bench.detail("r1").await;
    let approval = detail.approval.unwrap();
    assert_eq!((approval.decision, &approval.comment), (Decision::Rejected, &comment));
    assert_eq!(detail.run.package_key, None);
    let last = bench.events_of("r1").await.pop().unwrap();
    assert_eq!((last.kind, last.reason), (RunEventKind::RunRejected, comment));
}

#[tokio::test(start_paused = true)]
async fn each_action_is_refused_in_the_states_it_does_not_fit_naming_the_state() {
    let bench = Bench::new(7, slow()).await;
    for id in ["running", "paused", "cancelled"] {
        bench.start(id, RunConfig::default()).await;
    }
    bench.start("waiting", gated()).await;
    bench.start("completed", RunConfig::default()).await;
    bench.cluster.advance(Duration::from_secs(5)).await;
    bench.run("paused").ask(PauseRun).await.unwrap();
    bench.run("cancelled").ask(CancelRun).await.unwrap();
    // State, and whether pause, resume, cancel, delete, approve and reject are refused. What is allowed is tested elsewhere.
    let table = [
        ("running", RunStatus::Running, [false, true, false, true, true, true]),
        ("paused", RunStatus::Paused, [true, false, false, false, true, true]),
        ("cancelled", RunStatus::Cancelled, [true, true, true, false, true, true]),
        (
            "waiting",
            RunStatus::AwaitingApproval,
            [true, true, false, false, false, false],
        ),
        ("completed", RunStatus::Completed, [true, true, true, false, true, true]),
    ];
    for (id, status, refused) in table {
        if id != "running" {
            bench.until(id, status).await;
        } else {
            assert_eq!(bench.detail(id).await.run.status, status);
        }
        let run = bench.run(id);
        let mut errors = Vec::new();
        if refused[0] {
            errors.push(run.ask(PauseRun).await.unwrap_err());
        }
        if refused[1] {
            errors.push(run.ask(ResumeRun).await.unwrap_err());
        }
        if refused[2] {
            errors.push(run.ask(CancelRun).await.unwrap_err());
        }
        if refused[3] {
            errors.push(run.ask(DeleteRun).await.unwrap_err());
        }
        if refused[4] {
            errors.push(run.ask(ApproveRun { comment: None }).await.unwrap_err());
        }
        if refused[5] {
            errors.push(run.ask(RejectRun { comment: None }).await.unwrap_err());
        }
        for error in errors {
            assert_eq!(
                (error.kind(), error.code()),
                (cluster::prelude::ErrorKind::Conflict, "run.wrong-state")
            );
            assert!(
                error
                    .message()
                    .contains(&format!("the run is {} and cannot be", status.as_str())),
                "{error}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_run_leaves_the_list_and_the_memory_of_others() {
    let bench = Bench::new(8, model(&[GO])).await;
    bench.start("r1", gated()).await;
    bench.until("r1", RunStatus::AwaitingApproval).await;
    assert_eq!(bench.vectors.rows().len(), 15);
    assert_eq!(bench.run("r1").ask(DeleteRun).await.unwrap().status, RunStatus::Deleted);
    assert_eq!(bench.run("r1").ask(DeleteRun).await.unwrap().status, RunStatus::Deleted);
    bench.settle().await;
    assert!(bench.vectors.rows().is_empty());
    let list = |status| ListRuns {
        status,
        limit: 10,
        after: None,
    };
    assert!(bench.tenant().ask(list(None)).await.unwrap().items.is_empty());
    assert_eq!(
        bench
            .tenant()
            .ask(list(Some(RunStatus::Deleted)))
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    assert_eq!(
        bench
            .run("r1")
            .ask(ListArtifacts { all_attempts: false })
            .await
            .unwrap()
            .len(),
        15
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_run_is_not_found_whatever_is_asked() {
    let bench = Bench::new(9, model(&[GO])).await;
    let run = bench.run("nobody");
    for error in [
        run.ask(GetRun).await.unwrap_err(),
        run.ask(GetRunDetail).await.unwrap_err(),
        run.ask(PauseRun).await.unwrap_err(),
        run.ask(DeleteRun).await.unwrap_err(),
        run.ask(ApproveRun { comment: None }).await.unwrap_err(),
        run.ask(ListArtifacts { all_attempts: true }).await.unwrap_err(),
    ] {
        assert_eq!(error.code(), "run.not-found");
    }
}

/// P6: what a step found is there again after a crash, although the step is not executed again.
#[tokio::test(start_paused = true)]
async fn the_refined_idea_survives_a_crash_between_two_phases() {
    let mut bench = Bench::new(10, slow()).await;
    bench.start("r1", RunConfig::default()).await;
    bench.cluster.advance(Duration::from_secs(15)).await;
    bench.cluster.crash_and_restart().await;
    let detail = bench.until("r1", RunStatus::Completed).await;
    let refined = detail.run.refined_idea.unwrap();
    for id in &PhaseId::ALL[1..] {
        assert!(
            bench.prompts(*id, 0).iter().all(|prompt| prompt.contains(&refined)),
            "{}",
            id.as_str()
        );
    }
    assert_eq!(
        bench
            .model
            .requests()
            .iter()
            .filter(|request| asked(request).phase == PhaseId::Opportunity)
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn the_engine_beneath_a_run_obeys_the_run() {
    let bench = Bench::new(11, model(&[GO])).await;
    bench.start("r1", gated()).await;
    bench.until("r1", RunStatus::AwaitingApproval).await;
    let run = bench.run("r1");
    assert_eq!(run.ask(Restart).await.unwrap_err().code(), "run.restart");
    assert_eq!(run.ask(GetStatus).await.unwrap().status, Status::Waiting);
    assert_eq!(
        run.ask(Pause).await.unwrap_err().code(),
        "run.wrong-state",
        "a run that waits for approval is not paused"
    );
    assert_eq!(bench.detail("r1").await.run.status, RunStatus::AwaitingApproval);
    run.ask(CancelRun).await.unwrap();
    assert_eq!(run.ask(GetStatus).await.unwrap().status, Status::Terminated);
}
