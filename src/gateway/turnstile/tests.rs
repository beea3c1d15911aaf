//! Tokens that count and others.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::outbound::server::{Server, answer};

const TOKEN: &str = "a token";

fn config() -> TurnstileConfig {
    TurnstileConfig {
        enabled: true,
        sitekey: "1x00000000000000000000AA".to_owned(),
        ..TurnstileConfig::default()
    }
}

fn open(config: &TurnstileConfig, secret: &str) -> Turnstile {
    let server = ServerConfig {
        public_url: "https://plans.example".to_owned(),
        ..ServerConfig::default()
    };
    Turnstile::open(config, &server, &OutboundConfig::default(), |_| Some(secret.to_owned())).unwrap()
}

async fn code(turnstile: &Turnstile, token: Option<&str>) -> Option<(u16, String)> {
    let checked = turnstile.check(token, None).await;
    checked
        .err()
        .map(|problem| (problem.status().as_u16(), problem.code().to_owned()))
}

fn refused(status: u16, code: &str) -> Option<(u16, String)> {
    Some((status, code.to_owned()))
}

#[tokio::test]
async fn the_documented_test_secrets_need_no_network() {
    let passes = open(&config(), ALWAYS_PASSES);
    assert_eq!(code(&passes, Some(TOKEN)).await, None);
    assert_eq!(code(&passes, None).await, refused(400, "turnstile.required"));
    for secret in [ALWAYS_FAILS, ALWAYS_SPENT] {
        let fails = open(&config(), secret);
        assert_eq!(code(&fails, Some(TOKEN)).await, refused(403, "turnstile.failed"));
    }
}

#[tokio::test]
async fn nothing_is_asked_where_it_is_off_and_a_secret_is_needed_where_it_is_on() {
    assert_eq!(code(&Turnstile::default(), None).await, None);
    let none = Turnstile::open(&config(), &ServerConfig::default(), &OutboundConfig::default(), |_| {
        None
    });
    assert!(matches!(none, Err(TurnstileError::NoSecret(_))));
    let mut no_key = config();
    no_key.sitekey = String::new();
    assert_eq!(no_key.check().unwrap_err().0, "turnstile.sitekey");
}

#[tokio::test]
async fn a_token_counts_for_our_host_and_action_only() {
    for (said, expected) in [
        (
            json!({ "success": true, "hostname": "plans.example", "action": "foundation" }),
            None,
        ),
        (
            json!({ "success": true, "hostname": "evil.example", "action": "foundation" }),
            refused(403, "turnstile.failed"),
        ),
        (
            json!({ "success": true, "hostname": "plans.example", "action": "other" }),
            refused(403, "turnstile.failed"),
        ),
        (json!({ "success": true }), refused(403, "turnstile.failed")),
        (
            json!({ "success": false, "error-codes": ["timeout-or-duplicate"], "hostname": "plans.example" }),
            refused(403, "turnstile.failed"),
        ),
        (json!({ "succes": true }), refused(503, "turnstile.unavailable")),
    ] {
        let text = said.to_string();
        let server = Server::start(move |_| answer("200 OK", "content-type: application/json\r\n", &text)).await;
        let turnstile = open(
            &TurnstileConfig {
                endpoint: server.url("127.0.0.1", "/siteverify").to_string(),
                ..config()
            },
            "a secret",
        );
        assert_eq!(code(&turnstile, Some(TOKEN)).await, expected, "{said}");
    }
}

#[tokio::test]
async fn a_question_is_asked_again_under_the_same_key_and_nobody_passes_without_an_answer() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    let server = Server::start(move |request| {
        let body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        heard.lock().unwrap().push(body);
        answer("503 Service Unavailable", "", "")
    })
    .await;
    let turnstile = open(
        &TurnstileConfig {
            endpoint: server.url("127.0.0.1", "/siteverify").to_string(),
            ..config()
        },
        "a secret",
    );
    let client = "192.0.2.7".parse().ok();
    let problem = turnstile.check(Some(TOKEN), client).await.unwrap_err();
    assert_eq!(
        (problem.status().as_u16(), problem.code()),
        (503, "turnstile.unavailable")
    );
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1], "the idempotency key is the same");
    assert_eq!(asked[0]["secret"], "a secret");
    assert_eq!(asked[0]["response"], TOKEN);
    assert_eq!(asked[0]["remoteip"], "192.0.2.7");
}
