//! Text of a client that would be a line of the log.

use std::{
    io,
    sync::{Arc, Mutex},
};

use actix_web::test::TestRequest;
use actors::role::Role;
use serde_json::{Value, json};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt};

use super::super::bench::{Bench, silent};
use crate::{config::LogFormat, telemetry::lines};

/// What is written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line that somebody would like to see in the log.
const FORGED: &str = "{\"level\":\"ERROR\",\"message\":\"forged\"}";

/// Sends it wherever text of a client can go.
async fn attack(bench: &Bench) {
    let token = bench.token("acme", "ann", Role::Admin).await;
    for end in ["%0a", "%0d%0a", "%1b%5b2J", "%e2%80%a8", "%c2%85"] {
        let line = format!(
            "x{end}{}",
            url::form_urlencoded::byte_serialize(FORGED.as_bytes()).collect::<String>()
        );
        for path in [
            format!("/{line}"),
            format!("/api/planning/runs/{line}"),
            format!("/api/planning/runs?cursor={line}"),
            format!("/api/admin/actors/run/{line}/x"),
            format!("/sign-in/{line}"),
        ] {
            let request = TestRequest::get()
                .uri(&path)
                .insert_header(("authorization", format!("Bearer {token}")));
            bench.call(request).await;
        }
    }
    for text in [
        format!("x\n{FORGED}"),
        format!("x\r\n{FORGED}"),
        format!("x\u{1b}[2J\u{85}{FORGED}"),
    ] {
        tracing::warn!(%text, error = %text, "something with text of a client: {text}");
        for (path, body) in [
            (
                "/api/planning/runs",
                json!({ "idea": text, "config": { text.clone(): 1 } }),
            ),
            ("/api/auth/tokens", json!({ "user": text, "tenant": text })),
            ("/api/tenant/keys", json!({ "name": text, "role": "admin" })),
            ("/api/admin/restores", json!({ "tenant": "acme", "name": text })),
        ] {
            let request = TestRequest::post()
                .uri(path)
                .insert_header(("authorization", format!("Bearer {token}")))
                .set_json(body);
            bench.call(request).await;
        }
    }
    for header in [
        "x-correlation-id",
        "user-agent",
        "idempotency-key",
        "last-event-id",
        "x-forwarded-for",
    ] {
        let request = TestRequest::get()
            .uri("/api/planning/runs")
            .insert_header(("authorization", format!("Bearer {token}")))
            .insert_header((header, format!("x\t{FORGED}")));
        bench.call(request).await;
    }
}

async fn log_of(format: LogFormat) -> String {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::registry()
        .with(EnvFilter::new("trace"))
        .with(lines(format, move || writer.clone()));
    // With a single subscriber, what other tests of the process log first would be taken as never wanted.
    let _spare = tracing::Dispatch::new(tracing_subscriber::registry());
    let logging = tracing::subscriber::set_default(subscriber);
    Bench::with(silent(), async |bench| attack(bench).await).await;
    drop(logging);
    String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn no_text_of_a_client_begins_a_line_of_the_log_for_programs() {
    let log = log_of(LogFormat::Json).await;
    assert!(log.contains("forged"), "the text was logged, so it was tried");
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event["timestamp"].is_string(), "{line}");
        assert!(!line.contains(['\u{1b}', '\r']), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_text_of_a_client_begins_a_line_of_the_log_for_people() {
    let log = log_of(LogFormat::Pretty).await;
    assert!(log.contains("forged"), "the text was logged, so it was tried");
    for line in log
        .split(['\n', '\r', '\u{85}', '\u{2028}'])
        .filter(|line| !line.is_empty())
    {
        // The moment is in a colour of its own.
        let bare = line.strip_prefix("\u{1b}[2m").unwrap_or(line);
        assert!(bare.starts_with("20"), "{line:?}");
    }
    assert!(!log.contains("\u{1b}[2J"), "nothing rules the terminal");
}
