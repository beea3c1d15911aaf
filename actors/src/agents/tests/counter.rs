//! A counter: methods, and what goes wrong with them.

use cluster::prelude::{ActorError, Result};
use futures_util::{StreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;
use crate::agents::{
    Agent, AgentCtx, AgentRequest, AgentResponse, Callable, Method, Methods, ReplyStream, RequestAgent, Streaming,
};

pub(super) struct Counter {
    /// Calls since the activation.
    calls: u32,
}

/// Adds to the counter.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Add {
    amount: i64,
    #[serde(default)]
    also: i64,
}

/// Counts the calls of this activation.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Calls;

/// Fails.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Fail {
    why: String,
}

/// Counts up to a number.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct CountTo(u32);

/// Counts up to a number beside the mailbox.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct CountSlowlyTo(u32);

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Counted {
    #[schemars(with = "String")]
    reply: ReplyStream,
    number: u32,
    is_last: bool,
}

/// Answers more than fits into a frame.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Much;

macro_rules! methods {
    ($($type:ident $name:literal -> $reply:ty),*) => {
        $(impl Method for $type { const NAME: &'static str = $name; type Reply = $reply; })*
    };
}
methods!(
    Add "add" -> i64, Calls "calls" -> u32, Fail "fail" -> (), CountTo "countTo" -> u32,
    CountSlowlyTo "countSlowlyTo" -> u32, Counted "counted" -> (), Much "much" -> String
);

impl Agent for Counter {
    const NAME: &'static str = "counter";
    type State = i64;
    type Env = ();

    fn methods(methods: Methods<Self>) -> Methods<Self> {
        methods
            .callable::<Add>()
            .callable::<Calls>()
            .callable::<Fail>()
            .callable::<Much>()
            .streaming::<CountTo>()
            .streaming::<CountSlowlyTo>()
            .own::<Counted>()
    }

    async fn start(_: &mut AgentCtx<'_, Self>) -> Result<Self> {
        Ok(Self { calls: 0 })
    }

    async fn request(&mut self, request: AgentRequest, ctx: &mut AgentCtx<'_, Self>) -> Result<AgentResponse> {
        AgentResponse::json(&json!({ "path": request.path, "user": request.caller.user, "count": ctx.state() }))
    }
}

impl Callable<Add> for Counter {
    async fn call(&mut self, Add { amount, also }: Add, ctx: &mut AgentCtx<'_, Self>) -> Result<i64> {
        self.calls += 1;
        let count = ctx.state().copied().unwrap_or_default() + amount + also;
        ctx.set_state(count)?;
        Ok(count)
    }
}

impl Callable<Calls> for Counter {
    async fn call(&mut self, Calls: Calls, _: &mut AgentCtx<'_, Self>) -> Result<u32> {
        Ok(self.calls)
    }
}

impl Callable<Fail> for Counter {
    async fn call(&mut self, Fail { why }: Fail, _: &mut AgentCtx<'_, Self>) -> Result<()> {
        Err(ActorError::conflict("counter.told", why))
    }
}

impl Callable<Much> for Counter {
    async fn call(&mut self, Much: Much, _: &mut AgentCtx<'_, Self>) -> Result<String> {
        Ok("x".repeat(3 << 20))
    }
}

impl Streaming<CountTo> for Counter {
    async fn stream(&mut self, CountTo(last): CountTo, reply: ReplyStream, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        for number in 1..last {
            reply.send(ctx, &number)?;
        }
        reply.end(ctx, &last)
    }
}

impl Streaming<CountSlowlyTo> for Counter {
    async fn stream(
        &mut self,
        CountSlowlyTo(last): CountSlowlyTo,
        reply: ReplyStream,
        ctx: &mut AgentCtx<'_, Self>,
    ) -> Result<()> {
        ctx.spawn_stream(stream::iter(1..=last).map(move |number| Counted {
            reply: reply.clone(),
            number,
            is_last: number == last,
        }));
        Ok(())
    }
}

impl Callable<Counted> for Counter {
    async fn call(&mut self, Counted { reply, number, is_last }: Counted, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        if is_last {
            reply.end(ctx, &number)
        } else {
            reply.send(ctx, &number)
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_method_is_called_by_whoever_is_connected_and_by_whoever_is_not() {
    let test = start(1).await;
    let mut ann = Client::connect(&test, "counter", "ann", "visits", "_pk=one")
        .await
        .unwrap();
    assert_eq!(ann.introduction().await, None);
    let answer = ann.call("add", json!([2, 3])).await;
    assert_eq!(
        answer,
        json!({ "type": "rpc", "id": "1", "success": true, "done": true, "result": 5 })
    );
    let id = actor("counter", "ann", "visits");
    assert_eq!(
        call(&test, id.clone(), "add", json!({ "amount": 1 })).await.unwrap(),
        json!(6)
    );
    assert_eq!(ann.hear().await["state"], 6);
    assert_eq!(call(&test, id.clone(), "calls", json!([])).await.unwrap(), json!(2));
    let error = call(&test, id, "countTo", json!([3])).await.unwrap_err();
    assert_eq!(error.code(), "agent.method-streaming");
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_with_a_call_is_its_answer() {
    let test = start(2).await;
    let mut ann = Client::connect(&test, "counter", "ann", "visits", "").await.unwrap();
    ann.introduction().await;
    for (method, args, error, code) in [
        (
            "subtract",
            json!([1]),
            "Method subtract does not exist",
            "agent.method-unknown",
        ),
        (
            "counted",
            json!([1]),
            "Method counted is not callable",
            "agent.method-not-callable",
        ),
        ("fail", json!(["because"]), "because", "counter.told"),
    ] {
        let answer = ann.call(method, args).await;
        let expected = json!({ "type": "rpc", "id": "1", "success": false, "error": error, "code": code });
        assert_eq!(answer, expected);
    }
    let answer = ann.call("add", json!(["x"])).await;
    assert_eq!(answer["code"], "agent.arguments");
    let answer = ann.call("much", json!([])).await;
    assert_eq!(
        (&answer["success"], &answer["code"]),
        (&json!(false), &json!("too-large"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_parts_comes_in_order_and_the_last_part_says_so() {
    let test = start(3).await;
    let mut ann = Client::connect(&test, "counter", "ann", "visits", "").await.unwrap();
    ann.introduction().await;
    for method in ["countTo", "countSlowlyTo"] {
        let mut parts = vec![ann.call(method, json!([5])).await];
        while parts.last().unwrap()["done"] == false {
            parts.push(ann.hear().await);
        }
        let numbers: Vec<_> = parts.iter().map(|part| part["result"].as_u64().unwrap()).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5], "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_answers_by_http_too() {
    let test = start(4).await;
    let request = AgentRequest {
        caller: caller("ann"),
        method: "GET".to_owned(),
        path: "a/b".to_owned(),
        query: String::new(),
        content_type: String::new(),
        body: Vec::new(),
    };
    let ask = |kind: &str| {
        let agent = test.cluster().get::<AgentActor>(actor(kind, "ann", "visits"));
        let request = RequestAgent(request.clone());
        async move { agent.ask(request).await }
    };
    let answer = ask("counter").await.unwrap();
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body, json!({ "path": "a/b", "user": "ann", "count": null }));
    assert_eq!(ask("desk").await.unwrap_err().code(), "agent.no-such-path");
}

#[test]
fn kinds_have_names_of_their_own() {
    let twice = kinds().with::<Counter>(()).unwrap_err();
    assert_eq!(twice.code(), "agent.kind");
    let names: Vec<_> = kinds().list().iter().map(|kind| kind.name).collect();
    assert_eq!(names, ["counter", "desk"]);
    let methods = kinds().info("counter").unwrap().methods;
    let names: Vec<_> = methods.iter().map(|method| method.name).collect();
    assert_eq!(names, ["add", "calls", "countSlowlyTo", "countTo", "fail", "much"]);
    assert_eq!(methods[0].about, "Adds to the counter.");
    assert!(methods[3].is_streaming);
}
