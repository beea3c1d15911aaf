//! The API's document (OpenAPI 3.1), made of the table of endpoints: `routes` says which there are and what each takes and
//! answers; the readers of bodies and queries and the types of the answers say how that looks. Pages are no part of it.

mod parameter;
mod sample;

use std::{collections::BTreeMap, sync::OnceLock};

use actix_web::{HttpRequest, HttpResponse, http::Method, http::StatusCode};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ComponentsBuilder, Content as Media, ContentBuilder, HeaderBuilder, HttpMethod, InfoBuilder, LicenseBuilder,
        OpenApi, OpenApiBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
        extensions::ExtensionsBuilder,
        path::{Operation, OperationBuilder, PathItemBuilder, PathsBuilder},
        request_body::RequestBodyBuilder,
        schema::{Object, ObjectBuilder, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
        tag::TagBuilder,
    },
};

use super::{
    body::FORM,
    caller::SESSION_COOKIE,
    catalogue,
    contract::{Content, Contract, EVENTS, JSON, Shape, ToldHeader},
    endpoint::{Access, Counting, Endpoint},
    error::{self, PROBLEM_JSON},
    etag::Kept,
    routes,
};

/// The version of the API, which is not that of the program: it changes its first number when a client that worked would not
/// work any more.
pub(crate) const VERSION: &str = "1.0.0";

/// Name of the way in for programs.
const BEARER: &str = "bearer";

/// Name of the way in for browsers.
const SESSION: &str = "session";

/// Extension with the permission that an operation needs.
const PERMISSION: &str = "x-permission";

/// Extension with the codes that the problems of an answer may have.
pub(crate) const CODES: &str = "x-codes";

const DESCRIPTION: &str = "Virtual actors behind one API. Every request is that of one person or program in one tenant; what \
    belongs to another tenant does not exist for it. Errors are `application/problem+json` (RFC 9457) whose `code` is stable; \
    `/problems` explains each. Unknown members of bodies and unknown parameters of queries are refused. Every answer names \
    its request in `X-Correlation-Id`. The pages for people are no part of this document.";

/// `GET /api/openapi.json`.
pub(crate) async fn serve(request: HttpRequest) -> HttpResponse {
    static KEPT: OnceLock<Kept> = OnceLock::new();
    KEPT.get_or_init(|| Kept::new(JSON, document().to_string()))
        .answer(&request)
}

/// The whole document.
pub(crate) fn document() -> Value {
    let chapters = routes::chapters();
    let endpoints: Vec<_> = chapters
        .iter()
        .flat_map(|chapter| chapter.endpoints.iter().map(|endpoint| (chapter.title, endpoint)))
        .filter(|(_, endpoint)| endpoint.is_documented())
        .collect();
    let mut schemas = BTreeMap::new();
    let mut paths = PathsBuilder::new();
    let mut grouped: BTreeMap<&str, Vec<(HttpMethod, Operation)>> = BTreeMap::new();
    for (tag, endpoint) in &endpoints {
        let operation = operation(endpoint, tag, &mut schemas);
        grouped
            .entry(endpoint.path)
            .or_default()
            .push((method(&endpoint.method), operation));
    }
    for (path, operations) in grouped {
        let item = operations
            .into_iter()
            .fold(PathItemBuilder::new(), |item, (method, operation)| {
                item.operation(method, operation)
            });
        paths = paths.path(path, item.build());
    }
    collect(Shape::of::<error::Document>(), &mut schemas);
    let tags = chapters
        .iter()
        .filter(|chapter| chapter.endpoints.iter().any(Endpoint::is_documented))
        .map(|chapter| {
            TagBuilder::new()
                .name(chapter.title)
                .description(Some(chapter.about))
                .build()
        });
    let document = whole(paths, schemas, tags.collect());
    let mut document = serde_json::to_value(document).expect("the document has string keys only");
    sample::fill(&mut document);
    document
}

fn whole(paths: PathsBuilder, schemas: BTreeMap<String, RefOr<Schema>>, tags: Vec<utoipa::openapi::Tag>) -> OpenApi {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The token of a session, or an API key"))
        .build();
    let cookie = ApiKeyValue::with_description(
        SESSION_COOKIE,
        "The session of a browser; with it, requests that change something need the Origin of this server",
    );
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme(BEARER, SecurityScheme::Http(bearer))
        .security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let licence = LicenseBuilder::new()
        .name(env!("CARGO_PKG_LICENSE"))
        .identifier(Some(env!("CARGO_PKG_LICENSE")));
    let info = InfoBuilder::new()
        .title("foundation")
        .version(VERSION)
        .description(Some(DESCRIPTION))
        .license(Some(licence.build()));
    OpenApiBuilder::new()
        .info(info.build())
        .paths(paths.build())
        .components(Some(components.build()))
        .tags(Some(tags))
        .build()
}

