//! Clients behind a balancer while three nodes are killed, drained and stopped in turn: what was acknowledged is there once, no
//! session is lost, and nobody loses a socket whose own node lives.
#![expect(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/clients.rs"]
mod clients;
#[path = "support/node.rs"]
mod node;
#[path = "support/overview.rs"]
mod overview;
#[path = "support/server.rs"]
mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use tokio_util::sync::CancellationToken;

use self::{
    clients::example,
    node::{SHARDS, node},
    overview::{SPREAD, eventually, is_spread, items, until},
    server::{Server, Setup, free_port},
};

/// Sockets, all together.
const SOCKETS: usize = 500;
/// Rooms in which they are.
const ROOMS: usize = 50;
/// Sessions of MCP.
const SESSIONS: usize = 50;
/// A client says something, waits for the answer, and then for so long.
const PAUSE: Duration = Duration::from_secs(3);
/// How long everything goes on undisturbed before something happens, and after it.
const CALM: Duration = Duration::from_secs(5);
/// Longest time that an answer may take while a node is lost.
const ANSWER: Duration = Duration::from_secs(60);
/// Time between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(200);
/// The header in which the balancer tells who answers.
const SERVED_BY: &str = "x-served-by";

/// What is known of all clients.
#[derive(Default)]
struct Book {
    /// What happens, counted.
    act: AtomicUsize,
    open: AtomicUsize,
    inner: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    /// What was acknowledged, by room.
    acknowledged: BTreeMap<String, BTreeSet<String>>,
    /// What was said and not answered: nobody knows.
    unknown: BTreeSet<String>,
    /// Sockets that were lost: in which act, and on which node.
    lost: Vec<(usize, String)>,
    /// What must not be.
    faults: Vec<String>,
    /// Answers in sessions.
    answers: usize,
}

impl Book {
    fn pages(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.inner.lock().unwrap()
    }

    fn acknowledge(&self, room: &str, line: String) {
        let mut pages = self.pages();
        pages.acknowledged.entry(room.to_owned()).or_default().insert(line);
    }

    fn fault(&self, what: String) {
        self.pages().faults.push(what);
    }
}

/// Where the clients connect to.
#[derive(Clone)]
struct Front {
    host: String,
    token: String,
}

impl Front {
    /// Connects a client to a room. Says which node has the socket.
    async fn connect(&self, room: &str) -> Option<(WebSocketStream<TcpStream>, String)> {
        let stream = TcpStream::connect(&self.host).await.ok()?;
        let url = format!("ws://{}/agents/room/{room}", self.host);
        let mut request = url.into_client_request().unwrap();
        let bearer = format!("Bearer {}", self.token).parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        let (socket, response) = timeout(ANSWER, client_async(request, stream)).await.ok()?.ok()?;
        let node = response.headers()[SERVED_BY].to_str().unwrap().to_owned();
        Some((socket, node))
    }
}

/// A client that says one line after the other, and comes back when it is disconnected.
async fn talk(front: Front, book: Arc<Book>, number: usize, end: CancellationToken) {
    let room = room(number);
    let mut said = 0;
    while !end.is_cancelled() {
        let Some((mut socket, node)) = front.connect(&room).await else {
            sleep(AGAIN).await;
            continue;
        };
        book.open.fetch_add(1, Ordering::Relaxed);
        loop {
            let act = book.act.load(Ordering::Relaxed);
            if end.is_cancelled() {
                socket.close(None).await.ok();
                break;
            }
            said += 1;
            let line = format!("{number}.{said}");
            let is_answered = say(&mut socket, &line, &book, &room).await;
            if !is_answered || !rest(&mut socket, PAUSE, &end).await {
                let mut pages = book.pages();
                if !is_answered {
                    pages.unknown.insert(line);
                }
                pages
                    .lost
                    .push((act.max(book.act.load(Ordering::Relaxed)), node.clone()));
                break;
            }
        }
        book.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Says a line. False if the connection was lost before the answer.
async fn say(socket: &mut WebSocketStream<TcpStream>, line: &str, book: &Book, room: &str) -> bool {
    let call = json!({ "type": "rpc", "id": line, "method": "say", "args": [line] });
    if socket.send(Message::text(call.to_string())).await.is_err() {
        return false;
    }
    let deadline = Instant::now() + ANSWER;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(next) = timeout(left, socket.next()).await else {
            book.fault(format!("{line} was not answered on a connection that lives"));
            return false;
        };
        let heard: Value = match next {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return false,
            Some(Ok(_)) => continue,
        };
        if heard["id"] != line {
            continue;
        }
        if heard["success"] == true {
            book.acknowledge(room, line.to_owned());
        } else {
            // The room does not know whether it was done either.
            book.pages().unknown.insert(line.to_owned());
        }
        return true;
    }
}

/// Listens for a while. False if the connection was lost.
async fn rest(socket: &mut WebSocketStream<TcpStream>, time: Duration, end: &CancellationToken) -> bool {
    let until = sleep(time);
    tokio::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => return true,
            () = end.cancelled() => return true,
            heard = socket.next() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return false,
                Some(Ok(_)) => {}
            }
        }
    }
}

