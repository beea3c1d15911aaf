//! Methods of agents: what clients, other actors and the agent itself call.

use std::{collections::BTreeMap, fmt, future::Future};

use cluster::prelude::{ActorError, Result};
use futures_util::future::BoxFuture;
use schemars::{JsonSchema, schema_for};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Agent, AgentCtx, ReplyStream};

/// A method: the type is what it takes. Its description is the doc comment of the type.
///
/// A client gives arguments in a list. They are the fields in their order; a single argument may also be the whole: `call("add", [1,
/// 2])` fits `struct Add(i64, i64)`, `call("add", [{ a: 1, b: 2 }])` and `call("add", [1, 2])` fit `struct Add { a: i64, b: i64 }`.
pub trait Method: Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// What callers call it.
    const NAME: &'static str;

    /// What it answers, or what each part of the answer is.
    type Reply: Serialize + JsonSchema + Send;
}

/// An agent that has a method which answers once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the method `{M}`",
    note = "add `impl Callable<{M}> for {Self}`"
)]
pub trait Callable<M: Method>: Agent {
    /// Does what the method is for.
    ///
    /// # Errors
    /// An error goes to the caller; what was written before it stays written.
    fn call(&mut self, args: M, ctx: &mut AgentCtx<'_, Self>) -> impl Future<Output = Result<M::Reply>> + Send;
}

/// An agent that has a method whose answer comes in parts. Clients call it over their connection.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the method `{M}`",
    note = "add `impl Streaming<{M}> for {Self}`"
)]
pub trait Streaming<M: Method>: Agent {
    /// Begins to answer. The parts may be sent now or later; the client waits until one of them is the last.
    ///
    /// # Errors
    /// An error goes to the caller, and is the last it hears.
    fn stream(
        &mut self,
        args: M,
        reply: ReplyStream,
        ctx: &mut AgentCtx<'_, Self>,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// What is known of a method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodInfo {
    /// What callers call it.
    pub name: &'static str,
    /// What it is for.
    pub about: String,
    /// JSON schema of what it takes.
    pub args: Value,
    /// JSON schema of what it answers, or of each part.
    pub reply: Value,
    /// Whether the answer comes in parts.
    pub is_streaming: bool,
}

/// Arguments on their way to a method.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Args {
    /// As clients give them.
    List(Vec<Value>),
    /// As serde writes them.
    Whole(Value),
}

impl Args {
    /// Reads arguments that stand in JSON: a list of them, or an object with their names.
    pub(super) fn read(json: &str) -> Result<Self> {
        match serde_json::from_str(json) {
            Ok(Value::Array(list)) => Ok(Self::List(list)),
            Ok(whole @ Value::Object(_)) => Ok(Self::List(vec![whole])),
            Ok(_) | Err(_) => Err(ActorError::invalid(
                "agent.arguments",
                "arguments are a JSON array, or an object with their names",
            )),
        }
    }

    fn decode<M: Method>(self) -> Result<M> {
        let refused = |error: serde_json::Error| {
            ActorError::invalid(
                "agent.arguments",
                format!("the arguments do not fit {}: {error}", M::NAME),
            )
        };
        let list = match self {
            Self::Whole(value) => return serde_json::from_value(value).map_err(refused),
            Self::List(list) => list,
        };
        match &list[..] {
            [] => {
                if let Some(args) = nothing() {
                    return Ok(args);
                }
            }
            [Value::Object(only)] if only.is_empty() => {
                let whole = || serde_json::from_value(list[0].clone()).map_err(refused);
                return nothing().map_or_else(whole, Ok);
            }
            [only] => match serde_json::from_value(only.clone()) {
                Ok(args) => return Ok(args),
                Err(error) if only.is_object() => return Err(refused(error)),
                Err(_) => {}
            },
            [_, _, ..] => {}
        }
        serde_json::from_value(Value::Array(list)).map_err(refused)
    }
}

