//! A small OpenAI-compatible server that answers as a script says, for tests that drive the real adapter.
//!
//! Used by path: `#[path = "support/scripted_model.rs"] mod scripted_model;`. It speaks just enough HTTP to be cut off at
//! any byte, which is why it is written on a socket and not on a server library.
#![allow(dead_code, reason = "each test binary uses another part of it")]
#![expect(clippy::unwrap_used, reason = "it is part of a test")]
#![expect(unreachable_pub, reason = "a test binary has no other module to reach it from")]

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// One request as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Title of the schema that was asked for; empty for free text.
    pub title: String,
    /// How many requests with this title came before, 0 for the first.
    pub occurrence: usize,
    /// The model that was asked.
    pub model: String,
    /// The system text.
    pub system: String,
    /// The turns after it: role and text.
    pub turns: Vec<(String, String)>,
    /// Whether the answer was to be streamed.
    pub streamed: bool,
    /// The schema as it was sent.
    pub schema: Option<Value>,
    /// The whole body.
    pub body: Value,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
}

/// What the server answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A completion with this text: streamed in pieces if that was asked for.
    Text(String),
    /// A completion that ran into its token limit.
    Length(String),
    /// A streamed completion that takes so long for each word.
    Slowly(String, Duration),
    /// A status that is no success, with headers and a body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Nothing, for as long as the client waits.
    Hang,
    /// The first part of an answer, after which the connection closes.
    Cut(String),
    /// The first part of a streamed answer that ends in good order but without its last piece.
    Unfinished(String),
}

impl Answer {
    /// A completion that is this JSON value.
    pub fn json(value: &Value) -> Self {
        Self::Text(value.to_string())
    }

    /// The status 429.
    pub fn rate_limited(retry_after_secs: u64) -> Self {
        let headers = vec![("retry-after", retry_after_secs.to_string())];
        Self::Status(429, headers, json!({ "error": { "message": "slow down" } }).to_string())
    }
}

type Script = dyn Fn(&Call) -> Answer + Send + Sync;

/// A running server. It stops when dropped.
pub struct ScriptedModel {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    task: JoinHandle<()>,
}

