//! The client against real connections to this machine.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, FutureExt};
use tokio::net::TcpListener;

use super::*;
use crate::outbound::Network;
use crate::outbound::server::{Server, answer};

fn config(server: &Server, allow: &[&str]) -> OutboundConfig {
    let allow = allow
        .iter()
        .map(|network| network.parse::<Network>().unwrap())
        .collect();
    OutboundConfig {
        allow,
        ports: vec![server.address().port()],
        ..OutboundConfig::default()
    }
}

fn client(server: &Server, allow: &[&str], lookup: Arc<Answers>) -> Outbound {
    let config = config(server, allow);
    Outbound::new(Policy::public(&config), &config, lookup).unwrap()
}

fn page(body: &str) -> String {
    answer("200 OK", "content-type: text/html; charset=utf-8\r\n", body)
}

fn redirect_to(target: &str) -> String {
    answer("302 Found", &format!("location: {target}\r\n"), "")
}

/// A look-up that gives its answers one after the other, and the last one again and again.
struct Answers {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Answers {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self {
            answers: answers.iter().map(parse).collect(),
            asked: AtomicUsize::new(0),
        })
    }

    fn none() -> Arc<Self> {
        Self::new(&[&[]])
    }
}

impl Lookup for Answers {
    fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        std::future::ready(Ok(self.answers[turn].clone())).boxed()
    }
}

fn get(url: Url) -> OutboundRequest {
    OutboundRequest::get(url, 1024)
}

#[tokio::test]
async fn a_listed_private_server_answers() {
    let server = Server::start(|_| page("hello")).await;
    let client = client(&server, &["127.0.0.1"], Answers::none());
    let response = client.send(get(server.url("127.0.0.1", "/"))).await.unwrap();
    assert_eq!(
        (response.status.as_u16(), response.body.as_ref(), response.truncated),
        (200, &b"hello"[..], false)
    );
    assert_eq!(response.content_type.as_deref(), Some("text/html; charset=utf-8"));
}

