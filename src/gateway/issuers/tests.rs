//! Issuers that answer well, badly, or not at all.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::advance;

use super::{
    key_cache::{ASK_EVERY, FRESH_FOR, KEPT_FOR},
    signing::SigningKey,
    *,
};
use crate::outbound::server::{Server, answer};

/// An issuer on this machine.
pub(crate) struct IssuerServer {
    server: Server,
    answers: Arc<Mutex<Answers>>,
}

#[derive(Default)]
struct Answers {
    keys: String,
    /// What is answered whatever is asked.
    instead: Option<String>,
    /// What the discovery document says beside the truth.
    document: Value,
}

impl IssuerServer {
    pub(crate) async fn start(keys: &[&SigningKey]) -> Self {
        let answers = Arc::new(Mutex::new(Answers::default()));
        let shared = Arc::clone(&answers);
        let server = Server::start(move |request| {
            let answers = shared.lock();
            if let Some(instead) = &answers.instead {
                return instead.clone();
            }
            let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
            let body = match request.split(' ').nth(1).unwrap() {
                "/.well-known/openid-configuration" => {
                    let mut document =
                        json!({ "issuer": format!("http://{host}"), "jwks_uri": format!("http://{host}/keys") });
                    for (name, value) in answers.document.as_object().into_iter().flatten() {
                        document[name] = value.clone();
                    }
                    document.to_string()
                }
                "/keys" => answers.keys.clone(),
                other => panic!("nobody is to ask for {other}"),
            };
            answer("200 OK", "content-type: application/json\r\n", &body)
        })
        .await;
        let issuer = Self { server, answers };
        issuer.publish(keys);
        issuer
    }

    /// What its tokens call it.
    pub(crate) fn name(&self) -> String {
        let url = self.server.url("127.0.0.1", "");
        url.as_str().trim_end_matches('/').to_owned()
    }

    /// Has other keys from now on.
    pub(crate) fn publish(&self, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        self.answers.lock().keys = json!({ "keys": keys }).to_string();
    }

    /// Answers this whatever it is asked; nothing means the truth again.
    pub(crate) fn answer(&self, instead: Option<String>) {
        self.answers.lock().instead = instead;
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.server.connections()
    }

    /// A configuration by which its keys are asked for directly.
    pub(crate) fn config(&self) -> IssuerConfig {
        IssuerConfig {
            jwks_url: self.server.url("127.0.0.1", "/keys").to_string(),
            ..self.discovered()
        }
    }

    /// A configuration by which it is asked where its keys are.
    fn discovered(&self) -> IssuerConfig {
        let text = format!("issuer = '{}'\naudience = 'foundation'\ntenant = 'acme'", self.name());
        toml::from_str(&text).unwrap()
    }

    /// What its tokens say.
    pub(crate) fn claims(&self, email: &str) -> Value {
        let now = jsonwebtoken::get_current_timestamp();
        json!({
            "iss": self.name(),
            "aud": "foundation",
            "iat": now,
            "exp": now + 3600,
            "email": email,
            "email_verified": true,
        })
    }

    fn token(&self, key: &SigningKey) -> String {
        key.sign(&self.claims("ann@example.org"))
    }
}

/// A moment in which a question is answered.
async fn verify(issuers: &Issuers, token: &str) -> Result<Proven, IssuerError> {
    issuers
        .named_by(token)
        .expect("the token names the issuer")
        .verify(token)
        .await
}

fn open(config: IssuerConfig) -> Issuers {
    Issuers::open(&[config], &OutboundConfig::default()).unwrap()
}

const INVALID: Result<Proven, IssuerError> = Err(IssuerError::Unproven(Unproven::Invalid));
const UNREACHABLE: Result<Proven, IssuerError> = Err(IssuerError::Unreachable);

