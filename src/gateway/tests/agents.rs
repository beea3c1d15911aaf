//! Agents over HTTP; over WebSockets in `sockets`.

use actix_web::test::TestRequest;
use actors::{
    agents::{
        Agent, AgentCtx, AgentRequest, AgentResponse, Agents, Callable, Connection, Method, Methods, ReplyStream,
        Scope, Streaming,
        limiter::Pacer,
        session::{Devices, SessionEnv},
        task::{TaskEnv, Tasks},
        tenant::{RequestLimits, TenantDesk},
    },
    role::Role,
};
use cluster::prelude::{ActorError, Frame, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bench::{Bench, silent};
use crate::gateway::{AccountSessions, Permission};

/// The kinds of agents that the tests have: two of their own, and those of every server that need nothing from outside.
pub(super) fn kinds(sessions: &AccountSessions) -> Agents {
    let limits = RequestLimits {
        enterprise: Some(5000),
        ..RequestLimits::default()
    };
    let tasks = TaskEnv {
        grants: Permission::names_within,
        callable: std::sync::Arc::new(["board.add".to_owned()].into()),
    };
    let agents = Agents::default()
        .with::<Echo>(())
        .and_then(|agents| agents.with::<Board>(()))
        .and_then(|agents| agents.with::<Pacer>(limits))
        .and_then(|agents| agents.with::<Devices>(SessionEnv(std::sync::Arc::new(sessions.clone()))))
        .and_then(|agents| agents.with::<Tasks>(tasks))
        .and_then(|agents| agents.with::<TenantDesk>(limits));
    agents.unwrap()
}

/// Says what it hears.
struct Echo;

/// Adds up, for the whole tenant.
struct Board;

/// Adds to the board.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Add {
    amount: i64,
}

/// Counts up to a number, in parts.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Count {
    to: u32,
}

/// Who calls.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Whoami;

/// Fails.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Fail;

impl Method for Add {
    const NAME: &'static str = "add";
    type Reply = i64;
}

impl Method for Count {
    const NAME: &'static str = "count";
    type Reply = u32;
}

impl Method for Whoami {
    const NAME: &'static str = "whoami";
    type Reply = (String, bool);
}

impl Method for Fail {
    const NAME: &'static str = "fail";
    type Reply = ();
}

impl Agent for Echo {
    const NAME: &'static str = "echo";
    const ABOUT: &'static str = "Says what it hears.";
    type State = ();
    type Env = ();

    fn methods(methods: Methods<Self>) -> Methods<Self> {
        methods.callable::<Whoami>().own::<Fail>()
    }

    async fn start(_: &mut AgentCtx<'_, Self>) -> Result<Self> {
        Ok(Self)
    }

    async fn message(&mut self, connection: &Connection, message: Frame, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        match &message {
            Frame::Text(text) if text == "bye" => ctx.close(connection.socket, 4001, "as you like"),
            Frame::Text(text) if text == "much" => {
                for _ in 0..20 {
                    ctx.send(connection.socket, Frame::Binary(vec![7; 256 * 1024]))?;
                }
                Ok(())
            }
            Frame::Text(_) | Frame::Binary(_) => ctx.send(connection.socket, message),
        }
    }

    async fn request(&mut self, request: AgentRequest, _: &mut AgentCtx<'_, Self>) -> Result<AgentResponse> {
        match request.path.as_str() {
            "page" => Ok(AgentResponse {
                status: 200,
                content_type: "text/html".to_owned(),
                body: b"<script>alert(1)</script>".to_vec(),
            }),
            "teapot" => Ok(AgentResponse {
                status: 418,
                content_type: String::new(),
                body: Vec::new(),
            }),
            _ => AgentResponse::json(&json!({
                "method": request.method,
                "path": request.path,
                "query": request.query,
                "user": request.caller.user,
                "body": String::from_utf8_lossy(&request.body),
            })),
        }
    }
}

impl Callable<Whoami> for Echo {
    async fn call(&mut self, Whoami: Whoami, ctx: &mut AgentCtx<'_, Self>) -> Result<(String, bool)> {
        let caller = ctx.caller().expect("a client calls");
        Ok((caller.user.clone(), caller.may("run:create")))
    }
}

