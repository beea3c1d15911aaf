//! `foundation mcp`: lets programs that speak the Model Context Protocol over standard input and output use the server, with the token
//! that the other commands use.
//!
//! Each line of the input is a message. Its answer goes to the output whenever it comes; an answer whose connection breaks is asked for
//! again, also from another node behind the same address, and a session that has ended is opened anew.

use std::{cell::RefCell, io::BufRead, rc::Rc, time::Duration};

use futures_util::{StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};

use super::{
    client::{Client, ClientError},
    command::CliError,
    output::Output,
};

/// Where the server is.
const PATH: &str = "/mcp";
/// Lines of the input that wait.
const LINES_MAX: usize = 64;
/// Times in a row that a broken stream is asked for again without hearing anything.
const RECONNECTS_MAX: u32 = 10;
/// Time before it is asked for again.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);
/// How long answers are waited for once the input has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(30);
/// Longest event that is kept while its end is awaited.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// What the server has said of the session.
#[derive(Debug, Default, Clone)]
struct Session {
    id: Option<String>,
    version: Option<String>,
    /// What the client said to open it.
    initialize: Option<Value>,
}

struct Bridge<'a> {
    client: &'a Client,
    output: &'a Output,
    session: Rc<RefCell<Session>>,
}

/// Passes messages on until the input ends.
pub(super) async fn run(client: &Client, output: &Output) -> Result<(), CliError> {
    let bridge = Bridge {
        client,
        output,
        session: Rc::default(),
    };
    let mut lines = input();
    let mut answers: FuturesUnordered<LocalBoxFuture<'_, ()>> = FuturesUnordered::new();
    let mut listening: Option<LocalBoxFuture<'_, ()>> = None;
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            Some(()) = answers.next() => continue,
            () = async { match &mut listening { Some(listening) => listening.await, None => std::future::pending().await } } => {
                listening = None;
                continue;
            }
        };
        let Some(line) = line else { break };
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            let error = json!({ "code": -32700, "message": "the line is not JSON" });
            bridge.say(&json!({ "jsonrpc": "2.0", "id": null, "error": error }));
            continue;
        };
        match message["method"].as_str() {
            // What follows needs the session.
            Some("initialize") => {
                bridge.session.borrow_mut().initialize = Some(message.clone());
                bridge.pass(message).await;
            }
            Some("notifications/initialized") => {
                bridge.pass(message).await;
                if bridge.session.borrow().id.is_some() {
                    listening = Some(Box::pin(bridge.listen()));
                }
            }
            Some(_) | None => answers.push(Box::pin(bridge.pass(message))),
        }
    }
    // Whoever waits for an answer gets it.
    timeout(LAST_ANSWERS, async { while answers.next().await.is_some() {} })
        .await
        .ok();
    bridge.end().await;
    Ok(())
}