impl ScriptedModel {
    /// Starts a server on a free port of this machine. `script` decides on each request.
    pub async fn start(script: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (seen, script): (_, Arc<Script>) = (Arc::clone(&calls), Arc::new(script));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&seen), Arc::clone(&script)));
            }
        });
        Self { address, calls, task }
    }

    /// Starts a server that gives the answers listed for a schema title in their order, and then the last one again.
    /// A title that is not listed is answered with status 404.
    pub async fn with(answers: impl IntoIterator<Item = (&'static str, Vec<Answer>)>) -> Self {
        let answers: HashMap<&str, Vec<Answer>> = answers.into_iter().collect();
        Self::start(move |call| {
            let listed = answers.get(call.title.as_str()).map_or(&[][..], Vec::as_slice);
            let answer = listed.get(call.occurrence).or_else(|| listed.last());
            answer
                .cloned()
                .unwrap_or_else(|| Answer::Status(404, Vec::new(), "no script".to_owned()))
        })
        .await
    }

    /// What the configuration calls `base-url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every request so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// How many requests asked for the schema with this title.
    pub fn count(&self, title: &str) -> usize {
        self.calls
            .lock()
            .unwrap()
            .iter()
            .filter(|call| call.title == title)
            .count()
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves one connection. Each answer closes it, so that a cut is nothing special.
async fn serve(stream: TcpStream, calls: Arc<Mutex<Vec<Call>>>, script: Arc<Script>) {
    let mut stream = BufReader::new(stream);
    let Some((headers, body)) = request(&mut stream).await else {
        return;
    };
    let call = {
        let mut calls = calls.lock().unwrap();
        let call = parse(&headers, body, &calls);
        calls.push(call.clone());
        call
    };
    // A script may wait for its test, which must not hold up the runtime.
    let asked = call.clone();
    let Ok(answer) = tokio::task::spawn_blocking(move || script(&asked)).await else {
        return;
    };
    let mut stream = stream.into_inner();
    let _ = match answer {
        Answer::Hang => {
            // Ends when the client gives up and closes.
            let _ = stream.read(&mut [0; 1]).await;
            Ok(())
        }
        Answer::Status(status, headers, body) => {
            let headers: String = headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}\r\n"))
                .collect();
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n");
            stream.write_all((head + &body).as_bytes()).await
        }
        Answer::Text(text) => whole(&mut stream, &call, &text, "stop").await,
        Answer::Length(text) => whole(&mut stream, &call, &text, "length").await,
        Answer::Slowly(text, pause) => slowly(&mut stream, &call, &text, pause).await,
        Answer::Cut(text) if call.streamed => {
            // A body of a declared length that never comes is what a broken connection looks like.
            let pieces = pieces(&call, &text, None);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 100000\r\nconnection: close\r\n\r\n";
            stream.write_all((head.to_owned() + &pieces).as_bytes()).await
        }
        Answer::Cut(text) => {
            let body = completion(&call, &text, "stop");
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(&(head + &body).as_bytes()[..body.len() / 2]).await
        }
        Answer::Unfinished(text) => {
            let pieces = pieces(&call, &text, None);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
            stream.write_all((head.to_owned() + &pieces).as_bytes()).await
        }
    };
    let _ = stream.shutdown().await;
}

async fn whole(stream: &mut TcpStream, call: &Call, text: &str, finish: &str) -> std::io::Result<()> {
    let (kind, body) = if call.streamed {
        ("text/event-stream", pieces(call, text, Some(finish)))
    } else {
        ("application/json", completion(call, text, finish))
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await
}

async fn slowly(stream: &mut TcpStream, call: &Call, text: &str, pause: Duration) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    for word in text.split_inclusive(' ') {
        let event = chunk(call, &json!({ "role": "assistant", "content": word }), None);
        stream.write_all(format!("data: {event}\n\n").as_bytes()).await?;
        tokio::time::sleep(pause).await;
    }
    let end = chunk(call, &json!({}), Some("stop"));
    let end = format!("data: {end}\n\ndata: {}\n\ndata: [DONE]\n\n", last(call, text));
    stream.write_all(end.as_bytes()).await
}

/// Tokens are counted as words here.
fn usage(call: &Call, text: &str) -> Value {
    let asked: usize = call.turns.iter().map(|(_, text)| text.split_whitespace().count()).sum();
    let wrote = text.split_whitespace().count();
    json!({ "prompt_tokens": asked, "completion_tokens": wrote, "total_tokens": asked + wrote })
}

fn completion(call: &Call, text: &str, finish: &str) -> String {
    json!({
        "id": "scripted-1", "object": "chat.completion", "created": 1, "model": call.model,
        "choices": [{ "index": 0, "finish_reason": finish, "message": { "role": "assistant", "content": text } }],
        "usage": usage(call, text),
    })
    .to_string()
}

fn chunk(call: &Call, delta: &Value, finish: Option<&str>) -> Value {
    json!({
        "id": "scripted-1", "object": "chat.completion.chunk", "created": 1, "model": call.model,
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
    })
}

/// The chunk that tells the usage.
fn last(call: &Call, text: &str) -> Value {
    let mut last = chunk(call, &json!({}), None);
    last["choices"] = json!([]);
    last["usage"] = usage(call, text);
    last
}

/// The text in three pieces; then, unless the answer breaks off, its end.
fn pieces(call: &Call, text: &str, finish: Option<&str>) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut events = vec![chunk(call, &json!({ "role": "assistant", "content": "" }), None)];
    for piece in characters.chunks(characters.len().div_ceil(3).max(1)) {
        events.push(chunk(
            call,
            &json!({ "content": piece.iter().collect::<String>() }),
            None,
        ));
    }
    let mut body = String::new();
    if let Some(finish) = finish {
        events.extend([chunk(call, &json!({}), Some(finish)), last(call, text)]);
    }
    for event in events {
        body.push_str(&format!("data: {event}\n\n"));
    }
    if finish.is_some() {
        body.push_str("data: [DONE]\n\n");
    }
    body
}

/// Reads one request: its headers, with lower-case names, and its body.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<(HashMap<String, String>, Value)> {
    let mut headers = HashMap::new();
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some((headers, serde_json::from_slice(&body).ok()?))
}

fn parse(headers: &HashMap<String, String>, body: Value, calls: &[Call]) -> Call {
    let string = |pointer: &str| {
        body.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let title = string("/response_format/json_schema/name");
    let mut turns: Vec<(String, String)> = Vec::new();
    for message in body["messages"].as_array().into_iter().flatten() {
        let role = message["role"].as_str().unwrap_or_default().to_owned();
        let text = match &message["content"] {
            Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
            content => content.as_str().unwrap_or_default().to_owned(),
        };
        turns.push((role, text));
    }
    let system = turns
        .iter()
        .find(|(role, _)| role == "system")
        .map(|(_, text)| text.clone())
        .unwrap_or_default();
    turns.retain(|(role, _)| role != "system");
    Call {
        occurrence: calls.iter().filter(|call| call.title == title).count(),
        title,
        model: string("/model"),
        system,
        turns,
        streamed: body["stream"].as_bool().unwrap_or(false),
        schema: body.pointer("/response_format/json_schema/schema").cloned(),
        authorization: headers.get("authorization").cloned(),
        idempotency_key: headers.get("idempotency-key").cloned(),
        body,
    }
}