/// What a method takes that is given no arguments.
fn nothing<M: Method>() -> Option<M> {
    let empty = [Value::Null, Value::Object(Map::new())];
    empty.into_iter().find_map(|args| serde_json::from_value(args).ok())
}

/// How the answer goes back.
pub(super) enum Answer {
    /// All of it, as JSON.
    Whole(Value),
    /// In parts, over the stream.
    InParts,
}

type Call<A> =
    for<'a, 'c> fn(&'a mut A, Args, Option<ReplyStream>, &'a mut AgentCtx<'c, A>) -> BoxFuture<'a, Result<Answer>>;

struct Entry<A: Agent> {
    call: Call<A>,
    info: fn() -> MethodInfo,
    /// Whether clients may call it.
    is_public: bool,
}

impl<A: Agent> Clone for Entry<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: Agent> Copy for Entry<A> {}

/// The methods of an agent, listed in [`Agent::methods`].
pub struct Methods<A: Agent> {
    entries: BTreeMap<&'static str, Entry<A>>,
    /// The first name that was listed twice.
    pub(super) duplicate: Option<&'static str>,
}

impl<A: Agent> Methods<A> {
    pub(super) fn of() -> Self {
        A::methods(Self {
            entries: BTreeMap::new(),
            duplicate: None,
        })
    }

    /// Adds a method that clients, other actors and the agent itself call.
    #[must_use]
    pub fn callable<M: Method>(self) -> Self
    where
        A: Callable<M>,
    {
        self.add::<M>(call::<A, M>, info::<M>, true)
    }

    /// Adds a method that only the agent itself calls: later, from its queue, or from what it does beside its mailbox.
    #[must_use]
    pub fn own<M: Method>(self) -> Self
    where
        A: Callable<M>,
    {
        self.add::<M>(call::<A, M>, info::<M>, false)
    }

    /// Adds a method whose answer comes in parts.
    #[must_use]
    pub fn streaming<M: Method>(self) -> Self
    where
        A: Streaming<M>,
    {
        self.add::<M>(stream::<A, M>, streaming_info::<M>, true)
    }

    fn add<M: Method>(mut self, call: Call<A>, info: fn() -> MethodInfo, is_public: bool) -> Self {
        let entry = Entry { call, info, is_public };
        if self.entries.insert(M::NAME, entry).is_some() {
            self.duplicate.get_or_insert(M::NAME);
        }
        self
    }

    /// What clients may call.
    pub(super) fn public(&self) -> Vec<MethodInfo> {
        let public = self.entries.values().filter(|entry| entry.is_public);
        public.map(|entry| (entry.info)()).collect()
    }

    /// The method that clients call so.
    pub(super) fn find_public(&self, name: &str) -> Result<Found<A>> {
        match self.entries.get(name) {
            Some(entry) if entry.is_public => Ok(Found(*entry)),
            Some(_) => Err(ActorError::forbidden(
                "agent.method-not-callable",
                format!("Method {name} is not callable"),
            )),
            None => Err(unknown(name)),
        }
    }

    /// The method that the agent itself calls so.
    pub(super) fn find(&self, name: &str) -> Result<Found<A>> {
        self.entries.get(name).copied().map(Found).ok_or_else(|| unknown(name))
    }
}

impl<A: Agent> fmt::Debug for Methods<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Methods")
            .field("agent", &A::NAME)
            .field("methods", &self.entries.keys())
            .finish()
    }
}

/// A method that was found.
pub(super) struct Found<A: Agent>(Entry<A>);

impl<A: Agent> Found<A> {
    /// Calls it.
    pub(super) fn call<'a>(
        self,
        agent: &'a mut A,
        args: Args,
        stream: Option<ReplyStream>,
        ctx: &'a mut AgentCtx<'_, A>,
    ) -> BoxFuture<'a, Result<Answer>> {
        (self.0.call)(agent, args, stream, ctx)
    }
}

fn unknown(name: &str) -> ActorError {
    let shown: String = name.chars().take(64).collect();
    ActorError::not_found("agent.method-unknown", format!("Method {shown} does not exist"))
}

