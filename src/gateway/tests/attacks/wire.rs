//! What is no request, or takes for ever to be one, on a real socket.

use std::time::Duration;

use actix_web::test::TestRequest;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::super::bench::{Bench, IDEA, silent};
use actors::role::Role;

/// Longest time that a client in these tests waits for anything.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the server sends until it closes the connection.
async fn to_the_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is reset is closed too.
    timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the server closes the connection")
        .ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer with a `Content-Length`, on a connection that goes on.
async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut byte = [0];
        timeout(PATIENCE, stream.read_exact(&mut byte)).await.unwrap().unwrap();
        bytes.push(byte[0]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            line.to_lowercase()
                .strip_prefix("content-length:")
                .map(str::trim)
                .map(str::to_owned)
        });
        if body.len() == length.unwrap().parse::<usize>().unwrap() {
            return text;
        }
    }
}

/// Sends everything at once and says what comes back.
async fn exchange(bench: &Bench, request: &str) -> String {
    let mut stream = bench.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    to_the_end(&mut stream).await
}

/// Sends a text slowly and without end; says how long that is let happen.
async fn drip(stream: &mut TcpStream, text: &str) -> Duration {
    let begun = Instant::now();
    for byte in text.bytes().cycle() {
        sleep(Duration::from_secs(1)).await;
        if begun.elapsed() > PATIENCE || stream.write_all(&[byte]).await.is_err() {
            break;
        }
    }
    begun.elapsed()
}

fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_end_is_in_doubt_is_refused_and_nothing_after_it_is_read() {
    Bench::with(silent(), async |bench| {
        let smuggled = "GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        for (version, framing) in [
            ("1.1", "content-length: 4\r\ntransfer-encoding: chunked"),
            ("1.1", "transfer-encoding: chunked\r\ncontent-length: 4"),
            ("1.1", "content-length: 4\r\ncontent-length: 5"),
            ("1.1", "content-length: 4\r\ncontent-length: 4"),
            ("1.1", "content-length: 4, 5"),
            ("1.1", "content-length: +4"),
            ("1.1", "content-length: -4"),
            ("1.1", "content-length: 0x4"),
            ("1.1", "content-length : 4"),
            ("1.1", "transfer-encoding: chunked\r\ntransfer-encoding: identity"),
            ("1.1", "transfer-encoding: xchunked"),
            ("1.1", "transfer-encoding: chunked, identity"),
            ("1.1", "transfer-encoding:\u{b}chunked"),
            ("1.1", "content-length: 4\r\ntransfer-encoding: identity"),
            ("1.0", "transfer-encoding: chunked"),
            ("1.0", "content-length: 4\r\ntransfer-encoding: chunked"),
        ] {
            let request = format!("POST /theme HTTP/{version}\r\nhost: x\r\n{framing}\r\n\r\n0\r\n\r\n{smuggled}");
            let seen = exchange(bench, &request).await;
            assert_eq!(answers(&seen), 1, "{framing}: {seen}");
            assert!(seen.contains(" 400 "), "{framing}: {seen}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_breaks_its_lines_otherwise_is_refused() {
    Bench::with(silent(), async |bench| {
        for head in [
            "GET /ready HTTP/1.1\r\nhost: x\r\n folded: y\r\n\r\n",
            "GET /ready HTTP/1.1\r\nhost: x\r\nname\r\n\r\n",
            "GET /ready HTTP/1.1\r\nhost: x\r\nna me: y\r\n\r\n",
            "GET /ready HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
            "GET /ready HTTP/1.1\r\nhost: x\r\na: b\0c\r\n\r\n",
            "GET /rea dy HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET /ready HTTP/9.9\r\nhost: x\r\n\r\n",
            "GET\u{1}/ready HTTP/1.1\r\nhost: x\r\n\r\n",
        ] {
            let seen = exchange(bench, head).await;
            assert!(answers(&seen) == 1 && seen.contains(" 400 "), "{head:?}: {seen}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_head_with_too_much_in_it_is_refused_and_not_kept() {
    Bench::with(silent(), async |bench| {
        let many: String = (0..2_000).map(|number| format!("x-{number}: y\r\n")).collect();
        let long = format!("x: {}\r\n", "y".repeat(1024 * 1024));
        let endless = "z".repeat(1024 * 1024);
        for head in [
            format!("GET /ready HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
            format!("GET /ready HTTP/1.1\r\nhost: x\r\n{long}\r\n"),
            format!("GET /{endless} HTTP/1.1\r\nhost: x\r\n\r\n"),
        ] {
            let mut stream = bench.connect().await;
            // The server need not read what it refuses.
            stream.write_all(head.as_bytes()).await.ok();
            let seen = to_the_end(&mut stream).await;
            assert!(!seen.contains(" 200 "), "{seen}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_first_head_that_comes_byte_by_byte_is_not_waited_for() {
    Bench::with(silent(), async |bench| {
        let mut stream = bench.connect().await;
        stream
            .write_all(b"GET /ready HTTP/1.1\r\nhost: x\r\nx: ")
            .await
            .unwrap();
        let held = drip(&mut stream, "y").await;
        assert!(held < Duration::from_secs(10), "{held:?}");
        assert!(to_the_end(&mut stream).await.starts_with("HTTP/1.1 408 "));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_later_head_that_comes_byte_by_byte_is_not_waited_for_either() {
    Bench::with(silent(), async |bench| {
        let mut stream = bench.connect().await;
        for _ in 0..20 {
            stream
                .write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
                .await
                .unwrap();
            assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
            sleep(Duration::from_secs(1)).await;
        }
        stream
            .write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nx: ")
            .await
            .unwrap();
        let held = drip(&mut stream, "y").await;
        assert!(held < Duration::from_secs(15), "{held:?}");
        assert_eq!(to_the_end(&mut stream).await, "");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_is_closed() {
    Bench::with(silent(), async |bench| {
        for sent in [
            "",
            "GET",
            "GET /health HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET /health HTTP/1.1\r\nhost: x\r\n\r\nGET",
        ] {
            let mut stream = bench.connect().await;
            stream.write_all(sent.as_bytes()).await.unwrap();
            let begun = Instant::now();
            to_the_end(&mut stream).await;
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{sent:?}: {:?}",
                begun.elapsed()
            );
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_byte_by_byte_is_not_waited_for() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("default", "ann", Role::Admin).await;
        for (path, framing, piece) in [
            ("/api/planning/runs", "content-length: 60000", "{\"idea\": "),
            ("/api/planning/runs", "transfer-encoding: chunked", "1\r\n \r\n"),
            // Nobody reads this one.
            ("/api/auth/sign-out", "content-length: 60000", "y"),
        ] {
            let mut stream = bench.connect().await;
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
                 content-type: application/json\r\n{framing}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            let held = drip(&mut stream, piece).await;
            assert!(held < Duration::from_secs(60), "{path} {framing}: {held:?}");
            let seen = to_the_end(&mut stream).await;
            assert!(
                !path.contains("runs") || seen.contains(" 408 "),
                "{path} {framing}: {seen}"
            );
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_in_chunks_is_counted() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("default", "ann", Role::Admin).await;
        let idea = json!({ "idea": IDEA }).to_string();
        let filler = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
        let body = format!("{:x}\r\n{idea}\r\n{}0\r\n\r\n", idea.len(), filler.repeat(17));
        let request = format!(
            "POST /api/planning/runs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{body}"
        );
        let seen = exchange(bench, &request).await;
        assert!(
            seen.starts_with("HTTP/1.1 413 ") && seen.contains("body.too-large"),
            "{seen}"
        );
        assert_eq!(bench.get("/api/planning/runs").await.json()["items"], json!([]));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_let_go() {
    Bench::with(silent(), async |bench| {
        let page = bench.call(TestRequest::get().uri("/sign-in")).await.text();
        let file = page
            .split('"')
            .find(|text| text.starts_with("/assets/") && text.contains("css"))
            .unwrap();
        let mut stream = bench.connect().await;
        let begun = Instant::now();
        let many = format!("GET {file} HTTP/1.1\r\nhost: x\r\n\r\n").repeat(64);
        // It asks and reads nothing, until nothing more can be sent either way.
        let mut is_over = false;
        for _ in 0..20_000 {
            let sent = timeout(PATIENCE, stream.write_all(many.as_bytes())).await;
            is_over = sent.expect("the server lets go").is_err();
            if is_over {
                break;
            }
        }
        assert!(is_over, "the server takes whatever comes");
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    })
    .await;
}
