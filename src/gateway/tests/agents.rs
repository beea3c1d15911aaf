//! Agents over HTTP; over WebSockets in `sockets`.

use actix_web::test::TestRequest;
use actors::{
    agents::{Agent, AgentCtx, AgentRequest, AgentResponse, Agents, Callable, Connection, Method, Methods, Scope},
    role::Role,
};
use cluster::prelude::{ActorError, Frame, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bench::{Bench, silent};

/// The kinds of agents that the tests have.
pub(super) fn kinds() -> Agents {
    let agents = Agents::default().with::<Echo>(()).unwrap();
    agents.with::<Board>(()).unwrap()
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
        methods.callable::<Add>()
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
        assert_eq!(names, ["board", "echo"]);
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
