//! Answers that are invalid, models that fail, stores that fail.

use std::time::Duration;

use super::harness::{Asked, Bench, GO, asked, good, model};
use crate::{
    ports::{
        ModelError,
        fake::{FakeModel, Reply},
    },
    records::{RunConfig, RunEventKind, RunStatus},
    run::PhaseStatus,
    workflows::planning::phase::PhaseId,
};

/// A model whose answers to the first phase are scripted by attempt of the step and call.
fn scripted(script: impl Fn(usize, usize) -> Option<Reply> + Send + Sync + 'static) -> FakeModel {
    FakeModel::new(move |request, _| {
        let Asked {
            phase, number, call, ..
        } = asked(request);
        let scripted = if phase == PhaseId::Opportunity {
            script(number, call)
        } else {
            None
        };
        scripted.unwrap_or_else(|| good(request, &[GO]))
    })
}

fn text(text: &str) -> Option<Reply> {
    Some(Reply::Text(text.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn an_invalid_answer_is_refused_with_its_errors_up_to_twice() {
    let bench = Bench::new(1, scripted(|_, call| if call < 3 { text("{}") } else { None })).await;
    bench.start("r1", RunConfig::default()).await;
    let detail = bench.until("r1", RunStatus::Completed).await;
    let requests: Vec<_> = bench.model.requests().into_iter().take(3).collect();
    assert_eq!(
        requests.iter().map(|request| request.turns.len()).collect::<Vec<_>>(),
        [1, 3, 3]
    );
    assert!(
        requests[1].turns[2].text.contains("is missing"),
        "{}",
        requests[1].turns[2].text
    );
    assert_eq!(
        detail.usage.output_tokens,
        17 * 10,
        "refused answers are paid for as well"
    );
}

#[tokio::test(start_paused = true)]
async fn three_invalid_answers_are_a_failed_attempt_and_the_step_is_tried_again() {
    let bench = Bench::new(
        2,
        scripted(|number, _| if number < 3 { text("no JSON at all") } else { None }),
    )
    .await;
    bench.start("r1", RunConfig::default()).await;
    bench.until("r1", RunStatus::Completed).await;
    assert_eq!(bench.model.requests().len(), 6 + 15);
    assert_eq!(
        bench.model.requests()[3].turns.len(),
        1,
        "a new attempt begins with the task alone"
    );
}

/// P4: a phase that fails for good makes the run failed, with its error and an event.
#[tokio::test(start_paused = true)]
async fn a_model_that_never_answers_well_makes_the_run_fail() {
    let bench = Bench::new(3, scripted(|_, _| text("{}"))).await;
    bench.start("r1", RunConfig::default()).await;
    let detail = bench.until("r1", RunStatus::Failed).await;
    assert!(
        detail
            .error
            .as_ref()
            .unwrap()
            .starts_with("the model gave no valid answer in 3 calls: ")
    );
    assert_eq!(bench.model.requests().len(), 6 * 3);
    assert_eq!(detail.phases[0].status, PhaseStatus::Failed);
    let event = bench.events_of("r1").await.pop().unwrap();
    assert_eq!(
        (event.kind, event.phase.as_deref()),
        (RunEventKind::RunFailed, Some("opportunity"))
    );
    assert_eq!(event.reason, detail.error);
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_fails_at_once() {
    let bench = Bench::new(
        4,
        scripted(|_, _| Some(Reply::Error(ModelError::Refused("bad key".to_owned())))),
    )
    .await;
    bench.start("r1", RunConfig::default()).await;
    let detail = bench.until("r1", RunStatus::Failed).await;
    assert_eq!(
        detail.error.as_deref(),
        Some("the model endpoint refused the request: bad key")
    );
    assert_eq!(bench.model.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_for_a_while_is_asked_again() {
    let bench = Bench::new(
        5,
        scripted(|number, _| match number {
            1 => Some(Reply::Error(ModelError::Unavailable("500".to_owned()))),
            2 => Some(Reply::Cut),
            3 => Some(Reply::Error(ModelError::Timeout)),
            _ => None,
        }),
    )
    .await;
    bench.start("r1", RunConfig::default()).await;
    bench.until("r1", RunStatus::Completed).await;
    assert_eq!(bench.model.requests().len(), 3 + 15);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_asks_to_slow_down_is_given_the_time() {
    let slow = || {
        Some(Reply::Error(ModelError::RateLimited {
            retry_after_secs: Some(300),
        }))
    };
    let bench = Bench::new(6, scripted(move |number, _| if number == 1 { slow() } else { None })).await;
    bench.start("r1", RunConfig::default()).await;
    bench.cluster.advance(Duration::from_secs(299)).await;
    assert_eq!(bench.model.requests().len(), 1);
    bench.until("r1", RunStatus::Completed).await;
}

#[tokio::test(start_paused = true)]
async fn no_endpoint_stops_a_run_for_a_year() {
    let year = || {
        Some(Reply::Error(ModelError::RateLimited {
            retry_after_secs: Some(365 * 24 * 3600),
        }))
    };
    let bench = Bench::new(9, scripted(move |number, _| if number == 1 { year() } else { None })).await;
    bench.start("r1", RunConfig::default()).await;
    bench.cluster.advance(Duration::from_hours(2)).await;
    bench.until("r1", RunStatus::Completed).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_answer_leaves_the_request_within_the_window() {
    const WINDOW: u32 = 12_000;
    let long = || Some(Reply::Text("rubbish ".repeat(5_000)));
    let bench = Bench::new(
        10,
        scripted(move |_, call| if call == 1 { long() } else { None }).window(WINDOW),
    )
    .await;
    bench.start("r1", RunConfig::default()).await;
    bench.until("r1", RunStatus::Completed).await;
    let requests = bench.model.requests();
    assert_eq!(requests[1].turns.len(), 3, "the refused answer and the refusal follow");
    for request in requests {
        let characters: usize = request.turns.iter().map(|turn| turn.text.chars().count()).sum();
        let tokens = (request.system.chars().count() + characters) / 3 + request.max_tokens as usize;
        assert!(tokens <= WINDOW as usize + 200, "{}: {tokens}", request.label);
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_store_that_fails_for_a_while_costs_no_model_call() {
    let bench = Bench::new(7, model(&[GO])).await;
    bench.objects.fail(3);
    bench.start("r1", RunConfig::default()).await;
    bench.until("r1", RunStatus::Completed).await;
    assert_eq!(bench.model.requests().len(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_attempt_has_another_idempotency_key_and_a_repeated_step_the_same() {
    let mut bench = Bench::new(
        8,
        scripted(|number, _| match number {
            1 => Some(Reply::Error(ModelError::Timeout)),
            _ => Some(Reply::After(Duration::from_secs(60), "{}".to_owned())),
        }),
    )
    .await;
    bench.start("r1", RunConfig::default()).await;
    bench.cluster.advance(Duration::from_secs(30)).await;
    bench.cluster.crash_and_restart().await;
    bench.cluster.advance(Duration::from_secs(30)).await;
    let keys: Vec<String> = bench
        .model
        .requests()
        .into_iter()
        .map(|request| request.idempotency_key)
        .collect();
    assert_eq!(keys[0], "run/default/r1/0/opportunity/draft/1/1/1");
    assert_eq!(keys[1], "run/default/r1/0/opportunity/draft/1/2/1");
    assert_eq!(keys[2], keys[1]);
}