fn method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(endpoint: &Endpoint, tag: &str, schemas: &mut BTreeMap<String, RefOr<Schema>>) -> Operation {
    let contract = &endpoint.contract;
    let mut operation = OperationBuilder::new()
        .operation_id(Some(contract.name))
        .tag(tag)
        .summary(Some(endpoint.summary))
        .extensions(Some(match endpoint.access {
            Access::Needs(permission) => ExtensionsBuilder::new().add(PERMISSION, permission.as_str()).build(),
            Access::Public | Access::SignedIn | Access::Session => ExtensionsBuilder::new().build(),
        }))
        .description(Some(match endpoint.access {
            Access::Public => "Everyone may call it.".to_owned(),
            Access::SignedIn => "Whoever is signed in, or has an API key, may call it.".to_owned(),
            Access::Session => "Whoever is signed in may call it; an API key is no session.".to_owned(),
            Access::Needs(permission) => format!("Needs the permission `{permission}`."),
        }));
    operation = match endpoint.access {
        Access::Public => operation.securities(Some([])),
        Access::SignedIn | Access::Session | Access::Needs(_) => operation.securities(Some([
            SecurityRequirement::new(BEARER, [] as [&str; 0]),
            SecurityRequirement::new(SESSION, [] as [&str; 0]),
        ])),
    };
    for name in endpoint.places() {
        operation = operation.parameter(parameter::of_path(name));
    }
    if let Some(query) = &contract.query {
        for parameter in parameter::of_query(query()) {
            operation = operation.parameter(parameter);
        }
    }
    for &header in &contract.headers {
        operation = operation.parameter(parameter::of_header(header));
    }
    if let Some(body) = &contract.body {
        let schema = body();
        let is_needed = !schema.required.is_empty();
        let mut body = RequestBodyBuilder::new().content(JSON, Media::new(Some(schema.clone())));
        if contract.takes_forms {
            body = body.content(FORM, Media::new(Some(schema)));
        }
        let body = body.required(Some(if is_needed { Required::True } else { Required::False }));
        operation = operation.request_body(Some(body.build()));
    }
    for (status, answer) in answers(contract, schemas) {
        operation = operation.response(status.as_str(), answer);
    }
    for (status, problem) in problems(&codes(endpoint)) {
        operation = operation.response(status.to_string(), problem);
    }
    operation.build()
}

/// The answers that are no problems.
fn answers(contract: &Contract, schemas: &mut BTreeMap<String, RefOr<Schema>>) -> Vec<(StatusCode, Response)> {
    let mut answers = Vec::with_capacity(contract.answers.len());
    for told in &contract.answers {
        let mut answer = ResponseBuilder::new().description(told.about);
        for &content in &told.content {
            answer = match content {
                Content::Empty => answer,
                Content::Json(shape) => {
                    let reference = Ref::from_schema_name(collect(shape, schemas));
                    answer.content(JSON, Media::new(Some(reference)))
                }
                Content::Text(media_type) => {
                    answer.content(media_type, Media::new(Some(Object::with_type(Type::String))))
                }
                Content::Events => answer.content(EVENTS, Media::new(Some(event()))),
            };
        }
        for &header in &told.headers {
            let (name, about) = match header {
                ToldHeader::Tag => ("ETag", "Tells this answer from another; shown in If-None-Match"),
                ToldHeader::Location => ("Location", "Where what was made is found"),
                ToldHeader::Replayed => ("Idempotent-Replayed", "`true` where the answer was given before"),
            };
            answer = answer.header(name, text_header(about));
        }
        let answer = answer.header(
            "X-Correlation-Id",
            text_header("The id of the request, which is in the log too"),
        );
        answers.push((told.status, answer.build()));
    }
    answers
}

/// One event of a stream.
fn event() -> Object {
    let text = |about: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(about));
    ObjectBuilder::new()
        .property("id", text("Its number; live updates have none"))
        .property("event", text("What happened"))
        .property("data", text("A JSON object"))
        .build()
}

fn text_header(about: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .schema(Some(Object::with_type(Type::String)))
        .description(Some(about))
        .build()
}