fn call<'a, A: Callable<M>, M: Method>(
    agent: &'a mut A,
    args: Args,
    _: Option<ReplyStream>,
    ctx: &'a mut AgentCtx<'_, A>,
) -> BoxFuture<'a, Result<Answer>> {
    Box::pin(async move {
        let reply = agent.call(args.decode::<M>()?, ctx).await?;
        let reply = serde_json::to_value(&reply).map_err(|error| {
            ActorError::internal(
                "agent.encode",
                format!("failed to encode the answer of {}: {error}", M::NAME),
            )
        })?;
        Ok(Answer::Whole(reply))
    })
}

fn stream<'a, A: Streaming<M>, M: Method>(
    agent: &'a mut A,
    args: Args,
    stream: Option<ReplyStream>,
    ctx: &'a mut AgentCtx<'_, A>,
) -> BoxFuture<'a, Result<Answer>> {
    Box::pin(async move {
        let stream = stream.ok_or_else(|| {
            ActorError::unsupported(
                "agent.method-streaming",
                format!("Method {} answers in parts, which takes a connection", M::NAME),
            )
        })?;
        agent.stream(args.decode::<M>()?, stream, ctx).await?;
        Ok(Answer::InParts)
    })
}

fn info<M: Method>() -> MethodInfo {
    let mut args = schema_for!(M).to_value();
    let about = args.as_object_mut().and_then(|schema| schema.remove("description"));
    MethodInfo {
        name: M::NAME,
        about: about
            .and_then(|about| about.as_str().map(str::to_owned))
            .unwrap_or_default(),
        args,
        reply: schema_for!(M::Reply).to_value(),
        is_streaming: false,
    }
}

fn streaming_info<M: Method>() -> MethodInfo {
    MethodInfo {
        is_streaming: true,
        ..info::<M>()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct One(i64);

    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Two(i64, i64);

    /// Adds.
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Named {
        a: i64,
        b: Option<i64>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Nothing;

    macro_rules! methods {
        ($($name:ident),*) => { $(impl Method for $name { const NAME: &'static str = stringify!($name); type Reply = i64; })* };
    }
    methods!(One, Two, Named, Nothing);

    fn read<M: Method>(args: &Value) -> Result<M> {
        Args::read(&args.to_string())?.decode()
    }

    #[test]
    fn arguments_are_the_fields_in_order_or_by_name() {
        assert_eq!(read::<One>(&json!([1])).unwrap(), One(1));
        assert_eq!(read::<Two>(&json!([1, 2])).unwrap(), Two(1, 2));
        for nothing in [json!([]), json!({}), json!([{}]), json!([null])] {
            assert_eq!(read::<Nothing>(&nothing).unwrap(), Nothing, "{nothing}");
        }
        let named = |b| Named { a: 1, b };
        assert_eq!(read::<Named>(&json!([1, 2])).unwrap(), named(Some(2)));
        assert_eq!(read::<Named>(&json!([{ "a": 1, "b": 2 }])).unwrap(), named(Some(2)));
        assert_eq!(read::<Named>(&json!({ "a": 1 })).unwrap(), named(None));
    }

    #[test]
    fn arguments_that_do_not_fit_are_refused_with_what_is_wrong() {
        for args in [json!([]), json!(["x"]), json!([1, 2]), json!({ "a": 1 })] {
            let error = read::<One>(&args).unwrap_err();
            assert_eq!(error.code(), "agent.arguments", "{args}");
            assert!(error.message().contains("One"), "{error}");
        }
        assert!(
            read::<Named>(&json!([{}]))
                .unwrap_err()
                .message()
                .contains("missing field `a`")
        );
        assert_eq!(Args::read("1").unwrap_err().code(), "agent.arguments");
    }

    #[test]
    fn a_method_is_described_by_its_type() {
        let info = info::<Named>();
        assert_eq!((info.name, info.about.as_str()), ("Named", "Adds."));
        assert_eq!(info.args["required"], json!(["a"]));
        assert_eq!(info.reply["type"], "integer");
    }
}
