//! What an endpoint takes and answers: what the API's document says of it, and what every answer in a test is held against.

use std::{borrow::Cow, fmt};

use actix_web::http::StatusCode;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema, schema::Object},
};

use super::body::{Fields, description};

/// Media type of JSON.
pub(crate) const JSON: &str = "application/json";

/// Media type of a stream of events.
pub(crate) const EVENTS: &str = "text/event-stream";

/// A schema, with the ones that it refers to.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) name: fn() -> Cow<'static, str>,
    pub(crate) schema: fn() -> RefOr<Schema>,
    pub(crate) parts: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Shape {
    pub(crate) fn of<T: ToSchema>() -> Self {
        Self {
            name: T::name,
            schema: <T as PartialSchema>::schema,
            parts: T::schemas,
        }
    }
}

/// What an answer holds.
#[derive(Clone, Copy)]
pub(crate) enum Content {
    /// Nothing.
    Empty,
    /// JSON of this shape.
    Json(Shape),
    /// Text of this media type.
    Text(&'static str),
    /// A stream of events.
    Events,
}

/// An answer that is no problem.
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) about: &'static str,
    pub(crate) content: Vec<Content>,
    /// Headers that it has beside those of every answer.
    pub(crate) headers: Vec<ToldHeader>,
}

/// A header that has a meaning of its own here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToldHeader {
    /// Tells one answer from another.
    Tag,
    /// Where what was made is found.
    Location,
    /// The answer was given before.
    Replayed,
}

/// A header of a request that an endpoint reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AskedHeader {
    /// The tag of an answer that the client has.
    IfNoneMatch,
    /// Makes a request that is repeated do what it asks for once.
    IdempotencyKey,
    /// The last event that the client saw.
    LastEventId,
}

type Reader = Box<dyn Fn() -> Object>;

/// What one endpoint takes and answers.
#[derive(Default)]
pub(crate) struct Contract {
    /// The name of the operation, for programs that are made from the document.
    pub(crate) name: &'static str,
    pub(crate) query: Option<Reader>,
    pub(crate) body: Option<Reader>,
    /// Whether the body may be a form too.
    pub(crate) takes_forms: bool,
    pub(crate) headers: Vec<AskedHeader>,
    pub(crate) answers: Vec<Told>,
    /// The codes of its problems beside those that its access, query and body bring along.
    pub(crate) codes: Vec<&'static str>,
}

impl fmt::Debug for Contract {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Contract")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Contract {
    pub(crate) fn takes<T>(&mut self, read: fn(&mut Fields) -> T)
    where
        T: 'static,
    {
        self.body = Some(Box::new(move || description::of_body(read)));
    }

    pub(crate) fn asks<T>(&mut self, read: fn(&mut Fields) -> T)
    where
        T: 'static,
    {
        self.query = Some(Box::new(move || description::of_query(read)));
    }

    pub(crate) fn tells(&mut self, status: StatusCode, about: &'static str, content: Content) {
        match self.answers.iter_mut().find(|told| told.status == status) {
            Some(told) => told.content.push(content),
            None => self.answers.push(Told {
                status,
                about,
                content: vec![content],
                headers: Vec::new(),
            }),
        }
    }

    /// Adds a header to the answer that was told last.
    pub(crate) fn tells_header(&mut self, header: ToldHeader) {
        debug_assert!(!self.answers.is_empty(), "{} has no answer yet", self.name);
        if let Some(told) = self.answers.last_mut() {
            told.headers.push(header);
        }
    }
}