#[tokio::test(start_paused = true)]
async fn keys_are_found_where_the_configuration_or_the_issuer_says_and_asked_for_once() {
    let key = SigningKey::ed25519("one");
    let issuer = IssuerServer::start(&[&key]).await;
    for (config, questions) in [(issuer.config(), 1), (issuer.discovered(), 2)] {
        let (issuers, before) = (open(config), issuer.asked());
        for _ in 0..3 {
            let proven = verify(&issuers, &issuer.token(&key)).await.unwrap();
            assert_eq!(proven.email.as_str(), "ann@example.org");
        }
        assert_eq!(issuer.asked() - before, questions);
        assert_eq!(issuers.check().await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn many_who_come_at_once_have_the_issuer_asked_once() {
    let key = SigningKey::ed25519("one");
    let issuer = IssuerServer::start(&[&key]).await;
    let issuers = open(issuer.config());
    let tokens: Vec<_> = (0..50).map(|_| issuer.token(&key)).collect();
    let verified = join_all(tokens.iter().map(|token| verify(&issuers, token))).await;
    assert!(verified.iter().all(Result::is_ok));
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_has_the_issuer_asked_once_in_a_while() {
    let (key, unknown) = (SigningKey::ed25519("one"), SigningKey::ed25519("two"));
    let issuer = IssuerServer::start(&[&key]).await;
    let issuers = open(issuer.config());
    assert!(verify(&issuers, &issuer.token(&key)).await.is_ok());
    let token = issuer.token(&unknown);
    assert_eq!(verify(&issuers, &token).await, INVALID);
    assert_eq!(issuer.asked(), 1, "the keys were read a moment ago");
    advance(ASK_EVERY).await;
    for _ in 0..100 {
        assert_eq!(verify(&issuers, &token).await, INVALID);
    }
    assert_eq!(issuer.asked(), 2);
    advance(ASK_EVERY).await;
    issuer.publish(&[&key, &unknown]);
    assert!(verify(&issuers, &token).await.is_ok(), "a key that was added is found");
    assert!(verify(&issuers, &issuer.token(&key)).await.is_ok());
    assert_eq!(issuer.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_withdrawn_counts_no_longer_than_keys_are_fresh() {
    let (old, new) = (SigningKey::ed25519("one"), SigningKey::ed25519("two"));
    let issuer = IssuerServer::start(&[&old]).await;
    let issuers = open(issuer.config());
    assert!(verify(&issuers, &issuer.token(&old)).await.is_ok());
    issuer.publish(&[&new]);
    advance(FRESH_FOR - ASK_EVERY).await;
    assert!(verify(&issuers, &issuer.token(&old)).await.is_ok());
    advance(ASK_EVERY).await;
    assert_eq!(verify(&issuers, &issuer.token(&old)).await, INVALID);
    assert!(verify(&issuers, &issuer.token(&new)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn while_the_issuer_does_not_answer_the_last_keys_count_for_an_hour() {
    let key = SigningKey::ed25519("one");
    let issuer = IssuerServer::start(&[&key]).await;
    let issuers = open(issuer.config());
    assert!(verify(&issuers, &issuer.token(&key)).await.is_ok());
    issuer.answer(Some(answer("503 Service Unavailable", "", "")));
    let tenth = KEPT_FOR / 10;
    for _ in 0..9 {
        advance(tenth).await;
        assert!(verify(&issuers, &issuer.token(&key)).await.is_ok());
    }
    assert!(issuers.check().await.unwrap_err().contains("503"), "admins see it");
    advance(tenth).await;
    assert_eq!(verify(&issuers, &issuer.token(&key)).await, UNREACHABLE);
    issuer.answer(None);
    advance(ASK_EVERY).await;
    assert!(verify(&issuers, &issuer.token(&key)).await.is_ok());
    assert_eq!(issuers.check().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_says_nothing_keeps_a_request_for_a_second() {
    let key = SigningKey::ed25519("one");
    let issuer = IssuerServer::start(&[&key]).await;
    issuer.answer(Some(String::new()));
    let issuers = open(issuer.config());
    let begun = tokio::time::Instant::now();
    assert_eq!(verify(&issuers, &issuer.token(&key)).await, UNREACHABLE);
    assert!(begun.elapsed().as_secs() <= 1, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn answers_that_hold_no_keys_are_none() {
    let key = SigningKey::ed25519("one");
    let issuer = IssuerServer::start(&[&key]).await;
    let keys = issuer.answers.lock().keys.clone();
    let elsewhere = Server::start(|_| panic!("nobody is to come here")).await;
    let moved = format!("location: {}\r\n", elsewhere.url("127.0.0.1", "/keys"));
    let long = format!("{keys}{}", " ".repeat(200 * 1024));
    for (instead, why) in [
        (answer("302 Found", &moved, ""), "redirect"),
        (answer("307 Temporary Redirect", &moved, &keys), "redirect"),
        (answer("500 Internal Server Error", "", &keys), "500"),
        (answer("201 Created", "", &keys), "201"),
        (answer("200 OK", "", &long), "131072 bytes"),
        (answer("200 OK", "", "<html>"), "no set of keys"),
    ] {
        issuer.answer(Some(instead));
        let issuers = open(issuer.config());
        assert_eq!(verify(&issuers, &issuer.token(&key)).await, UNREACHABLE, "{why}");
        let fault = issuers.check().await.unwrap_err();
        assert!(fault.contains(&issuer.name()) && fault.contains(why), "{why}: {fault}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_discovery_document_leads_to_no_other_issuer_and_to_no_place_inside() {
    let key = SigningKey::ed25519("one");
    let issuer = IssuerServer::start(&[&key]).await;
    let inside = Server::start(|_| panic!("nobody is to come here")).await;
    for (document, why) in [
        (json!({ "issuer": "https://evil.example" }), "another issuer"),
        (json!({ "issuer": format!("{}/", issuer.name()) }), "another issuer"),
        (json!({ "jwks_uri": "http://id.example/keys" }), "jwks_uri"),
        (json!({ "jwks_uri": "file:///etc/passwd" }), "jwks_uri"),
        (
            json!({ "jwks_uri": inside.url("127.0.0.1", "/keys").as_str() }),
            "another port of this machine",
        ),
        (json!({ "jwks_uri": "https://10.0.0.1/keys" }), "a private address"),
        (json!({ "jwks_uri": null }), "no address"),
    ] {
        issuer.answers.lock().document = document;
        let issuers = open(issuer.discovered());
        assert_eq!(verify(&issuers, &issuer.token(&key)).await, UNREACHABLE, "{why}");
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_looked_up_by_the_issuer_it_names() {
    let key = SigningKey::ed25519("one");
    let issuer = IssuerServer::start(&[&key]).await;
    let (issuers, token) = (open(issuer.config()), issuer.token(&key));
    assert!(issuers.named_by(&token).is_some());
    assert!(Issuers::default().named_by(&token).is_none());
    let mut claims = issuer.claims("ann@example.org");
    claims["iss"] = json!("https://id.example");
    let long = key.sign(&json!({ "iss": issuer.name(), "groups": "x".repeat(TOKEN_BYTES_MAX) }));
    for other in [
        key.sign(&claims),
        long,
        "a.b.c".to_owned(),
        String::new(),
        "a".to_owned(),
    ] {
        assert!(issuers.named_by(&other).is_none(), "{other}");
    }
    assert_eq!(issuer.asked(), 0);
}
