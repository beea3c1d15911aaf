//! WebSockets to agents, on real connections: who gets in, what is put together, and how each connection ends.

use std::time::Duration;

use actix_web::{http::header, test::TestRequest};
use actors::role::Role;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        handshake::client::Request,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use super::{
    accounts::{enter, me, settle, with},
    bench::{Bench, connect_to, silent},
};
use crate::gateway::{SocketsConfig, recent::FRESH};

/// Longest time that a client in these tests waits for anything.
const PATIENCE: Duration = Duration::from_secs(300);

const ECHO: &str = "/agents/echo/x";

type Socket = WebSocketStream<TcpStream>;

fn request(path: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = format!("ws://127.0.0.1:8788{path}").into_client_request().unwrap();
    for (name, value) in headers {
        let name: header::HeaderName = name.parse().unwrap();
        let value = value.parse().unwrap();
        request.headers_mut().insert(
            name.as_str()
                .parse::<tokio_tungstenite::tungstenite::http::HeaderName>()
                .unwrap(),
            value,
        );
    }
    request
}

async fn open(bench: &Bench, path: &str, headers: &[(&str, &str)]) -> Result<Socket, (u16, Value)> {
    match client_async(request(path, headers), bench.connect().await).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            Err((
                response.status().as_u16(),
                serde_json::from_slice(&body).unwrap_or_default(),
            ))
        }
        Err(error) => panic!("{error}"),
    }
}

async fn signed_in(bench: &Bench, path: &str, token: &str) -> Socket {
    let bearer = format!("Bearer {token}");
    open(bench, path, &[("authorization", &bearer)]).await.unwrap()
}

async fn hear(socket: &mut Socket) -> Message {
    timeout(PATIENCE, socket.next())
        .await
        .expect("something comes")
        .unwrap()
        .unwrap()
}

async fn hear_json(socket: &mut Socket) -> Value {
    serde_json::from_str(hear(socket).await.to_text().unwrap()).unwrap()
}

/// Hears what every agent says first.
async fn introduction(socket: &mut Socket) {
    assert_eq!(hear_json(socket).await["type"], "cf_agent_identity");
    assert_eq!(hear_json(socket).await["type"], "cf_agent_mcp_servers");
}

/// The code and reason with which the server ends the connection.
async fn hear_end(socket: &mut Socket) -> (u16, String) {
    loop {
        match timeout(Duration::from_secs(600), socket.next()).await.expect("it ends") {
            Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
            Some(Ok(_)) => {}
            other => panic!("it ends without a code: {other:?}"),
        }
    }
}

