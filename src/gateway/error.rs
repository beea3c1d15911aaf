//! Problems: the one shape of every error that leaves the gateway (RFC 9457), and the only map from faults to HTTP statuses.

use std::{borrow::Cow, fmt};

use actix_web::{HttpResponse, ResponseError, http::StatusCode, http::header};
use cluster::prelude::{ActorError, ErrorKind};
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::code_schema;

use super::permission::Permission;

/// Media type of a problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// The page that explains each code, at an anchor of its own.
pub(crate) const EXPLAINED: &str = "/problems";

/// The `type` of the problems with a code: where this server explains it.
pub(crate) fn kind(code: &str) -> String {
    format!("{EXPLAINED}#{code}")
}

/// What went wrong with a request. Boxed, because every handler returns it and few ever do.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem(Box<Members>);

#[derive(Debug, Clone, PartialEq)]
struct Members {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: String,
    errors: Vec<FieldError>,
    state: Option<String>,
    retry_after: Option<u32>,
    allow: Option<String>,
    denied: Option<Permission>,
}

/// One field of a body or query that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// JSON pointer of the field, or its name in a query.
    #[schema(example = "/idea")]
    pub(crate) pointer: String,
    /// What is wrong with it.
    #[schema(example = "is required")]
    pub(crate) detail: String,
}

/// The members of a problem (RFC 9457) as they are sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document<'a> {
    /// Where the code is explained, relative to the server.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "/problems#run.not-found")]
    kind: String,
    /// The status in words.
    #[schema(example = "Not Found")]
    title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    status: u16,
    /// What happened this time, for people.
    #[schema(example = "there is no such run")]
    detail: &'a str,
    /// The address that was asked.
    #[schema(example = "/api/planning/runs/01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90")]
    instance: &'a str,
    #[schema(schema_with = code_schema)]
    code: &'a str,
    /// The fields that do not fit.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [FieldError],
    /// What a conflicting request met.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    /// The id of the request, which is in the log too.
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b95")]
    request_id: &'a str,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self(Box::new(Members {
            status,
            code: code.into(),
            detail: detail.into(),
            errors: Vec::new(),
            state: None,
            retry_after: None,
            allow: None,
            denied: None,
        }))
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    pub(crate) fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    pub(crate) fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// Refuses for lack of a permission.
    pub(crate) fn permission_denied(permission: Permission, detail: impl Into<String>) -> Self {
        let mut problem = Self::forbidden("auth.permission", detail);
        problem.0.denied = Some(permission);
        problem
    }

    pub(crate) fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    pub(crate) fn too_many(code: &'static str, detail: impl Into<String>, seconds: u32) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail).with_retry_after(seconds)
    }

    pub(crate) fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).with_retry_after(2)
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server failed to handle this; its log says why",
        )
    }

    pub(crate) fn method_not_allowed(allow: &str) -> Self {
        let mut problem = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            format!("this address answers {allow} only"),
        );
        problem.0.allow = Some(allow.to_owned());
        problem
    }

    pub(crate) fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Adds the state that a conflicting request met.
    pub(crate) fn with_state(mut self, state: &str) -> Self {
        self.0.state = Some(state.to_owned());
        self
    }

    pub(crate) fn with_retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The permission for lack of which this refuses.
    pub(crate) fn denied(&self) -> Option<Permission> {
        self.0.denied
    }

    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(crate) fn title(&self) -> &'static str {
        self.0.status.canonical_reason().unwrap_or("Error")
    }

    pub(crate) fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The response without the members that only the request knows.
    fn head(&self) -> actix_web::HttpResponseBuilder {
        let mut response = HttpResponse::build(self.0.status);
        if let Some(seconds) = self.0.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if let Some(allow) = &self.0.allow {
            response.insert_header((header::ALLOW, allow.as_str()));
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"foundation\""));
        }
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        response
    }

    /// The response for a program.
    pub(crate) fn to_json(&self, instance: &str, request_id: &str) -> HttpResponse {
        let document = Document {
            kind: kind(&self.0.code),
            title: self.title(),
            status: self.0.status.as_u16(),
            detail: &self.0.detail,
            instance,
            code: &self.0.code,
            errors: &self.0.errors,
            state: self.0.state.as_deref(),
            request_id,
        };
        let body = serde_json::to_vec(&document).expect("a problem has string keys only");
        self.head().content_type(PROBLEM_JSON).body(body)
    }

    /// The response for a person: the page that the UI plane rendered.
    pub(crate) fn to_page(&self, html: String) -> HttpResponse {
        self.head().content_type("text/html; charset=utf-8").body(html)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.0.code, self.0.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        // `request::wrap` replaces this body by one that names the request.
        self.to_json("", "")
    }
}

impl From<ActorError> for Problem {
    fn from(error: ActorError) -> Self {
        let status = match error.kind() {
            ErrorKind::Invalid | ErrorKind::Unsupported => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Forbidden => StatusCode::FORBIDDEN,
            ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::Overloaded | ErrorKind::Retryable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Deadline | ErrorKind::Unknown => StatusCode::GATEWAY_TIMEOUT,
            ErrorKind::Internal => {
                tracing::error!(code = error.code(), message = error.message(), "an actor failed");
                return Self::internal();
            }
        };
        let problem = Self::new(status, error.code().to_owned(), error.message());
        match status {
            StatusCode::SERVICE_UNAVAILABLE => problem.with_retry_after(2),
            _ => problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use serde_json::Value;

    use super::*;

    async fn json(response: HttpResponse) -> Value {
        serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap()
    }

    #[actix_web::test]
    async fn a_problem_has_the_members_of_rfc_9457_and_ours() {
        let problem = Problem::unprocessable("body.invalid", "two fields do not fit")
            .with_errors(vec![FieldError {
                pointer: "/idea".to_owned(),
                detail: "is required".to_owned(),
            }])
            .with_state("paused");
        let response = problem.to_json("/api/planning/runs", "0198");
        assert_eq!(response.headers().get("content-type").unwrap(), PROBLEM_JSON);
        let body = json(response).await;
        assert_eq!(body["type"], "/problems#body.invalid");
        assert_eq!(body["title"], "Unprocessable Entity");
        assert_eq!(body["status"], 422);
        assert_eq!(body["detail"], "two fields do not fit");
        assert_eq!(body["instance"], "/api/planning/runs");
        assert_eq!(body["code"], "body.invalid");
        assert_eq!(body["errors"][0]["pointer"], "/idea");
        assert_eq!(body["state"], "paused");
        assert_eq!(body["request_id"], "0198");
    }

    #[test]
    fn each_kind_of_actor_error_has_its_status() {
        let cases = [
            (ActorError::invalid("a", "m"), 422),
            (ActorError::not_found("a", "m"), 404),
            (ActorError::conflict("a", "m"), 409),
            (ActorError::forbidden("a", "m"), 403),
            (ActorError::too_large("a", "m"), 413),
            (ActorError::overloaded("a", "m"), 503),
            (ActorError::unknown("a", "m"), 504),
            (ActorError::retryable("a", "m"), 503),
            (ActorError::unsupported("a", "m"), 422),
            (ActorError::internal("a", "m"), 500),
        ];
        for (error, status) in cases {
            assert_eq!(Problem::from(error.clone()).status().as_u16(), status, "{error:?}");
        }
    }

    #[test]
    fn internal_detail_is_not_returned() {
        let problem = Problem::from(ActorError::internal("storage.corrupt", "row 17 of /srv/data is torn"));
        assert_eq!(problem.code(), "internal");
        assert!(!problem.detail().contains("row 17"));
    }
}
