//! Whether whoever signs up or writes to us is a person.

use actix_web::test::TestRequest;
use serde_json::json;

use super::{
    accounts::form,
    bench::{Bench, call, silent},
};
use crate::{
    config::ServerConfig,
    gateway::{Gateway, Turnstile, TurnstileConfig},
    outbound::OutboundConfig,
};

const CONTACT: &str = "/api/public/contact";

fn node(bench: &Bench, secret: &str) -> Gateway {
    let config = TurnstileConfig {
        enabled: true,
        sitekey: "1x00000000000000000000AA".to_owned(),
        ..TurnstileConfig::default()
    };
    let (server, outbound) = (ServerConfig::default(), OutboundConfig::default());
    let turnstile = Turnstile::open(&config, &server, &outbound, |_| Some(secret.to_owned())).unwrap();
    bench.guarded(turnstile, "us@example.org")
}

fn message() -> serde_json::Value {
    json!({ "name": "Ann", "email": "ann@example.org", "message": "Hello,\nwhat does it cost?" })
}

#[tokio::test(start_paused = true)]
async fn a_person_signs_up_with_the_token_in_a_field_or_a_header() {
    Bench::with(silent(), async |bench| {
        let node = node(bench, "1x0000000000000000000000000000000AA");
        let path = "/api/auth/sign-up";
        let request = || TestRequest::post().uri(path);
        call(&node, request().set_json(form("ann")))
            .await
            .problem(400, "turnstile.required");
        assert!(bench.has_no_letter().await);
        let mut body = form("ann");
        body["turnstileToken"] = json!("a token");
        assert_eq!(call(&node, request().set_json(body)).await.status, 202);
        let mut body = form("bob");
        body["cf-turnstile-response"] = json!("a token");
        assert_eq!(call(&node, request().set_json(body)).await.status, 202);
        let header = request().insert_header(("cf-turnstile-response", "a token"));
        assert_eq!(call(&node, header.set_json(form("eve"))).await.status, 202);
        let fields = [
            ("email", "una@example.org"),
            ("name", "Una"),
            ("password", "correct-horse-battery"),
            ("cf-turnstile-response", "a token"),
        ];
        assert_eq!(call(&node, request().set_form(fields)).await.status, 202);
        for who in ["ann", "bob", "eve", "una"] {
            assert_eq!(bench.letter().await.to.as_str(), format!("{who}@example.org"));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_is_no_person_does_not_sign_up_or_write() {
    Bench::with(silent(), async |bench| {
        for secret in [
            "2x0000000000000000000000000000000AA",
            "3x0000000000000000000000000000000AA",
        ] {
            let node = node(bench, secret);
            for (path, body) in [("/api/public/signup", form("ann")), (CONTACT, message())] {
                let request = TestRequest::post().uri(path).set_json(body);
                let request = request.insert_header(("cf-turnstile-response", "a token"));
                call(&node, request).await.problem(403, "turnstile.failed");
            }
        }
        assert!(bench.has_no_letter().await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_written_to_us_goes_to_whoever_reads_it() {
    Bench::with(silent(), async |bench| {
        let request = || TestRequest::post().uri(CONTACT);
        bench
            .call(request().set_json(message()))
            .await
            .problem(404, "contact.nobody");
        let node = bench.guarded(Turnstile::default(), "us@example.org");
        let sent = call(&node, request().set_json(message())).await;
        assert_eq!((sent.status.as_u16(), sent.json()), (202, json!({ "sent": true })));
        let letter = bench.letter().await;
        assert_eq!(
            (letter.to.as_str(), letter.subject.as_str()),
            ("us@example.org", "A message of Ann")
        );
        assert!(letter.text.contains("Ann <ann@example.org> writes:") && letter.text.contains("what does it cost?"));
        for (name, value) in [
            ("name", "Ann\r\nBcc: all@example.org"),
            ("email", "ann"),
            ("message", ""),
        ] {
            let mut body = message();
            body[name] = json!(value);
            call(&node, request().set_json(body)).await.problem(422, "body.invalid");
        }
        assert!(bench.has_no_letter().await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_widget_is_let_into_its_page_only() {
    Bench::with(silent(), async |bench| {
        let node = node(bench, "1x0000000000000000000000000000000AA");
        let policy = async |node: &Gateway, path: &str| {
            let page = call(node, TestRequest::get().uri(path)).await;
            (
                page.header("content-security-policy")
                    .contains("challenges.cloudflare.com"),
                page.text().contains("cf-turnstile"),
            )
        };
        assert_eq!(policy(&node, "/sign-up").await, (true, true));
        assert_eq!(policy(&node, "/sign-in").await, (false, false));
        assert_eq!(policy(&bench.gateway, "/sign-up").await, (false, false));
    })
    .await;
}