/// A client of MCP.
struct Session {
    client: Client,
    url: String,
    token: String,
    id: String,
}

impl Session {
    async fn post(&self, message: &Value) -> reqwest::Result<reqwest::Response> {
        let mut request = self
            .client
            .post(&self.url)
            .bearer_auth(&self.token)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .timeout(ANSWER)
            .json(message);
        if !self.id.is_empty() {
            request = request.header("mcp-session-id", &self.id);
        }
        request.send().await
    }

    async fn open(front: Front, number: usize) -> Self {
        let mut session = Self {
            client: Client::builder().no_proxy().build().unwrap(),
            url: format!("http://{}/agents/room/{}/mcp", front.host, room(number)),
            token: front.token,
            id: String::new(),
        };
        let parameters = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "a test", "version": "1" }
        });
        let answer = session
            .post(&json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": parameters }))
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        session.id = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(session.post(&told).await.unwrap().status(), 202);
        session
    }

    /// Says one line after the other through a tool of a room. What a lost node did not answer may have been done.
    async fn talk(self, book: Arc<Book>, number: usize, end: CancellationToken) {
        let room = room(number);
        let (mut said, mut since) = (0, Instant::now());
        while !end.is_cancelled() {
            said += 1;
            let line = format!("session {number}.{said}");
            let refusal = match self.say(said, &line).await {
                Said::Acknowledged => {
                    book.acknowledge(&room, line);
                    book.pages().answers += 1;
                    tokio::select! {
                        () = sleep(PAUSE) => {}
                        () = end.cancelled() => {}
                    }
                    since = Instant::now();
                    continue;
                }
                Said::NoSession(text) => return book.fault(format!("session {number} is lost: {text}")),
                Said::Unknown(refusal) => refusal,
            };
            book.pages().unknown.insert(line);
            if since.elapsed() > ANSWER {
                return book.fault(format!("session {number} is not answered: {refusal}"));
            }
            sleep(AGAIN).await;
        }
    }

    async fn say(&self, id: u32, line: &str) -> Said {
        let parameters = json!({ "name": "say", "arguments": { "line": line } });
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": parameters });
        match self.post(&message).await {
            Ok(answer) if answer.status().is_success() => match answer.text().await {
                Ok(body) if is_done(&body) => Said::Acknowledged,
                Ok(body) => Said::Unknown(body),
                Err(error) => Said::Unknown(error.to_string()),
            },
            Ok(answer) => {
                let status = answer.status();
                let text = format!("{status}: {}", answer.text().await.unwrap_or_default());
                if status == StatusCode::NOT_FOUND {
                    Said::NoSession(text)
                } else {
                    Said::Unknown(text)
                }
            }
            Err(error) => Said::Unknown(error.to_string()),
        }
    }
}

/// What came of a line.
enum Said {
    Acknowledged,
    NoSession(String),
    Unknown(String),
}

/// Whether an answer, which is JSON or a stream of events, has the number of a line.
fn is_done(body: &str) -> bool {
    let events = body
        .lines()
        .map(|line| line.strip_prefix("data:").unwrap_or(line).trim());
    let mut messages = events.filter_map(|text| serde_json::from_str::<Value>(text).ok());
    messages.any(|message| message["result"]["structuredContent"]["result"].is_u64())
}

/// The room of a client.
fn room(number: usize) -> String {
    format!("room-{}", number % ROOMS)
}

/// HAProxy as it is deployed, on other ports, and telling who answers.
fn balancer(directory: &Path, nodes: &[&Setup; 3], token: &str) -> Server {
    let setup = Setup::of(&directory.join("haproxy"), free_port());
    let deployed = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/haproxy.cfg")).unwrap();
    let mut text = deployed.replace("bind :8780", &format!("bind 127.0.0.1:{}", setup.port()));
    for (deployed, node) in [":8788", ":8798", ":8808"].into_iter().zip(nodes) {
        assert!(text.contains(deployed));
        text = text.replace(deployed, &format!(":{}", node.port()));
    }
    text.push_str(&format!("    http-response set-header {SERVED_BY} %s\n"));
    let file = directory.join("haproxy.cfg");
    std::fs::write(&file, text).unwrap();
    let mut haproxy = Command::new("haproxy");
    let child = haproxy.arg("-q").arg("-f").arg(&file).stdin(Stdio::null()).spawn();
    Server::of(&setup, child.unwrap(), token)
}

/// Waits until all sockets are open.
async fn all_open(book: &Book) {
    let deadline = Instant::now() + ANSWER;
    while book.open.load(Ordering::Relaxed) < SOCKETS {
        let open = book.open.load(Ordering::Relaxed);
        assert!(
            Instant::now() < deadline,
            "{open} sockets are open: {:?}",
            book.pages().faults
        );
        sleep(Duration::from_millis(100)).await;
    }
}