impl Callable<Fail> for Echo {
    async fn call(&mut self, Fail: Fail, _: &mut AgentCtx<'_, Self>) -> Result<()> {
        Err(ActorError::conflict("echo.told", "told to"))
    }
}

impl Agent for Board {
    const NAME: &'static str = "board";
    const SCOPE: Scope = Scope::Tenant;
    type State = i64;
    type Env = ();

    fn methods(methods: Methods<Self>) -> Methods<Self> {
        methods.callable::<Add>().streaming::<Count>()
    }

    async fn start(_: &mut AgentCtx<'_, Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Callable<Add> for Board {
    async fn call(&mut self, Add { amount }: Add, ctx: &mut AgentCtx<'_, Self>) -> Result<i64> {
        let sum = ctx.state().copied().unwrap_or_default() + amount;
        ctx.set_state(sum)?;
        Ok(sum)
    }
}

impl Streaming<Count> for Board {
    async fn stream(&mut self, Count { to }: Count, reply: ReplyStream, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        (1..to).try_for_each(|number| reply.send(ctx, &number))?;
        reply.end(ctx, &to)
    }
}

fn by(token: &str, request: TestRequest) -> TestRequest {
    request.insert_header(("authorization", format!("Bearer {token}")))
}

#[tokio::test(start_paused = true)]
async fn the_kinds_are_listed_with_their_methods() {
    Bench::with(silent(), async |bench| {
        let kinds = bench.get("/api/agents").await.json();
        let names: Vec<_> = kinds["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|kind| &kind["name"])
            .collect();
        assert_eq!(names, ["board", "echo", "limiter", "session", "task", "tenant"]);
        let echo = &kinds["items"][1];
        assert_eq!(
            (&echo["about"], &echo["is_shared"]),
            (&json!("Says what it hears."), &json!(false))
        );
        let methods = echo["methods"].as_array().unwrap();
        assert_eq!((methods.len(), &methods[0]["name"]), (1, &json!("whoami")));
        assert_eq!(kinds["items"][0]["methods"][0]["args"]["required"], json!(["amount"]));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_method_is_called_over_http_and_its_errors_are_problems() {
    Bench::with(silent(), async |bench| {
        let call = |path: &'static str, body: Value| async move { bench.post(path, &body).await };
        let answer = call("/api/agents/board/sums/call/add", json!({ "amount": 5 })).await;
        assert_eq!(answer.json(), json!({ "result": 5 }));
        let answer = call("/api/agents/echo/x/call/whoami", json!({})).await;
        assert_eq!(answer.json(), json!({ "result": ["admin", true] }));
        for (path, body, status, code) in [
            ("/api/agents/board/sums/call/add", json!({}), 422, "agent.arguments"),
            (
                "/api/agents/board/sums/call/subtract",
                json!({}),
                404,
                "agent.method-unknown",
            ),
            (
                "/api/agents/echo/x/call/fail",
                json!({}),
                403,
                "agent.method-not-callable",
            ),
            ("/api/agents/nothing/x/call/add", json!({}), 400, "agent.unknown"),
            ("/api/agents/echo/a%0Ab/call/whoami", json!({}), 422, "agent.name"),
        ] {
            call(path, body).await.problem(status, code);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_below_the_address_of_an_agent_is_for_the_agent() {
    Bench::with(silent(), async |bench| {
        for root in ["/agents", "/api/agents"] {
            let answer = bench.get(&format!("{root}/echo/x/a/b?c=d")).await;
            let expected = json!({ "method": "GET", "path": "a/b", "query": "c=d", "user": "admin", "body": "" });
            assert_eq!(answer.json(), expected);
            assert_eq!(bench.get(&format!("{root}/echo/x")).await.json()["path"], "");
        }
        let posted = bench.post("/agents/echo/x/a", &json!({ "z": 1 })).await.json();
        assert_eq!(
            (&posted["method"], &posted["body"]),
            (&json!("POST"), &json!(r#"{"z":1}"#))
        );
        bench
            .get("/agents/board/sums/a")
            .await
            .problem(404, "agent.no-such-path");
        bench.get("/agents/nothing/x").await.problem(400, "agent.unknown");
        bench.get("/agents/echo").await.problem(404, "not-found");
        // Nothing that an agent says becomes a page, and no status is made up.
        assert_eq!(
            bench.get("/agents/echo/x/page").await.header("content-type"),
            "text/plain; charset=utf-8"
        );
        bench.get("/agents/echo/x/teapot").await.problem(500, "internal");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn agents_of_one_tenant_are_nothing_to_another_and_neither_are_those_of_users() {
    Bench::with(silent(), async |bench| {
        let ann = bench.token("acme", "ann", Role::Operator).await;
        let eve = bench.token("evil", "ann", Role::Admin).await;
        for (token, sum) in [(&ann, 1), (&ann, 2), (&eve, 1)] {
            let request = TestRequest::post()
                .uri("/api/agents/board/sums/call/add")
                .set_json(json!({ "amount": 1 }));
            assert_eq!(bench.call(by(token, request)).await.json()["result"], sum);
        }
        let nobody = TestRequest::get().uri("/agents/echo/x");
        bench.call(nobody).await.problem(401, "auth.required");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_kinds_that_every_server_has_do_what_they_are_for() {
    Bench::with(silent(), async |bench| {
        let call = async |path: &str, body: Value| {
            let answer = bench.post(&format!("/api/agents/{path}"), &body).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            answer.json()["result"].clone()
        };
        let tenant = call("tenant/main/call/refresh", json!({})).await;
        assert_eq!(
            (&tenant["id"], &tenant["plan"], &tenant["requests_per_minute"]),
            (&json!("default"), &json!("enterprise"), &json!(5000))
        );
        let limit = json!({ "name": "mails", "window_ms": 60_000, "max_requests": 1 });
        call("limiter/main/call/define", limit).await;
        let check = json!({ "name": "mails" });
        assert_eq!(call("limiter/main/call/check", check.clone()).await["allowed"], true);
        assert_eq!(call("limiter/main/call/check", check).await["allowed"], false);
        let me = call("session/main/call/whoami", json!({})).await;
        assert_eq!((&me["user"], &me["tenant"]), (&json!("admin"), &json!("default")));
        let job = json!({
            "do": "call_agent", "agent": "board", "name": "sums", "method": "add", "args": { "amount": 7 }
        });
        let given = call("task/main/call/enqueue", json!({ "job": job, "key": "once" })).await;
        assert_eq!(given["id"], 1);
        bench.cluster.advance(std::time::Duration::from_secs(1)).await;
        let task = call("task/main/call/get", json!({ "id": 1 })).await;
        assert_eq!((&task["status"], &task["result"]), (&json!("done"), &json!(7)));
        let refused = json!({ "job": { "do": "notify", "member": "admin", "text": "" } });
        let refused = bench.post("/api/agents/task/main/call/enqueue", &refused).await;
        refused.problem(422, "task.job");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_an_agent_revokes_is_let_in_nowhere_any_more() {
    Bench::with(silent(), async |bench| {
        let (first, second) = (
            bench.token("acme", "ann", Role::Operator).await,
            bench.token("acme", "ann", Role::Operator).await,
        );
        let call = async |token: &str, method: &str| {
            let request = TestRequest::post()
                .uri(&format!("/api/agents/session/main/call/{method}"))
                .set_json(json!({}));
            bench.call(by(token, request)).await
        };
        // Tokens that an admin makes are of no account, so the sessions of one are not known to belong together.
        call(&first, "devices").await.problem(404, "account.unknown");
        let me = call(&second, "whoami").await.json();
        let own = json!({ "session": me["result"]["session"] });
        let other = TestRequest::post()
            .uri("/api/agents/session/main/call/revoke")
            .set_json(&own);
        bench.call(by(&first, other)).await.problem(404, "account.unknown");
        let revoke = TestRequest::post()
            .uri("/api/agents/session/main/call/revoke")
            .set_json(&own);
        let revoked = bench.call(by(&second, revoke)).await;
        assert_eq!(revoked.json()["result"], json!([me["result"]["session"]]));
        call(&second, "whoami").await.problem(401, "auth.signed-out");
        assert_eq!(call(&first, "whoami").await.status, 200);
    })
    .await;
}
