//! The MCP server over HTTP: who may ask, sessions, streams, and what two nodes make of one client.

mod agents;
mod conformance;
mod example;
mod legacy;
mod nodes;
mod platform;
mod revisions;
mod sessions;
mod streams;

use std::{future::poll_fn, pin::Pin};

pub(super) use self::example::ExampleAgent;

use actix_web::{
    body::{BoxBody, MessageBody},
    http::header,
    test::{TestRequest, call_service, init_service},
};
use actors::role::Role;
use serde_json::{Value, json};

use super::bench::{Answer, Bench, call, silent};
use crate::{
    config::ServerConfig,
    gateway::{Gateway, app},
};

/// A client with a session.
struct Client {
    gateway: Gateway,
    token: String,
    path: String,
    session: String,
}

const REVISION: &str = "2025-11-25";

/// A message to the server as clients send it.
fn post(token: &str, message: &Value) -> TestRequest {
    post_to("/mcp", token, message)
}

/// A message to one of the servers.
fn post_to(path: &str, token: &str, message: &Value) -> TestRequest {
    TestRequest::post()
        .uri(path)
        .insert_header((header::HOST, "localhost:8080"))
        .insert_header((header::AUTHORIZATION, format!("Bearer {token}")))
        .insert_header((header::ACCEPT, "application/json, text/event-stream"))
        .set_json(message)
}

fn initialize(capabilities: &Value) -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": REVISION,
            "capabilities": capabilities,
            "clientInfo": { "name": "a test", "version": "1" },
        },
    })
}

fn request(id: u32, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn echo(id: u32, text: &str) -> Value {
    request(
        id,
        "tools/call",
        &json!({ "name": "echo", "arguments": { "text": text } }),
    )
}

impl Client {
    async fn open(gateway: &Gateway, token: &str) -> Self {
        Self::open_at("/mcp", gateway, token, &json!({ "elicitation": {} })).await
    }

    async fn open_at(path: &str, gateway: &Gateway, token: &str, capabilities: &Value) -> Self {
        let answer = call(gateway, post_to(path, token, &initialize(capabilities))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["result"]["protocolVersion"], REVISION);
        let session = answer.header("mcp-session-id").to_owned();
        assert!(!session.is_empty());
        let client = Self {
            gateway: gateway.clone(),
            token: token.to_owned(),
            path: path.to_owned(),
            session,
        };
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(client.say(&initialized).await.status, 202);
        client
    }

    /// The same client at another node.
    fn at(&self, gateway: &Gateway) -> Self {
        Self {
            gateway: gateway.clone(),
            token: self.token.clone(),
            path: self.path.clone(),
            session: self.session.clone(),
        }
    }

    fn with_session(&self, request: TestRequest) -> TestRequest {
        request
            .insert_header(("mcp-session-id", self.session.as_str()))
            .insert_header(("mcp-protocol-version", REVISION))
    }

    async fn say(&self, message: &Value) -> Answer {
        call(
            &self.gateway,
            self.with_session(post_to(&self.path, &self.token, message)),
        )
        .await
    }

    /// Calls a tool, and returns its result however it came.
    async fn tool(&self, name: &str, arguments: &Value) -> Value {
        let params = json!({ "name": name, "arguments": arguments });
        let answer = self.say(&request(77, "tools/call", &params)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let said = if answer.header("content-type") == "application/json" {
            answer.json()
        } else {
            events(&answer).pop().unwrap().1
        };
        assert_eq!(said["id"], 77, "{said}");
        said["result"].clone()
    }

    /// Calls a tool that does what it is asked for.
    async fn done(&self, name: &str, arguments: &Value) -> Value {
        let result = self.tool(name, arguments).await;
        assert_eq!(result["isError"], false, "{result}");
        result["structuredContent"].clone()
    }

    /// Calls a tool that refuses, with a code.
    async fn refused(&self, name: &str, arguments: &Value, code: &str) {
        let result = self.tool(name, arguments).await;
        assert_eq!(
            (&result["isError"], &result["_meta"]["foundation/code"]),
            (&json!(true), &json!(code)),
            "{result}"
        );
        assert!(
            result["content"][0]["text"].as_str().unwrap().starts_with(code),
            "{result}"
        );
    }

    /// Asks something that is answered at once.
    async fn asked(&self, method: &str, params: &Value) -> Value {
        let answer = self.say(&request(78, method, params)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["result"].clone()
    }

    /// Says something whose answer is a stream.
    async fn hear(&self, message: &Value) -> Hearing {
        let request = self.with_session(post_to(&self.path, &self.token, message));
        Hearing::of(&self.gateway, request).await
    }

    /// Hears the standalone stream.
    async fn hear_changes(&self, after: Option<&str>) -> Hearing {
        Hearing::of(&self.gateway, self.to_listen(after)).await
    }

    /// Reads a stream on, or the standalone one.
    async fn listen(&self, after: Option<&str>) -> Answer {
        call(&self.gateway, self.to_listen(after)).await
    }

    fn to_listen(&self, after: Option<&str>) -> TestRequest {
        let mut request = TestRequest::get()
            .uri(&self.path)
            .insert_header((header::HOST, "localhost:8080"))
            .insert_header((header::AUTHORIZATION, format!("Bearer {}", self.token)))
            .insert_header((header::ACCEPT, "text/event-stream"));
        if let Some(after) = after {
            request = request.insert_header(("last-event-id", after));
        }
        self.with_session(request)
    }

    async fn end(&self) -> Answer {
        let request = TestRequest::delete()
            .uri(&self.path)
            .insert_header((header::HOST, "localhost:8080"))
            .insert_header((header::AUTHORIZATION, format!("Bearer {}", self.token)));
        call(&self.gateway, self.with_session(request)).await
    }
}

/// A stream that is heard while it goes on.
struct Hearing {
    body: BoxBody,
    text: String,
}

impl Hearing {
    async fn of(gateway: &Gateway, request: TestRequest) -> Self {
        let service = init_service(app(gateway.clone())).await;
        let response = call_service(&service, request.to_request()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().get("content-type").unwrap(), "text/event-stream");
        Self {
            body: response.into_body(),
            text: String::new(),
        }
    }

    /// The next event.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            let heard = event(&self.frame().await?);
            if heard.is_some() {
                return heard;
            }
        }
    }

    /// The next message.
    async fn message(&mut self) -> Value {
        loop {
            let (_, message) = self.next().await.expect("something is said");
            if !message.is_null() {
                return message;
            }
        }
    }

    /// The next frame, as it is.
    async fn frame(&mut self) -> Option<String> {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let frame = frame.to_owned();
                self.text = rest.to_owned();
                return Some(frame);
            }
            let chunk = poll_fn(|cx| Pin::new(&mut self.body).poll_next(cx)).await?;
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        }
    }

    /// The rest of it.
    async fn rest(mut self) -> Vec<(String, Value)> {
        let mut rest = Vec::new();
        while let Some(event) = self.next().await {
            rest.push(event);
        }
        rest
    }
}

