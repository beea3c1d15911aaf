//! What the gateway adds to a request, in processor time of the thread that serves it.
//!
//! `cargo test --release --lib -- --ignored --nocapture what_the_gateway_adds`. The clock of the tests stands still, so what was asked of an
//! actor once counts for all requests: what is measured is the gateway without its actors. Rounds are interleaved, because
//! machines are noisy.

use std::{hint::black_box, time::Duration};

use actix_http::Request;
use actix_web::{
    App, HttpResponse,
    body::{BoxBody, to_bytes},
    dev::{Service, ServiceResponse},
    test::{TestRequest, init_service},
    web,
};
use actors::role::Role;
use rustix::time::{ClockId, clock_gettime};

use super::bench::Bench;
use crate::gateway::{LimitsConfig, app};

const REQUESTS: usize = 4_000;
const ROUNDS: usize = 9;

/// What the gateway may add, as long as no actor is asked.
const MOST: Duration = Duration::from_micros(25);

fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap(), u32::try_from(now.tv_nsec).unwrap())
}

/// Processor time of one request.
async fn cost<S>(service: &S, request: impl Fn() -> TestRequest) -> Duration
where
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error>,
{
    let requests: Vec<_> = (0..REQUESTS).map(|_| request().to_request()).collect();
    let begin = processor_time();
    for request in requests {
        let response = service.call(request).await.unwrap();
        assert_eq!(response.status(), 200);
        black_box(to_bytes(response.into_body()).await.ok().unwrap());
    }
    (processor_time() - begin) / u32::try_from(REQUESTS).unwrap()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

async fn bare() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "user": "ann" }))
}

#[tokio::test(start_paused = true)]
#[ignore = "a measurement, which says something only when it is optimised"]
async fn what_the_gateway_adds_to_a_request_is_less_than_25_microseconds() {
    let limits = LimitsConfig {
        enterprise_per_minute: 1_000_000_000,
        ..LimitsConfig::off()
    };
    Bench::limited(limits, async |counted| {
        Bench::limited(LimitsConfig::off(), async |uncounted| {
            let plain = init_service(App::new().route("/api/auth/me", web::get().to(bare))).await;
            let with = init_service(app(counted.gateway.clone())).await;
            let without = init_service(app(uncounted.gateway.clone())).await;
            let tokens = [
                counted.token("default", "ann", Role::Admin).await,
                uncounted.token("default", "ann", Role::Admin).await,
            ];
            let request = |token: &str| {
                TestRequest::get()
                    .uri("/api/auth/me")
                    .insert_header(("host", "plans.test"))
                    .insert_header(("accept", "application/json"))
                    .insert_header(("user-agent", "a program"))
                    .insert_header(("authorization", format!("Bearer {token}")))
            };
            let (mut bare, mut open, mut told) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                bare.push(cost(&plain, || request(&tokens[0])).await);
                open.push(cost(&without, || request(&tokens[1])).await);
                told.push(cost(&with, || request(&tokens[0])).await);
            }
            let (bare, open, told) = (median(bare), median(open), median(told));
            let ratio = |time: Duration| time.as_secs_f64() / bare.as_secs_f64();
            println!("a bare route: {bare:?}");
            println!("an authenticated request: {open:?}, {:.1} of it", ratio(open));
            println!("the same, counted for its tenant: {told:?}, {:.1} of it", ratio(told));
            assert!(
                cfg!(debug_assertions) || told - bare < MOST,
                "it adds {:?}",
                told - bare
            );
        })
        .await;
    })
    .await;
}
