//! The search engines against a server on this machine.

use actors::ports::{Search, SearchError};
use secrecy::SecretString;

use super::*;
use crate::outbound::server::{Server, answer};
use crate::outbound::{Network, OutboundConfig};

fn json(body: &str) -> String {
    answer("200 OK", "content-type: application/json\r\n", body)
}

fn html(body: &str) -> String {
    answer("200 OK", "content-type: text/html\r\n", body)
}

fn config(provider: Provider, server: &Server) -> SearchConfig {
    let base_url = Some(server.url("127.0.0.1", "/api").to_string());
    SearchConfig {
        provider,
        base_url,
        ..SearchConfig::default()
    }
}

/// An engine that may fetch from this machine too, which no default permits.
fn engine(provider: Provider, server: &Server) -> SearchEngine {
    let allow = vec!["127.0.0.1".parse::<Network>().unwrap()];
    let outbound = OutboundConfig {
        allow,
        ports: vec![server.address().port()],
        ..OutboundConfig::default()
    };
    SearchEngine::new(&config(provider, server), &outbound, Some("the-key".into()))
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn without_a_provider_absence_is_said() {
    let search = open(&SearchConfig::default(), &OutboundConfig::default(), None).unwrap();
    assert_eq!(search.provider(), None);
    assert_eq!(search.search("idea".into(), 3).await, Err(SearchError::Unconfigured));
    assert_eq!(
        search.fetch("https://example.com".into()).await,
        Err(SearchError::Unconfigured)
    );
}

#[tokio::test]
async fn brave_is_asked_and_read_as_documented() {
    let server = Server::start(|request| {
        assert!(request.starts_with("GET /api/web/search?q=a+%26+b&count=2 HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nx-subscription-token: the-key\r\n"), "{request}");
        json(
            r#"{"type":"search","web":{"type":"search","results":[
                {"title":"One &amp; <b>two</b>","url":"https://example.com/1","description":"some <strong>match</strong>"},
                {"title":"Not a page","url":"javascript:alert(1)","description":"x"},
                {"title":"Two","url":"https://example.com/2"},
                {"title":"Three","url":"https://example.com/3","description":"above the limit"}]}}"#,
        )
    })
    .await;
    let engine = engine(Provider::Brave, &server);
    assert_eq!(engine.provider(), Some("brave"));
    let hits = engine.search("a & b".into(), 2).await.unwrap();
    let read: Vec<_> = hits
        .iter()
        .map(|hit| (hit.url.as_str(), hit.title.as_str(), hit.snippet.as_str()))
        .collect();
    assert_eq!(
        read,
        [
            ("https://example.com/1", "One & two", "some match"),
            ("https://example.com/2", "Two", "")
        ]
    );
}