async fn echoes(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
    loop {
        match hear(socket).await {
            Message::Ping(_) => {}
            heard => return assert_eq!(heard, Message::text(text)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_shows_who_they_are_gets_in() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let (bearer, cookie) = (format!("Bearer {token}"), format!("session_id={token}"));
        let protocols = format!("foundation, bearer.{token}");
        let ways: [&[(&str, &str)]; 3] = [
            &[("authorization", &bearer)],
            &[("sec-websocket-protocol", &protocols)],
            &[("cookie", &cookie), ("origin", "http://127.0.0.1:8788")],
        ];
        for headers in ways {
            for path in [ECHO, "/api/agents/echo/x"] {
                let mut socket = open(bench, path, headers).await.unwrap();
                introduction(&mut socket).await;
                socket
                    .send(Message::text(r#"{"type":"rpc","id":"1","method":"whoami","args":[]}"#))
                    .await
                    .unwrap();
                assert_eq!(hear_json(&mut socket).await["result"], json!(["ann", false]));
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_is_told_why() {
    /// Path, headers, status, code.
    type Refused<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, &'a str);
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let (bearer, cookie) = (format!("Bearer {token}"), format!("session_id={token}"));
        let (only, twice) = (format!("bearer.{token}"), format!("a, bearer.{token}, bearer.x"));
        let refused: [Refused<'_>; 7] = [
            (ECHO, &[], 401, "auth.required"),
            (ECHO, &[("cookie", &cookie)], 403, "auth.origin"),
            (
                ECHO,
                &[("cookie", &cookie), ("origin", "https://evil.example")],
                403,
                "auth.origin",
            ),
            (ECHO, &[("sec-websocket-protocol", &only)], 400, "socket.protocol"),
            (ECHO, &[("sec-websocket-protocol", &twice)], 401, "auth.ambiguous"),
            (
                ECHO,
                &[("sec-websocket-protocol", "a, bearer.x")],
                401,
                "auth.invalid-token",
            ),
            ("/agents/nothing/x", &[("authorization", &bearer)], 400, "agent.unknown"),
        ];
        for (path, headers, status, code) in refused {
            let (found, problem) = open(bench, path, headers).await.err().unwrap();
            assert_eq!((found, &problem["code"]), (status, &json!(code)), "{headers:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn messages_go_both_ways_and_pings_are_answered() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let mut socket = signed_in(bench, ECHO, &token).await;
        introduction(&mut socket).await;
        for length in [0, 1, 125, 126, 65_535, 65_536, 256 * 1024] {
            echoes(&mut socket, &"x".repeat(length)).await;
        }
        socket.send(Message::binary(vec![0, 255, 7])).await.unwrap();
        assert_eq!(hear(&mut socket).await, Message::binary(vec![0, 255, 7]));
        socket.send(Message::Ping("are you there".into())).await.unwrap();
        assert_eq!(hear(&mut socket).await, Message::Pong("are you there".into()));
        // More than wait for the actor at a time, and in order.
        for number in 0..200 {
            socket.feed(Message::text(number.to_string())).await.unwrap();
        }
        socket.flush().await.unwrap();
        for number in 0..200 {
            assert_eq!(hear(&mut socket).await, Message::text(number.to_string()));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_is_returned_and_one_of_the_agent_is_told() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let mut socket = signed_in(bench, ECHO, &token).await;
        let farewell = CloseFrame {
            code: CloseCode::Library(4321),
            reason: "enough".into(),
        };
        socket.close(Some(farewell)).await.unwrap();
        assert_eq!(hear_end(&mut socket).await.0, 4321);
        assert!(socket.next().await.is_none_or(|end| end.is_err()));
        let mut socket = signed_in(bench, ECHO, &token).await;
        socket.send(Message::text("bye")).await.unwrap();
        assert_eq!(hear_end(&mut socket).await, (4001, "as you like".to_owned()));
        while bench.gateway.cluster.sockets() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// What a client of no library sends, behind an opening handshake.
async fn raw(bench: &Bench, token: &str, frames: &[u8]) -> (TcpStream, Vec<u8>) {
    let mut stream = bench.connect().await;
    let head = format!(
        "GET {ECHO} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        seen.push(stream.read_u8().await.unwrap());
    }
    assert!(seen.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&seen));
    stream.write_all(frames).await.ok();
    (stream, seen)
}

/// The code in the last frame before the server closes the connection.
async fn raw_end(mut stream: TcpStream) -> Option<u16> {
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the connection is closed")
        .ok();
    let mut rest = &bytes[..];
    while let [first, length, ..] = *rest {
        let (skip, length) = match length {
            126 => (4, usize::from(u16::from_be_bytes([rest[2], rest[3]]))),
            length => (2, usize::from(length)),
        };
        let payload = &rest[skip..skip + length];
        if first == 0x88 {
            return Some(u16::from_be_bytes([payload[0], payload[1]]));
        }
        rest = &rest[skip + length..];
    }
    None
}

#[tokio::test(start_paused = true)]
async fn what_breaks_the_protocol_ends_with_its_code_and_costs_others_nothing() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let mut other = signed_in(bench, ECHO, &token).await;
        introduction(&mut other).await;
        // A mask of zeros leaves what is sent as it is.
        let corpus: [(&[u8], u16); 12] = [
            (b"\x81\x01x", 1002),
            (b"\xc1\x81\0\0\0\0x", 1002),
            (b"\x83\x81\0\0\0\0x", 1002),
            (b"\x09\x81\0\0\0\0x", 1002),
            (b"\x89\xfe\x00\x7e\0\0\0\0", 1002),
            (b"\x88\x81\0\0\0\0\x03", 1002),
            (b"\x88\x82\0\0\0\0\x03\xed", 1002),
            (b"\x80\x81\0\0\0\0x", 1002),
            (b"\x01\x81\0\0\0\0x\x81\x81\0\0\0\0y", 1002),
            (b"\x81\x81\0\0\0\0\xff", 1007),
            (b"\x81\xff\0\0\0\0\0\x20\0\0\0\0\0\0", 1009),
            (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009),
        ];
        for (frames, code) in corpus {
            let (stream, _) = raw(bench, &token, frames).await;
            assert_eq!(raw_end(stream).await, Some(code), "{frames:?}");
            echoes(&mut other, "still here").await;
        }
        // What comes before is answered.
        let (stream, _) = raw(bench, &token, b"\x81\x82\0\0\0\0hi\x81\x01x").await;
        assert_eq!(raw_end(stream).await, Some(1002));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_sign_of_life_is_taken_for_lost() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let (mut stream, _) = raw(bench, &token, &[]).await;
        let began = Instant::now();
        let mut bytes = Vec::new();
        timeout(Duration::from_secs(300), stream.read_to_end(&mut bytes))
            .await
            .unwrap()
            .unwrap();
        let held = began.elapsed();
        assert!(
            (Duration::from_secs(85)..Duration::from_secs(125)).contains(&held),
            "{held:?}"
        );
        assert!(bytes.ends_with(&[0x89, 0]), "it was asked");
        while bench.gateway.cluster.sockets() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// What a client does behind half of something.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Half {
    /// Closes its side, and listens.
    Shut,
    /// Is gone, without a word.
    Reset,
    /// Says nothing any more.
    Silent,
}

#[tokio::test(start_paused = true)]
async fn half_a_connection_or_half_a_frame_is_taken_for_lost_and_costs_others_nothing() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let mut other = signed_in(bench, ECHO, &token).await;
        introduction(&mut other).await;
        let begun: [&[u8]; 5] = [
            b"",
            b"\x81",
            b"\x81\x85\0\0\0\0he",
            b"\x01\x81\0\0\0\0x",
            b"\x82\xff\0\0\0\0\0\x08\0\0\0\0\0\0x",
        ];
        for half in [Half::Shut, Half::Reset, Half::Silent] {
            for frames in begun {
                let (mut stream, _) = raw(bench, &token, frames).await;
                match half {
                    Half::Shut => stream.shutdown().await.unwrap(),
                    Half::Reset => stream.set_zero_linger().unwrap(),
                    Half::Silent => {}
                }
                let ends = async {
                    if half == Half::Reset {
                        drop(stream);
                    } else {
                        assert_eq!(raw_end(stream).await, None, "{half:?} {frames:?}");
                    }
                    while bench.gateway.cluster.sockets() > 1 {
                        sleep(Duration::from_millis(10)).await;
                    }
                };
                tokio::select! {
                    ended = timeout(PATIENCE, ends) => ended.expect("its actor is told"),
                    end = hear_end_slowly(&mut other) => panic!("another client lost its socket: {end:?}"),
                }
                echoes(&mut other, "still here").await;
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_answers_pings_stays_until_the_connection_has_lived_for_long() {
    Bench::with(silent(), async |bench| {
        let token = bench
            .session("acme", "ann", Role::Operator, Duration::from_secs(48 * 3600))
            .await;
        let mut socket = signed_in(bench, ECHO, &token).await;
        let began = Instant::now();
        let end = timeout(Duration::from_secs(30 * 3600), hear_end_slowly(&mut socket))
            .await
            .unwrap();
        assert_eq!(end, (1012, "the connection has lived for long".to_owned()));
        let held = began.elapsed();
        assert!(
            (Duration::from_secs(86_390)..Duration::from_secs(86_500)).contains(&held),
            "{held:?}"
        );
    })
    .await;
}

/// As [`hear_end`], for as long as it takes.
async fn hear_end_slowly(socket: &mut Socket) -> (u16, String) {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
            Some(Ok(_)) => {}
            other => panic!("it ends without a code: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_signs_out_is_disconnected_for_good_and_whoever_gets_another_role_comes_back() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let mut socket = signed_in(bench, ECHO, &token).await;
        introduction(&mut socket).await;
        bench.token("acme", "ann", Role::Admin).await;
        sleep(FRESH * 3).await;
        socket.send(Message::text("x")).await.unwrap();
        assert_eq!(hear_end(&mut socket).await.0, 1012);
        let mut socket = signed_in(bench, ECHO, &token).await;
        introduction(&mut socket).await;
        let sign_out = TestRequest::post()
            .uri("/api/auth/sign-out")
            .insert_header(("authorization", format!("Bearer {token}")));
        assert_eq!(bench.call(sign_out).await.status, 204);
        sleep(FRESH * 3).await;
        socket.send(Message::text("x")).await.unwrap();
        assert_eq!(hear_end(&mut socket).await, (1008, "auth.signed-out".to_owned()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_the_agent_of_the_sessions_signs_out_is_disconnected_from_all_agents() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        let (here, there) = (enter(bench, "ann").await, enter(bench, "ann").await);
        let mut echo = signed_in(bench, ECHO, &there).await;
        introduction(&mut echo).await;
        let mut sessions = signed_in(bench, "/agents/session/main", &there).await;
        let revoke = TestRequest::post()
            .uri("/api/agents/session/main/call/revokeOthers")
            .set_json(json!({}));
        let revoked = with(bench, &here, revoke).await;
        assert_eq!(
            revoked.json()["result"].as_array().map(Vec::len),
            Some(1),
            "{}",
            revoked.text()
        );
        assert_eq!(hear_end(&mut sessions).await, (1008, "auth.signed-out".to_owned()));
        sleep(FRESH * 3).await;
        echo.send(Message::text("x")).await.unwrap();
        assert_eq!(hear_end(&mut echo).await, (1008, "auth.signed-out".to_owned()));
        me(bench, &there).await.problem(401, "auth.signed-out");
        assert_eq!(me(bench, &here).await.status, 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_takes_its_idle_sockets_with_it() {
    Bench::with(silent(), async |bench| {
        let token = bench
            .session("acme", "ann", Role::Operator, Duration::from_secs(600))
            .await;
        let mut socket = signed_in(bench, ECHO, &token).await;
        let began = Instant::now();
        let (code, reason) = hear_end_slowly(&mut socket).await;
        assert_eq!((code, reason.as_str()), (1008, "auth.expired"));
        let held = began.elapsed();
        assert!(
            (Duration::from_secs(595)..Duration::from_secs(640)).contains(&held),
            "{held:?}"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_sends_its_clients_elsewhere() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let mut socket = signed_in(bench, ECHO, &token).await;
        introduction(&mut socket).await;
        bench.gateway.readiness.close_streams();
        assert_eq!(hear_end(&mut socket).await, (1012, "the server stops".to_owned()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_disconnected_and_others_are_not() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let mut other = signed_in(bench, ECHO, &token).await;
        introduction(&mut other).await;
        let much = b"\x81\x84\0\0\0\0much";
        let (stream, _) = raw(bench, &token, &much.repeat(4)).await;
        let began = Instant::now();
        while bench.gateway.cluster.sockets() > 1 {
            assert!(began.elapsed() < Duration::from_secs(120), "it is still there");
            sleep(Duration::from_millis(100)).await;
        }
        echoes(&mut other, "still here").await;
        drop(stream);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_tenant_has_so_many_sockets_and_other_tenants_have_theirs() {
    Bench::with(silent(), async |bench| {
        let few = SocketsConfig {
            per_tenant: 2,
            ..SocketsConfig::default()
        };
        let gateway = bench.with_sockets(few);
        let (ann, bob) = (
            bench.token("acme", "ann", Role::Operator).await,
            bench.token("other", "bob", Role::Operator).await,
        );
        let open = async |token: &str| {
            let bearer = format!("Bearer {token}");
            let request = request(ECHO, &[("authorization", &bearer)]);
            match client_async(request, connect_to(&gateway).await).await {
                Ok((socket, _)) => Ok(socket),
                Err(Error::Http(response)) => Err(response.status().as_u16()),
                Err(error) => panic!("{error}"),
            }
        };
        let (first, _second) = (open(&ann).await.unwrap(), open(&ann).await.unwrap());
        assert_eq!(open(&ann).await.err(), Some(429));
        let _other = open(&bob).await.unwrap();
        drop(first);
        let began = Instant::now();
        while open(&ann).await.is_err() {
            assert!(began.elapsed() < PATIENCE);
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