/// The lines of the standard input.
fn input() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES_MAX);
    // It ends with the program: a read of the standard input cannot be broken off.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if !line.trim().is_empty() && sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Bridge<'_> {
    /// Passes a message on, and its answer back.
    async fn pass(&self, message: Value) {
        let mut answered = self.post(&message).await;
        let is_initialize = message["method"] == "initialize";
        if !is_initialize && matches!(&answered, Err(ClientError::Refused { status: 404, .. })) && self.renew().await {
            answered = self.post(&message).await;
        }
        let told = match answered {
            Ok(response) => self.hear(response, &message).await,
            Err(error) => Err(error),
        };
        let Err(error) = told else { return };
        if message["id"].is_null() || message["method"].is_null() {
            // Nobody waits for an answer.
            self.output.error(&error);
            return;
        }
        let error = json!({ "code": -32603, "message": error.to_string() });
        self.say(&json!({ "jsonrpc": "2.0", "id": message["id"], "error": error }));
    }

    async fn post(&self, message: &Value) -> Result<Response, ClientError> {
        let session = self.session.borrow().clone();
        let response = self.ask(Method::POST, Some(message), None, &session).await?;
        if message["method"] == "initialize" {
            let id = response.headers().get("mcp-session-id").and_then(|id| id.to_str().ok());
            self.session.borrow_mut().id = id.map(str::to_owned);
        }
        Ok(response)
    }

    async fn ask(
        &self,
        method: Method,
        message: Option<&Value>,
        after: Option<&str>,
        session: &Session,
    ) -> Result<Response, ClientError> {
        let accepted = if method == Method::GET {
            "text/event-stream"
        } else {
            "application/json, text/event-stream"
        };
        let mut headers = vec![("accept", accepted)];
        let is_initialize = message.is_some_and(|message| message["method"] == "initialize");
        if !is_initialize {
            headers.extend(session.id.as_deref().map(|id| ("mcp-session-id", id)));
            headers.extend(
                session
                    .version
                    .as_deref()
                    .map(|version| ("mcp-protocol-version", version)),
            );
        }
        headers.extend(after.map(|after| ("last-event-id", after)));
        self.client.open(method, PATH, message, &headers).await
    }

    /// Opens the session anew.
    async fn renew(&self) -> bool {
        let Some(mut initialize) = self.session.borrow().initialize.clone() else {
            return false;
        };
        initialize["id"] = Value::from("foundation-mcp");
        let Ok(response) = self.post(&initialize).await else {
            return false;
        };
        response.status() == StatusCode::OK
    }

    /// Says what the server answers. A stream that breaks off before the answer is asked for again.
    async fn hear(&self, response: Response, message: &Value) -> Result<(), ClientError> {
        let is_stream = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if !is_stream {
            let body = response.bytes().await.map_err(ClientError::Broken)?;
            if !body.is_empty() {
                let answer: Value =
                    serde_json::from_slice(&body).map_err(|error| ClientError::Unexpected(error.to_string()))?;
                self.note(message, &answer);
                self.say(&answer);
            }
            return Ok(());
        }
        let mut events = Events::default();
        let mut response = Some(response);
        let mut failures = 0;
        loop {
            if let Some(response) = response.take() {
                let mut body = response.bytes_stream();
                while let Some(Ok(chunk)) = body.next().await {
                    for said in events.push(&chunk) {
                        failures = 0;
                        let is_answer = said["id"] == message["id"] && said["method"].is_null();
                        self.note(message, &said);
                        self.say(&said);
                        if is_answer {
                            return Ok(());
                        }
                    }
                }
            }
            failures += 1;
            let Some(last) = events.last.clone().filter(|_| failures <= RECONNECTS_MAX) else {
                return Err(ClientError::Unexpected("the stream ended before the answer".to_owned()));
            };
            tokio::time::sleep(RECONNECT_AFTER).await;
            let session = self.session.borrow().clone();
            response = match self.ask(Method::GET, None, Some(&last), &session).await {
                Ok(response) => Some(response),
                Err(error) if error.is_transient() => None,
                Err(error) => return Err(error),
            };
        }
    }

    /// Says what belongs to no request, as long as the program lives.
    async fn listen(&self) {
        let mut events = Events::default();
        loop {
            let session = self.session.borrow().clone();
            match self.ask(Method::GET, None, events.last.as_deref(), &session).await {
                Ok(response) => {
                    let mut body = response.bytes_stream();
                    while let Some(Ok(chunk)) = body.next().await {
                        for said in events.push(&chunk) {
                            self.say(&said);
                        }
                    }
                }
                Err(error) if error.is_transient() => {}
                Err(_) => return,
            }
            tokio::time::sleep(RECONNECT_AFTER).await;
        }
    }

    /// Remembers the revision that was agreed on.
    fn note(&self, message: &Value, answer: &Value) {
        if message["method"] == "initialize"
            && let Some(version) = answer["result"]["protocolVersion"].as_str()
        {
            self.session.borrow_mut().version = Some(version.to_owned());
        }
    }

    async fn end(&self) {
        let session = self.session.borrow().clone();
        if session.id.is_some() {
            // The session ends by itself where this does not arrive.
            self.ask(Method::DELETE, None, None, &session).await.ok();
        }
    }

    fn say(&self, message: &Value) {
        self.output.json(message);
    }
}

/// Events as they come in.
#[derive(Debug, Default)]
struct Events {
    buffer: Vec<u8>,
    /// Id of the last event.
    last: Option<String>,
}

impl Events {
    /// Takes bytes, and gives the messages that are complete.
    fn push(&mut self, chunk: &[u8]) -> Vec<Value> {
        self.buffer.extend_from_slice(chunk);
        let mut messages = Vec::new();
        while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
            let frame: Vec<u8> = self.buffer.drain(..end + 2).collect();
            for line in String::from_utf8_lossy(&frame).lines() {
                if let Some(id) = line.strip_prefix("id: ") {
                    self.last = Some(id.to_owned());
                } else if let Some(data) = line.strip_prefix("data: ")
                    && let Ok(message) = serde_json::from_str(data)
                {
                    messages.push(message);
                }
            }
        }
        if self.buffer.len() > EVENT_BYTES_MAX {
            self.buffer.clear();
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_out_of_events_however_they_are_cut() {
        let text = b"id: s-0\nretry: 1000\ndata: \n\n: keep-alive\n\nid: s-1\nevent: message\ndata: {\"id\":1}\n\n";
        for size in 1..text.len() {
            let mut events = Events::default();
            let heard: Vec<_> = text.chunks(size).flat_map(|chunk| events.push(chunk)).collect();
            assert_eq!(heard, [json!({ "id": 1 })], "{size}");
            assert_eq!(events.last.as_deref(), Some("s-1"));
        }
    }
}