/// Puts a schema and what it refers to among the others, and returns its name.
fn collect(shape: Shape, schemas: &mut BTreeMap<String, RefOr<Schema>>) -> String {
    let name = (shape.name)().into_owned();
    let mut parts = Vec::new();
    (shape.parts)(&mut parts);
    schemas.extend(parts);
    schemas.entry(name.clone()).or_insert_with(shape.schema);
    name
}

/// The codes that the problems of an endpoint may have: its own, and those of what it goes through.
pub(crate) fn codes(endpoint: &Endpoint) -> Vec<&'static str> {
    let contract = &endpoint.contract;
    let mut codes = vec!["body.too-large", "internal", "request.framing", "request.invalid"];
    if endpoint.access != Access::Public {
        codes.extend([
            "auth.ambiguous",
            "auth.expired",
            "auth.invalid-key",
            "auth.invalid-token",
            "auth.no-member",
            "auth.required",
            "auth.scheme",
            "auth.signed-out",
            "auth.slow",
            "auth.unavailable",
            "context.refused",
            "context.starting",
            "deadline",
            "overloaded",
            "reference.broken",
            "retryable",
            "tenant.suspended",
            "unknown",
        ]);
        if endpoint.method != Method::GET {
            codes.push("auth.origin");
        }
    }
    if endpoint.access == Access::Session {
        codes.push("auth.no-session");
    }
    if matches!(endpoint.access, Access::Needs(_)) {
        codes.extend(["audit.unavailable", "auth.permission"]);
    }
    if endpoint.counting != Counting::Nothing {
        codes.extend(["limit.exceeded", "limit.unavailable"]);
    }
    if contract.query.is_some() {
        codes.extend(["query.invalid", "query.invalid-utf8"]);
    }
    if let Some(query) = &contract.query
        && query().properties.contains_key("cursor")
    {
        codes.push("query.cursor");
    }
    if contract.body.is_some() {
        codes.extend([
            "body.invalid",
            "body.invalid-json",
            "body.invalid-utf8",
            "body.media-type",
            "body.timeout",
            "body.unreadable",
        ]);
    }
    codes.extend(&contract.codes);
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// An answer for each status that one of the codes comes with.
fn problems(codes: &[&'static str]) -> BTreeMap<u16, Response> {
    let mut by_status: BTreeMap<u16, Vec<&catalogue::Code>> = BTreeMap::new();
    for code in codes {
        let code = catalogue::find(code).expect("a test looks all codes of the endpoints up");
        for &status in code.statuses {
            by_status.entry(status).or_default().push(code);
        }
    }
    by_status
        .into_iter()
        .map(|(status, codes)| {
            let lines: Vec<_> = codes
                .iter()
                .map(|code| format!("- `{}`: {}", code.name, code.meaning))
                .collect();
            let first = codes.first().map(|code| problem(status, code));
            let media = ContentBuilder::new()
                .schema(Some(Ref::from_schema_name(error::Document::name())))
                .example(first);
            let names: Vec<_> = codes.iter().map(|code| code.name).collect();
            let mut answer = ResponseBuilder::new()
                .description(lines.join("\n"))
                .content(PROBLEM_JSON, media.build())
                .header(
                    "X-Correlation-Id",
                    text_header("The id of the request, which is in the log too"),
                )
                .extensions(Some(ExtensionsBuilder::new().add(CODES, names).build()));
            if matches!(status, 429 | 503) {
                let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
                let after = HeaderBuilder::new()
                    .schema(Some(seconds.build()))
                    .description(Some("Seconds after which a repetition may succeed"));
                answer = answer.header("Retry-After", after.build());
            }
            (status, answer.build())
        })
        .collect()
}

/// A problem as an example.
fn problem(status: u16, code: &catalogue::Code) -> Value {
    let title = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    serde_json::json!({
        "type": error::kind(code.name),
        "title": title.unwrap_or("Error"),
        "status": status,
        "detail": code.meaning,
        "instance": "/api/tenant",
        "code": code.name,
        "request_id": "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b95",
    })
}

/// The schema of the member `code`: every code of the catalogue.
pub(crate) fn code_schema() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(catalogue::codes().map(|code| code.name)))
        .description(Some("What went wrong, in a word that stays the same"))
        .examples(["run.not-found"])
        .build()
}

/// Any JSON object, where the answer describes itself.
#[derive(Debug)]
pub(crate) struct AnyObject;

impl PartialSchema for AnyObject {
    fn schema() -> RefOr<Schema> {
        RefOr::T(Schema::Object(Object::with_type(Type::Object)))
    }
}

impl ToSchema for AnyObject {}