#[tokio::test]
async fn a_query_without_results_is_no_error() {
    let server = Server::start(|_| json(r#"{"type":"search","query":{}}"#)).await;
    assert_eq!(
        engine(Provider::Brave, &server).search("idea".into(), 3).await,
        Ok(Vec::new())
    );
}

#[tokio::test]
async fn tavily_is_asked_and_read_as_documented() {
    let server = Server::start(|request| {
        assert!(request.starts_with("POST /api/search HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nauthorization: Bearer the-key\r\n"), "{request}");
        let body: serde_json::Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(
            body,
            serde_json::json!({ "query": "idea", "max_results": 5, "search_depth": "basic" })
        );
        json(r#"{"results":[{"title":"One","url":"https://example.com/1","content":"text","score":0.9}]}"#)
    })
    .await;
    // More were asked for than the configuration has.
    let hits = engine(Provider::Tavily, &server)
        .search("idea".into(), 50)
        .await
        .unwrap();
    assert_eq!((hits.len(), hits[0].snippet.as_str()), (1, "text"));
}

#[tokio::test]
async fn searxng_is_asked_and_read_as_documented() {
    let server = Server::start(|request| {
        assert!(
            request.starts_with("GET /api/search?q=idea&format=json HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(!request.contains("authorization"), "{request}");
        json(r#"{"query":"idea","results":[{"title":"One","url":"https://example.com/1","content":null}]}"#)
    })
    .await;
    // A configured service may be private although fetching from there is not permitted.
    let search = open(&config(Provider::Searxng, &server), &OutboundConfig::default(), None).unwrap();
    assert_eq!(search.search("idea".into(), 3).await.unwrap().len(), 1);
    let page = server.url("127.0.0.1", "/page").to_string();
    assert!(matches!(search.fetch(page).await, Err(SearchError::Refused(_))));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn failures_of_the_provider_say_what_to_do() {
    for (status, provider, hint) in [
        ("401 Unauthorized", Provider::Tavily, "is the key valid?"),
        ("429 Too Many Requests", Provider::Brave, "too many requests"),
        ("403 Forbidden", Provider::Searxng, "format json"),
        ("500 Internal Server Error", Provider::Brave, "500"),
        ("302 Found", Provider::Brave, "redirects"),
    ] {
        let server = Server::start(move |_| answer(status, "location: https://example.com/\r\n", "{}")).await;
        let error = engine_without_key(provider, &server)
            .search("idea".into(), 3)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, SearchError::Failed(text) if text.contains(hint)),
            "{status}: {error}"
        );
    }
    for body in ["", "<html>", "[]", r#"{"results":[{"title":"no url"}]}"#] {
        let body = body.to_owned();
        let server = Server::start(move |_| json(&body)).await;
        let error = engine_without_key(Provider::Searxng, &server)
            .search("idea".into(), 3)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, SearchError::Failed(text) if text.contains("as documented")),
            "{error}"
        );
    }
}

fn engine_without_key(provider: Provider, server: &Server) -> SearchEngine {
    match provider {
        Provider::Searxng => {
            let config = config(provider, server);
            SearchEngine::new(&config, &OutboundConfig::default(), None)
                .unwrap()
                .unwrap()
        }
        Provider::None | Provider::Brave | Provider::Tavily => engine(provider, server),
    }
}

#[tokio::test]
async fn nothing_is_asked_for_nothing() {
    let server = Server::start(|_| json("{}")).await;
    let engine = engine(Provider::Brave, &server);
    assert_eq!(engine.search("  ".into(), 3).await, Ok(Vec::new()));
    assert_eq!(engine.search("idea".into(), 0).await, Ok(Vec::new()));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_page_is_fetched_as_text() {
    let server = Server::start(|request| {
        if request.starts_with("GET /old ") {
            answer("301 Moved Permanently", "location: /new\r\n", "")
        } else {
            html("<title>A page</title><script>no()</script><h1>Head</h1><p>Some text")
        }
    })
    .await;
    let before = jiff::Timestamp::now().as_second();
    let source = engine(Provider::Brave, &server)
        .fetch(server.url("127.0.0.1", "/old").into())
        .await
        .unwrap();
    assert_eq!(
        (source.title.as_str(), source.text.as_str()),
        ("A page", "Head\nSome text")
    );
    assert_eq!(
        source.url,
        server.url("127.0.0.1", "/new").as_str(),
        "it is the address it came from"
    );
    assert!((before..=jiff::Timestamp::now().as_second()).contains(&source.retrieved_at));
}

#[tokio::test]
async fn a_fetched_page_is_bounded() {
    let server = Server::start(|_| html(&"<p>word ".repeat(300_000))).await;
    let source = engine(Provider::Brave, &server)
        .fetch(server.url("127.0.0.1", "/").into())
        .await
        .unwrap();
    assert!(
        (60_000..=64 * 1024).contains(&source.text.len()),
        "{}",
        source.text.len()
    );
}

#[tokio::test]
async fn what_is_no_readable_page_is_refused_or_fails() {
    let server = Server::start(|request| {
        if request.starts_with("GET /zip ") {
            answer("200 OK", "content-type: application/zip\r\n", "PK")
        } else {
            answer("404 Not Found", "content-type: text/html\r\n", "<p>nothing here")
        }
    })
    .await;
    let engine = engine(Provider::Brave, &server);
    for url in [
        "",
        "example.com",
        "file:///etc/passwd",
        "http://169.254.169.254/",
        "http://example.com:22/",
    ] {
        assert!(
            matches!(engine.fetch(url.into()).await, Err(SearchError::Refused(_))),
            "{url}"
        );
    }
    for path in ["/zip", "/gone"] {
        let error = engine.fetch(server.url("127.0.0.1", path).into()).await.unwrap_err();
        assert!(matches!(error, SearchError::Failed(_)), "{path}: {error}");
    }
}

#[test]
fn a_missing_or_impossible_key_is_named_and_never_shown() {
    let brave = SearchConfig {
        provider: Provider::Brave,
        ..SearchConfig::default()
    };
    let open = |config: &SearchConfig, key: Option<&str>| {
        SearchEngine::new(config, &OutboundConfig::default(), key.map(SecretString::from))
    };
    assert_eq!(
        open(&brave, None).unwrap_err(),
        SearchConfigError::KeyMissing("BRAVE_API_KEY".into())
    );
    assert_eq!(
        open(&brave, Some(" ")).unwrap_err(),
        SearchConfigError::KeyMissing("BRAVE_API_KEY".into())
    );
    let named = SearchConfig {
        api_key_env: Some("OTHER".into()),
        ..brave.clone()
    };
    assert_eq!(
        open(&named, Some("a\nb")).unwrap_err(),
        SearchConfigError::KeyInvalid("OTHER".into())
    );
    let engine = open(&brave, Some("the-key")).unwrap().unwrap();
    assert!(!format!("{engine:?}").contains("the-key"));
}