#[tokio::test]
async fn a_private_server_is_refused_by_address_and_by_name_without_a_connection() {
    let server = Server::start(|_| page("secret")).await;
    let client = client(&server, &[], Answers::new(&[&["127.0.0.1"]]));
    let port = server.address().port();
    let spellings = [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "localhost",
        "rebind.example",
    ];
    for host in spellings {
        let error = client.send(get(server.url(host, "/"))).await.unwrap_err();
        assert!(
            matches!(error, OutboundError::Refused(Refusal::Address { .. })),
            "{host}:{port} {error}"
        );
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn the_real_resolver_is_guarded_too() {
    let server = Server::start(|_| page("secret")).await;
    let client = Outbound::public(&config(&server, &[])).unwrap();
    let error = client.send(get(server.url("localhost", "/"))).await.unwrap_err();
    assert!(
        matches!(error, OutboundError::Refused(Refusal::Address { .. })),
        "{error}"
    );
    let client = Outbound::public(&config(&server, &["127.0.0.0/8", "::1"])).unwrap();
    assert_eq!(
        client.send(get(server.url("localhost", "/"))).await.unwrap().body,
        "secret"
    );
}

#[tokio::test]
async fn a_name_that_changes_its_answer_is_checked_each_time_and_asked_once_per_connection() {
    let server = Server::start(|_| page("hello")).await;
    let lookup = Answers::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let client = client(&server, &["127.0.0.1"], lookup.clone());
    let url = server.url("rebind.example", "/");
    // The first answer is permitted, and it is what the connection uses: a second look-up would have been refused.
    assert_eq!(client.send(get(url.clone())).await.unwrap().body, "hello");
    assert_eq!((lookup.asked.load(Ordering::SeqCst), server.connections()), (1, 1));
    let error = client.send(get(url)).await.unwrap_err();
    let expected = Refusal::Address {
        address: "127.0.0.2".parse().unwrap(),
        scope: crate::outbound::Scope::Loopback,
    };
    assert_eq!(error, OutboundError::Refused(expected));
    assert_eq!((lookup.asked.load(Ordering::SeqCst), server.connections()), (2, 1));
}

#[tokio::test]
async fn a_refused_address_among_permitted_ones_is_not_connected_to() {
    let server = Server::start(|_| page("hello")).await;
    let client = client(
        &server,
        &["127.0.0.1"],
        Answers::new(&[&["::1", "10.0.0.1", "127.0.0.1"]]),
    );
    assert_eq!(
        client.send(get(server.url("mixed.example", "/"))).await.unwrap().body,
        "hello"
    );
}

#[tokio::test]
async fn a_redirect_is_followed_where_it_is_permitted() {
    let server = Server::start(|head| {
        if head.starts_with("GET /start ") {
            redirect_to("/end?x=1")
        } else {
            page("arrived")
        }
    })
    .await;
    let client = client(&server, &["127.0.0.1"], Answers::none());
    let response = client.send(get(server.url("127.0.0.1", "/start"))).await.unwrap();
    assert_eq!(response.body, "arrived");
    assert_eq!(response.url, server.url("127.0.0.1", "/end?x=1"));
}

#[tokio::test]
async fn a_redirect_to_a_refused_place_is_refused() {
    let secret = Server::start(|_| page("secret")).await;
    let hidden = secret.address().port();
    for (target, by_name) in [
        (format!("http://127.0.0.2:{hidden}/"), false),
        (format!("http://[::1]:{hidden}/"), false),
        ("http://169.254.169.254/latest/".to_owned(), false),
        ("file:///etc/passwd".to_owned(), false),
        (format!("//inner.example:{hidden}/"), true),
    ] {
        let to = target.clone();
        let server = Server::start(move |_| redirect_to(&to)).await;
        let mut config = config(&server, &["127.0.0.1"]);
        config.ports.extend([80, hidden]);
        let lookup = Answers::new(&[&["127.0.0.3"]]);
        let client = Outbound::new(Policy::public(&config), &config, lookup.clone()).unwrap();
        let error = client.send(get(server.url("127.0.0.1", "/"))).await.unwrap_err();
        assert!(matches!(error, OutboundError::Refused(_)), "{target}: {error}");
        assert_eq!(lookup.asked.load(Ordering::SeqCst), usize::from(by_name), "{target}");
    }
    assert_eq!(secret.connections(), 0);
}

#[tokio::test]
async fn redirects_are_counted() {
    let server = Server::start(|_| redirect_to("/again")).await;
    let client = client(&server, &["127.0.0.1"], Answers::none());
    let error = client.send(get(server.url("127.0.0.1", "/"))).await.unwrap_err();
    assert_eq!(error, OutboundError::TooManyRedirects(3));
    assert_eq!(server.connections(), 4);
}

#[tokio::test]
async fn headers_do_not_follow_to_another_origin() {
    let other = Server::start(|head| page(if head.contains("x-key") { "leaked" } else { "clean" })).await;
    let target = other.url("127.0.0.1", "/").to_string();
    let server = Server::start(move |head| {
        assert!(head.contains("x-key: 1"), "{head}");
        redirect_to(&target)
    })
    .await;
    let mut config = config(&server, &["127.0.0.1"]);
    config.ports.push(other.address().port());
    let client = Outbound::new(Policy::public(&config), &config, Answers::none()).unwrap();
    let mut request = get(server.url("127.0.0.1", "/"));
    request.headers.insert("x-key", "1".parse().unwrap());
    assert_eq!(client.send(request).await.unwrap().body, "clean");
}

#[tokio::test]
async fn a_body_is_read_up_to_its_bound() {
    let server = Server::start(|_| page(&"x".repeat(200_000))).await;
    let client = client(&server, &["127.0.0.1"], Answers::none());
    let response = client.send(get(server.url("127.0.0.1", "/"))).await.unwrap();
    assert_eq!((response.body.len(), response.truncated), (1024, true));
    let whole = OutboundRequest {
        max_bytes: 200_000,
        ..get(server.url("127.0.0.1", "/"))
    };
    let response = client.send(whole).await.unwrap();
    assert_eq!((response.body.len(), response.truncated), (200_000, false));
}

#[tokio::test]
async fn a_type_that_was_not_asked_for_is_not_read() {
    let server = Server::start(|_| answer("200 OK", "content-type: application/zip\r\n", "PK")).await;
    let client = client(&server, &["127.0.0.1"], Answers::none());
    let request = OutboundRequest {
        accept: &["text/html"],
        ..get(server.url("127.0.0.1", "/"))
    };
    assert_eq!(
        client.send(request).await.unwrap_err(),
        OutboundError::MediaType("application/zip".into())
    );
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let server = Server::start(|_| String::new()).await;
    let config = OutboundConfig {
        total_seconds: 1,
        ..config(&server, &["127.0.0.1"])
    };
    let client = Outbound::new(Policy::public(&config), &config, Answers::none()).unwrap();
    let error = client.send(get(server.url("127.0.0.1", "/"))).await.unwrap_err();
    assert_eq!(error, OutboundError::TimedOut(Duration::from_secs(1)));
    assert_eq!(server.connections(), 1, "the request had reached it");
}

#[tokio::test]
async fn a_failure_does_not_repeat_the_query() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let config = OutboundConfig {
        allow: vec!["127.0.0.1".parse().unwrap()],
        ports: vec![port],
        ..OutboundConfig::default()
    };
    let client = Outbound::new(Policy::public(&config), &config, Answers::none()).unwrap();
    let url = Url::parse(&format!("http://127.0.0.1:{port}/?q=private-idea")).unwrap();
    let error = client.send(get(url)).await.unwrap_err();
    assert!(matches!(error, OutboundError::Failed(_)), "{error}");
    assert!(!error.to_string().contains("private-idea"), "{error}");
}