/// What a frame says: id and message, the one without content as null.
fn event(frame: &str) -> Option<(String, Value)> {
    let field = |name: &str| {
        frame
            .lines()
            .find_map(|line| line.strip_prefix(name).map(str::to_owned))
    };
    let message = serde_json::from_str(&field("data: ")?).unwrap_or_default();
    Some((field("id: ").unwrap_or_default(), message))
}

/// The events of a stream that has ended.
fn events(answer: &Answer) -> Vec<(String, Value)> {
    assert_eq!(answer.header("content-type"), "text/event-stream");
    answer.text().split("\n\n").filter_map(event).collect()
}

#[tokio::test(start_paused = true)]
async fn a_client_finds_and_calls_a_tool() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let client = Client::open(&bench.gateway, &token).await;
        let listed = client.say(&request(1, "tools/list", &json!({}))).await.json();
        let tools = listed["result"]["tools"].as_array().unwrap();
        let tool = tools.iter().find(|tool| tool["name"] == "echo").unwrap();
        assert_eq!(tool["inputSchema"]["properties"]["text"]["type"], "string", "{tool}");
        assert_eq!(tool["outputSchema"]["properties"]["tenant"]["type"], "string", "{tool}");
        let called = client.say(&echo(2, "Grüße")).await;
        assert_eq!(called.header("content-type"), "application/json");
        let result = &called.json()["result"];
        assert_eq!(
            result["structuredContent"],
            json!({ "text": "Grüße", "tenant": "acme" })
        );
        assert_eq!(client.end().await.status, 204);
        client.say(&echo(3, "x")).await.problem(404, "mcp.session");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_shows_no_token_is_told_where_to_get_one() {
    Bench::with(silent(), async |bench| {
        let bare = || {
            TestRequest::post()
                .uri("/mcp")
                .insert_header((header::HOST, "localhost:8080"))
        };
        let refused = bench.call(bare().set_json(initialize(&json!({})))).await;
        refused.problem(401, "auth.required");
        let place = "http://localhost:8080/.well-known/oauth-protected-resource/mcp";
        let challenge = format!("Bearer realm=\"foundation\", resource_metadata=\"{place}\"");
        assert_eq!(refused.header("www-authenticate"), challenge);
        for path in [
            "/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource/mcp",
        ] {
            let ask = TestRequest::get()
                .uri(path)
                .insert_header((header::HOST, "localhost:8080"));
            let metadata = bench.call(ask).await.json();
            assert_eq!(metadata["resource"], "http://localhost:8080/mcp");
            assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
            assert_eq!(metadata["authorization_servers"], json!([]));
            let documentation = metadata["resource_documentation"].as_str().unwrap();
            let documentation = documentation.strip_prefix("http://localhost:8080").unwrap();
            assert_eq!(bench.call(TestRequest::get().uri(documentation)).await.status, 200);
        }
        let elsewhere = bench.call(TestRequest::get().uri("/api/auth/me")).await;
        assert_eq!(elsewhere.header("www-authenticate"), "Bearer realm=\"foundation\"");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_page_under_a_foreign_name_is_refused() {
    let server = ServerConfig {
        public_url: "https://plans.example".to_owned(),
        allowed_origins: vec!["https://inspector.example".to_owned()],
        ..ServerConfig::default()
    };
    Bench::configured(silent(), server, async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let ask = async |host: &str, origin: &str| {
            let mut request = post(&token, &echo(1, "x")).insert_header((header::HOST, host));
            if !origin.is_empty() {
                request = request.insert_header((header::ORIGIN, origin));
            }
            bench.call(request).await
        };
        for host in ["plans.example", "127.0.0.1:8080", "[::1]:8080", "localhost"] {
            assert_eq!(ask(host, "").await.status, 200, "{host}");
        }
        for host in ["evil.example", "plans.example.evil.example", ""] {
            ask(host, "").await.problem(403, "mcp.host");
        }
        for origin in ["https://plans.example", "https://inspector.example"] {
            assert_eq!(ask("plans.example", origin).await.status, 200, "{origin}");
        }
        for origin in ["https://evil.example", "http://plans.example", "null"] {
            ask("plans.example", origin).await.problem(403, "mcp.origin");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cookie_counts_on_pages_of_this_server_only() {
    Bench::with(silent(), async |bench| {
        let cookie = bench.cookie().await;
        let ask = |origin: &'static str| {
            let request = TestRequest::get()
                .uri("/mcp")
                .insert_header((header::HOST, "localhost:8080"))
                .insert_header((header::ACCEPT, "text/event-stream"))
                .insert_header(("cookie", cookie.as_str()));
            match origin {
                "" => request,
                origin => request.insert_header((header::ORIGIN, origin)),
            }
        };
        bench.call(ask("")).await.problem(403, "auth.origin");
        bench
            .call(ask("http://localhost:3000"))
            .await
            .problem(403, "auth.origin");
        assert_eq!(
            bench.call(ask("http://localhost:8080")).await.status,
            405,
            "there is no session"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_session_is_served_too() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let older = bench.call(post(&token, &echo(1, "x"))).await;
        assert_eq!(older.json()["result"]["structuredContent"]["text"], "x");
        assert_eq!(older.header("mcp-session-id"), "");

        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "a test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "name": "echo", "arguments": { "text": "y" }, "_meta": meta });
        let newer = post(&token, &request(2, "tools/call", &params))
            .insert_header(("mcp-protocol-version", "2026-07-28"))
            .insert_header(("mcp-method", "tools/call"))
            .insert_header(("mcp-name", "echo"));
        let newer = bench.call(newer).await;
        assert_eq!(
            newer.json()["result"]["structuredContent"]["text"],
            "y",
            "{}",
            newer.text()
        );
        // What rmcp refuses is said in its words.
        let wrong = post(&token, &request(3, "tools/call", &params))
            .insert_header(("mcp-protocol-version", "2026-07-28"))
            .insert_header(("mcp-method", "tools/list"));
        let wrong = bench.call(wrong).await;
        assert_eq!(
            (wrong.status.as_u16(), wrong.header("content-type")),
            (400, "application/json")
        );
        assert_eq!(wrong.json()["id"], 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_is_said_to_be_none() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        for (body, code) in [("{", -32700), ("[]", -32600), (r#"{"jsonrpc":"2.0","id":7}"#, -32600)] {
            let request = post(&token, &json!(null)).set_payload(body);
            let answer = bench.call(request).await;
            assert_eq!(answer.status, 400, "{body}");
            assert_eq!(answer.json()["error"]["code"], code, "{body}");
        }
        let client = Client::open(&bench.gateway, &token).await;
        let request = client.with_session(post(&token, &echo(1, "x")));
        let request = request.insert_header((header::ACCEPT, "application/json"));
        bench.call(request).await.problem(406, "mcp.accept");
    })
    .await;
}
