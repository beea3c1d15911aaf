//! Parameters of operations: parts of the address, the query, and headers.

use actors::workflows::planning::phase::PhaseId;
use serde_json::Value;
use utoipa::openapi::{
    RefOr, Required, Schema,
    path::{Parameter, ParameterBuilder, ParameterIn},
    schema::{Object, ObjectBuilder, SchemaFormat, Type},
};

use crate::gateway::{contract::AskedHeader, sse::EVENT_NUMBER_MAX};

/// A part of an address, by its name in the table of endpoints.
pub(super) fn of_path(name: &str) -> Parameter {
    let schema = place(name).expect("a test looks all names in addresses up");
    let about = schema.description.clone();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(about)
        .schema(Some(schema))
        .build()
}

/// What a name in an address stands for.
pub(super) fn place(name: &str) -> Option<Object> {
    let uuid = |about: &str, example: &str| {
        text(about, example)
            .format(Some(SchemaFormat::Custom("uuid".to_owned())))
            .build()
    };
    let bounded = |about: &str, example: &str, max: usize, pattern: &str| {
        text(about, example)
            .min_length(Some(1))
            .max_length(Some(max))
            .pattern(Some(pattern))
            .build()
    };
    Some(match name {
        "run" => uuid("The run", "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90"),
        "idea" => uuid("The parked idea", "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b91"),
        "key_id" => uuid("The API key", "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b93"),
        "session" => uuid("The session", "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b96"),
        "invitation" => uuid("The invitation", "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b96"),
        "job" => uuid("The backup or restore", "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b94"),
        "node" => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .description(Some("The number of the node"))
            .examples([Value::from(1)])
            .build(),
        "phase" => text("The phase", "opportunity")
            .enum_values(Some(PhaseId::ALL.map(PhaseId::as_str)))
            .build(),
        "tenant" => bounded("The tenant", "acme", 64, "^[a-z0-9_-]+$"),
        "kind" => text("What the limiter counts", "tenant")
            .enum_values(Some(["address", "attempts", "tenant", "key"]))
            .build(),
        "limiter" => bounded(
            "Of whom: an address, a tenant, or `<tenant>_<id>` of a key",
            "acme",
            128,
            "^[0-9A-Za-z.:_-]+$",
        ),
        "class" => bounded("The class of the actor", "run", 64, "^[a-z][a-z0-9-]*$"),
        "name" => bounded(
            "The name of the actor",
            "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90",
            256,
            "^[ -~]+$",
        ),
        "user" => bounded("The id of the user", "ann", 128, "^[!-~]+$"),
        "agent" => bounded("The kind of the agent", "chat", 40, "^[a-z0-9]+(-[a-z0-9]+)*$"),
        "agent_name" => bounded("What the agent is called", "general", 100, "^[ -~]+$"),
        "method" => bounded("The method", "members", 64, "^[!-~]+$"),
        _ => return None,
    })
}

fn text(about: &str, example: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(about))
        .examples([Value::from(example)])
}

/// The parameters of a query, from its schema.
pub(super) fn of_query(query: Object) -> impl Iterator<Item = Parameter> {
    let required = query.required;
    query.properties.into_iter().map(move |(name, schema)| {
        let about = match &schema {
            RefOr::T(Schema::Object(schema)) => schema.description.clone(),
            RefOr::T(Schema::Array(schema)) => schema.description.clone(),
            RefOr::T(_) | RefOr::Ref(_) => None,
        };
        let is_required = if required.contains(&name) {
            Required::True
        } else {
            Required::False
        };
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .required(is_required)
            .description(about)
            .schema(Some(schema))
            .build()
    })
}

/// A header that an endpoint reads.
pub(super) fn of_header(header: AskedHeader) -> Parameter {
    let (name, schema) = match header {
        AskedHeader::IfNoneMatch => (
            "If-None-Match",
            text("The ETag of the answer that the client has", "W/\"7f3c\""),
        ),
        AskedHeader::IdempotencyKey => (
            "Idempotency-Key",
            text(
                "Makes a request that is repeated with the same key do what it asks for once",
                "5f0c7a52",
            )
            .min_length(Some(1))
            .max_length(Some(255))
            .pattern(Some("^[!-~]+$")),
        ),
        AskedHeader::LastEventId => (
            "Last-Event-ID",
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .minimum(Some(0))
                .maximum(Some(EVENT_NUMBER_MAX))
                .description(Some("The last event that the client saw"))
                .examples([Value::from(7)]),
        ),
    };
    let schema = schema.build();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(schema.description.clone())
        .schema(Some(schema))
        .build()
}
