//! Event streams: nothing is lost, nothing is doubled, and they end.

use std::time::Duration;

use actix_web::test::TestRequest;
use actors::role::Role;
use serde_json::{Value, json};

use super::bench::{Bench, GO, model, silent};
use crate::config::ServerConfig;

/// The frames of a stream: id, event, data.
fn frames(text: &str) -> Vec<(Option<u64>, String, Value)> {
    text.split("\n\n")
        .filter_map(|frame| {
            let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let data = serde_json::from_str(field("data:")?).unwrap();
            Some((
                field("id:").map(|id| id.parse().unwrap()),
                field("event:").unwrap().to_owned(),
                data,
            ))
        })
        .collect()
}

fn ids(frames: &[(Option<u64>, String, Value)]) -> Vec<u64> {
    frames.iter().filter_map(|(id, ..)| *id).collect()
}

#[tokio::test(start_paused = true)]
async fn a_live_stream_has_every_event_once_and_ends() {
    Bench::with(model(GO), async |bench| {
        let run = bench.create(json!({})).await;
        let answer = bench.get(&format!("/api/planning/runs/{run}/events")).await;
        assert_eq!(answer.header("content-type"), "text/event-stream");
        assert_eq!(answer.header("cache-control"), "no-store");
        let frames = frames(&answer.text());
        let ids = ids(&frames);
        assert_eq!(
            ids,
            (1..=ids.len() as u64).collect::<Vec<_>>(),
            "in order, without gaps, each once"
        );
        let count = |name: &str| frames.iter().filter(|(_, event, _)| event == name).count();
        assert_eq!(
            (count("run_started"), count("phase_completed"), count("run_completed")),
            (1, 15, 1)
        );
        assert!(count("step") > 0, "live updates come in between");
        let (id, event, data) = frames.last().unwrap();
        assert_eq!(
            (*id, event.as_str(), &data["status"]),
            (None, "end", &json!("completed"))
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_gets_what_was_missed_and_no_more() {
    Bench::with(model(GO), async |bench| {
        let run = bench.create(json!({})).await;
        bench.until(&run, "completed").await;
        let path = format!("/api/planning/runs/{run}/events");
        let all = ids(&frames(&bench.get(&path).await.text()));
        let last = *all.last().unwrap();
        for after in [1, 7, last - 1] {
            let request = TestRequest::get()
                .uri(&path)
                .insert_header(("last-event-id", after.to_string()));
            let by_header = ids(&frames(&bench.admin(request).await.text()));
            let by_query = ids(&frames(
                &bench.get(&format!("{path}?last_event_id={after}")).await.text(),
            ));
            assert_eq!(by_header, (after + 1..=last).collect::<Vec<_>>());
            assert_eq!(by_header, by_query);
        }
        let request = TestRequest::get()
            .uri(&path)
            .insert_header(("last-event-id", last.to_string()));
        let answer = bench.admin(request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.len()),
            (204, 0),
            "204 makes a browser stop"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_tenant_has_a_bounded_number_of_streams_and_a_stopping_server_ends_them() {
    let server = ServerConfig {
        watchers_per_tenant: 2,
        ..ServerConfig::default()
    };
    Bench::configured(silent(), server, async |bench| {
        let run = bench.create(json!({})).await;
        let path = format!("/api/planning/runs/{run}/events");
        let watch = async || bench.get(&path).await;
        let stop = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let refused = bench.get(&path).await;
            refused.problem(429, "events.too-many-watchers");
            assert_eq!(refused.header("retry-after"), "5");
            tokio::time::sleep(Duration::from_secs(60)).await;
            bench.gateway.readiness.close_streams();
        };
        let (first, second, ()) = tokio::join!(Box::pin(watch()), Box::pin(watch()), Box::pin(stop));
        for stream in [first, second] {
            assert!(stream.text().contains(": keep-alive"), "an idle stream is kept open");
            assert!(!stream.text().contains("event: end"), "the run did not end");
        }
        bench.gateway.watchers.watch("default", &run).unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_session_that_opened_it() {
    Bench::with(silent(), async |bench| {
        let run = bench.create(json!({})).await;
        let life = Duration::from_secs(100);
        let token = bench.session("default", "ann", Role::Operator, life).await;
        let request = TestRequest::get()
            .uri(&format!("/api/planning/runs/{run}/events"))
            .insert_header(("authorization", format!("Bearer {token}")));
        let started = tokio::time::Instant::now();
        let stream = tokio::time::timeout(2 * life, bench.call(request)).await;
        assert!(!stream.expect("the stream ends").text().contains("event: end"));
        assert!(started.elapsed() > life / 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_happens_after_signing_out_is_not_told_to_a_stream_that_is_still_open() {
    Bench::with(silent(), async |bench| {
        let run = bench.create(json!({})).await;
        let token = bench.token("default", "ann", Role::Operator).await;
        let bearer = ("authorization", format!("Bearer {token}"));
        let watch = bench.call(
            TestRequest::get()
                .uri(&format!("/api/planning/runs/{run}/events"))
                .insert_header(bearer.clone()),
        );
        let sign_out = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let out = TestRequest::post()
                .uri("/api/auth/sign-out")
                .insert_header(bearer.clone());
            assert_eq!(bench.call(out).await.status, 204);
            bench
                .post(&format!("/api/planning/runs/{run}/cancel"), &json!({}))
                .await
        };
        let (stream, cancelled) = tokio::join!(Box::pin(watch), Box::pin(sign_out));
        assert_eq!(cancelled.status, 200, "{}", cancelled.text());
        let told: Vec<_> = frames(&stream.text()).into_iter().map(|(_, event, _)| event).collect();
        assert!(told.contains(&"run_started".to_owned()), "{told:?}");
        assert!(!told.contains(&"run_cancelled".to_owned()), "{told:?}");
        assert!(!told.contains(&"end".to_owned()), "{told:?}");
    })
    .await;
}
