//! One id on the spans of a request, of the turns that it causes and of the steps of the run that it creates.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::test::TestRequest;
use serde_json::json;
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt, registry::LookupSpan};

use super::bench::{Bench, GO, IDEA, model};
use actors::role::Role;

/// Remembers the names of the spans that carry an id.
#[derive(Clone)]
struct Carriers {
    id: &'static str,
    names: Arc<Mutex<BTreeSet<&'static str>>>,
}

struct Finder {
    id: &'static str,
    found: bool,
}

impl Visit for Finder {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.found |= field.name() == "request_id" && value == self.id;
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.found |= field.name() == "request_id" && format!("{value:?}").contains(self.id);
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Carriers {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        let mut finder = Finder {
            id: self.id,
            found: false,
        };
        attributes.record(&mut finder);
        if finder.found {
            self.names.lock().unwrap().insert(attributes.metadata().name());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn request_turns_and_steps_share_an_id() {
    let carriers = Carriers {
        id: "join-me-7",
        names: Arc::default(),
    };
    // With a single subscriber, what other tests of the process log first would be taken as never wanted.
    let _spare = tracing::Dispatch::new(tracing_subscriber::registry());
    let _logging = tracing::subscriber::set_default(tracing_subscriber::registry().with(carriers.clone()));
    Bench::with(model(GO), async |bench| {
        let token = bench.token("default", "admin", Role::Admin).await;
        let request = TestRequest::post()
            .uri("/api/planning/runs")
            .insert_header(("authorization", format!("Bearer {token}")))
            .insert_header(("x-correlation-id", "join-me-7"))
            .set_json(json!({ "idea": IDEA }));
        let answer = bench.call(request).await;
        assert_eq!(answer.header("x-correlation-id"), "join-me-7");
        bench.cluster.advance(Duration::from_secs(30)).await;
    })
    .await;
    let names = carriers.names.lock().unwrap().clone();
    assert_eq!(names, BTreeSet::from(["request", "step", "turn"]));
}