/// All lines of a room.
async fn lines(server: &Server, room: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    loop {
        let path = format!("/api/agents/room/{room}/call/lines");
        let answer = server.post(&path, &json!({ "after": lines.len() })).await;
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        let page = items(&answer, "result");
        if page.is_empty() {
            return lines;
        }
        lines.extend(page.iter().map(|line| line.as_str().unwrap().to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_behind_a_balancer_lose_nothing_while_each_node_is_killed_or_drained() {
    let directory = tempfile::tempdir().unwrap();
    let program = |setup: Setup| setup.program(&example("room"));
    let (first, seed) = node(directory.path(), "one", "");
    let (second, _) = node(directory.path(), "two", &seed);
    let (third, _) = node(directory.path(), "three", &seed);
    let [first, second, third] = [first, second, third].map(program);
    let mut one = first.start().await;
    let two = second.start().await;
    let mut three = third.start().await;
    let spread = |told: &Value| is_spread(told, SHARDS);
    until(&third, "three nodes with three copies of everything", SPREAD, spread).await;
    let balancer = balancer(directory.path(), &[&first, &second, &third], one.token());
    eventually(&balancer, "/api/agents", SPREAD, |_| true).await;
    let front = Front {
        host: balancer.host(),
        token: one.token().to_owned(),
    };

    let (book, end) = (Arc::new(Book::default()), CancellationToken::new());
    let mut tasks = Vec::new();
    for number in 0..SOCKETS {
        tasks.push(tokio::spawn(talk(front.clone(), book.clone(), number, end.clone())));
    }
    for number in 0..SESSIONS {
        let session = Session::open(front.clone(), number).await;
        tasks.push(tokio::spawn(session.talk(book.clone(), number, end.clone())));
    }
    all_open(&book).await;
    let next = || {
        let act = book.act.fetch_add(1, Ordering::Relaxed) + 1;
        println!("act {act}");
        act
    };
    // By act: the node that may lose sockets, because it does not live any more.
    let mut victims: BTreeMap<usize, &str> = BTreeMap::new();
    sleep(CALM).await;

    victims.insert(next(), "one");
    one.kill();
    sleep(CALM).await;
    all_open(&book).await;
    let one = first.start().await;
    until(&second, "the killed node is back", SPREAD, spread).await;

    next();
    let drained = first.run(&["cluster", "drain", "two", "--json"]);
    assert!(drained.status.success(), "{}", String::from_utf8_lossy(&drained.stderr));
    let leads_nothing = |told: &Value| {
        let two = items(told, "nodes").iter().find(|node| node["name"] == "two").unwrap();
        items(told, "groups").iter().all(|group| group["leader"] != two["id"])
    };
    until(&first, "the drained node leads nothing", SPREAD, leads_nothing).await;
    sleep(CALM).await;

    victims.insert(next(), "two");
    assert_eq!(two.stop().await, Some(0));
    sleep(CALM).await;
    all_open(&book).await;
    // A node that is drained is not ready.
    let up = first.run(&["cluster", "up", "two", "--json"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let two = second.start().await;
    until(&first, "the stopped node is back", SPREAD, spread).await;

    victims.insert(next(), "three");
    three.kill();
    sleep(CALM).await;
    all_open(&book).await;
    let three = third.start().await;
    until(&first, "the killed node is back", SPREAD, spread).await;
    sleep(CALM).await;

    end.cancel();
    for task in tasks {
        task.await.unwrap();
    }
    let pages = std::mem::take(&mut *book.pages());
    assert_eq!(pages.faults, Vec::<String>::new());
    let unexpected: Vec<_> = pages
        .lost
        .iter()
        .filter(|(act, node)| victims.get(act).is_none_or(|victim| victim != node))
        .collect();
    assert!(
        unexpected.is_empty(),
        "sockets of nodes that live were lost: {unexpected:?}"
    );
    let acts: BTreeSet<usize> = pages.lost.iter().map(|(act, _)| *act).collect();
    assert!(
        victims.keys().all(|act| acts.contains(act)),
        "every victim had sockets: {acts:?}"
    );
    let (mut acknowledged, mut lost, mut doubled, mut strange) = (0, Vec::new(), Vec::new(), Vec::new());
    for number in 0..ROOMS {
        let room = format!("room-{number}");
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for line in lines(&one, &room).await {
            // Behind who says it.
            *counts.entry(line.split_once(": ").unwrap().1.to_owned()).or_default() += 1;
        }
        let known = &pages.acknowledged[&room];
        acknowledged += known.len();
        lost.extend(known.iter().filter(|line| !counts.contains_key(*line)).cloned());
        doubled.extend(
            counts
                .iter()
                .filter(|(_, count)| **count > 1)
                .map(|(line, _)| line.clone()),
        );
        strange.extend(
            counts
                .into_keys()
                .filter(|line| !known.contains(line) && !pages.unknown.contains(line)),
        );
    }
    println!(
        "{acknowledged} lines acknowledged, {} of unknown outcome, {} answers in sessions, {} sockets lost with their nodes",
        pages.unknown.len(),
        pages.answers,
        pages.lost.len(),
    );
    assert_eq!((lost, doubled, strange), (vec![], vec![], vec![]));
    assert!(acknowledged > SOCKETS && pages.answers > SESSIONS);
    for server in [one, two, three] {
        assert_eq!(server.stop().await, Some(0));
    }
}
