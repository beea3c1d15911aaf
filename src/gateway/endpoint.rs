//! Endpoints: one address and method, the handler behind it, and what the gateway must know before it lets anyone through.

use std::collections::HashMap;

use actix_web::{
    FromRequest, Handler, Resource, Responder, Route,
    dev::ServiceRequest,
    guard::{GuardContext, fn_guard},
    http::{Method, StatusCode},
    web::{self, ServiceConfig},
};

use utoipa::ToSchema;

use super::{
    body::Fields,
    contract::{AskedHeader, Content, Contract, Shape, ToldHeader},
    permission::Permission,
};

/// Who may call an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone.
    Public,
    /// Whoever has a session, also if they work in no tenant: what people do with their own account.
    Session,
    /// Whoever is signed in and works in a tenant, or has an API key.
    SignedIn,
    /// Whoever has the permission.
    Needs(Permission),
}

/// For which rate limits a request counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// Of whoever asks.
    Requests,
    /// Of the address too, whoever asks: a secret could be guessed here.
    Attempts,
    /// For none: asking costs next to nothing, and has to work.
    Nothing,
}

/// What the gateway checks before the handler is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) access: Access,
    pub(crate) counting: Counting,
}

/// One address and method.
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) counting: Counting,
    /// What it does, in one line.
    pub(crate) summary: &'static str,
    /// What it takes and answers; pages have none.
    pub(crate) contract: Contract,
    route: Route,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Endpoint")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

/// `GET` of a path. It needs someone signed in, unless it says otherwise.
pub(crate) fn get<F, Args>(path: &'static str, handler: F) -> Endpoint
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Endpoint::new(Method::GET, path, web::get().to(handler))
}

/// `POST` to a path. It needs someone signed in, unless it says otherwise.
pub(crate) fn post<F, Args>(path: &'static str, handler: F) -> Endpoint
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Endpoint::new(Method::POST, path, web::post().to(handler))
}

/// `DELETE` of a path. It needs someone signed in, unless it says otherwise.
pub(crate) fn delete<F, Args>(path: &'static str, handler: F) -> Endpoint
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Endpoint::new(Method::DELETE, path, web::delete().to(handler))
}

impl Endpoint {
    fn new(method: Method, path: &'static str, route: Route) -> Self {
        Self {
            method,
            path,
            access: Access::SignedIn,
            counting: Counting::Requests,
            summary: "",
            contract: Contract::default(),
            route,
        }
    }

    /// Lets everyone call it.
    pub(crate) fn public(mut self) -> Self {
        self.access = Access::Public;
        self
    }

    /// Lets everyone call it who has a session.
    pub(crate) fn by_session(mut self) -> Self {
        self.access = Access::Session;
        self
    }

    /// Lets only those call it who have the permission.
    pub(crate) fn needs(mut self, permission: Permission) -> Self {
        self.access = Access::Needs(permission);
        self
    }

    /// Counts requests as attempts: a secret could be guessed here.
    pub(crate) fn attempts(mut self) -> Self {
        self.counting = Counting::Attempts;
        self
    }

    /// Counts requests for no rate limit.
    pub(crate) fn uncounted(mut self) -> Self {
        self.counting = Counting::Nothing;
        self
    }

    /// Says what it does, in one line.
    pub(crate) fn says(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// Whether the API's document has it.
    pub(crate) fn is_documented(&self) -> bool {
        !self.contract.name.is_empty()
    }

    /// The names in its address.
    pub(crate) fn places(&self) -> impl Iterator<Item = &'static str> {
        let parts = self.path.split('{').skip(1);
        parts.filter_map(|part| part.split(['}', ':']).next())
    }

    /// Names the operation in the API's document; what has no name is left out there.
    pub(crate) fn named(mut self, name: &'static str) -> Self {
        self.contract.name = name;
        self
    }

    /// Takes the query that `read` reads.
    pub(crate) fn query<T: 'static>(mut self, read: fn(&mut Fields) -> T) -> Self {
        self.contract.asks(read);
        self
    }

    /// Takes the JSON object that `read` reads.
    pub(crate) fn body<T: 'static>(mut self, read: fn(&mut Fields) -> T) -> Self {
        self.contract.takes(read);
        self
    }

    /// Takes the JSON object that `read` reads, or an HTML form with the same fields.
    pub(crate) fn body_or_form<T: 'static>(mut self, read: fn(&mut Fields) -> T) -> Self {
        self.contract.takes(read);
        self.contract.takes_forms = true;
        self
    }

    /// Does what it is asked once, however often a request is repeated with the same key.
    pub(crate) fn idempotent(mut self) -> Self {
        self.contract.headers.push(AskedHeader::IdempotencyKey);
        self.fails(&["idempotency.key"])
    }

    /// Reads the last event that the client saw.
    pub(crate) fn resumable(mut self) -> Self {
        self.contract.headers.push(AskedHeader::LastEventId);
        self
    }

    /// Answers 200 with JSON.
    pub(crate) fn gives<T: ToSchema>(self, about: &'static str) -> Self {
        self.answers::<T>(StatusCode::OK, about)
    }

    /// Answers with JSON.
    pub(crate) fn answers<T: ToSchema>(mut self, status: StatusCode, about: &'static str) -> Self {
        self.contract.tells(status, about, Content::Json(Shape::of::<T>()));
        self
    }

    /// Answers 200 with text of a media type.
    pub(crate) fn gives_text(mut self, media_type: &'static str, about: &'static str) -> Self {
        self.contract.tells(StatusCode::OK, about, Content::Text(media_type));
        self
    }

    /// Answers 200 with a stream of events.
    pub(crate) fn gives_events(mut self, about: &'static str) -> Self {
        self.contract.tells(StatusCode::OK, about, Content::Events);
        self
    }

    /// Answers 204.
    pub(crate) fn gives_nothing(mut self, about: &'static str) -> Self {
        self.contract.tells(StatusCode::NO_CONTENT, about, Content::Empty);
        self
    }

    /// Marks the answer with a tag, and tells who shows that tag that nothing changed.
    pub(crate) fn tagged(mut self) -> Self {
        self.contract.tells_header(ToldHeader::Tag);
        self.contract.headers.push(AskedHeader::IfNoneMatch);
        let about = "What the client has is the present answer";
        self.contract.tells(StatusCode::NOT_MODIFIED, about, Content::Empty);
        self.contract.tells_header(ToldHeader::Tag);
        self
    }

    /// Says in the answer where what was made is found.
    pub(crate) fn located(mut self) -> Self {
        self.contract.tells_header(ToldHeader::Location);
        self
    }

    /// Says in the answer whether it was given before.
    pub(crate) fn replayed(mut self) -> Self {
        self.contract.tells_header(ToldHeader::Replayed);
        self
    }

    /// Fails with these codes too.
    pub(crate) fn fails(mut self, codes: &[&'static str]) -> Self {
        self.contract.codes.extend(codes);
        self
    }
}

/// What the gateway checks before each endpoint, found by the address and method of a request.
#[derive(Debug, Default)]
pub(crate) struct Rules(HashMap<&'static str, Vec<(Method, Rule)>>);

impl Rules {
    /// Collects the rules of endpoints.
    pub(crate) fn of(endpoints: &[Endpoint]) -> Self {
        let mut table: HashMap<_, Vec<_>> = HashMap::new();
        for endpoint in endpoints {
            let methods = table.entry(endpoint.path).or_default();
            debug_assert!(
                methods.iter().all(|(method, _)| *method != endpoint.method),
                "{endpoint:?} is there twice"
            );
            let rule = Rule {
                access: endpoint.access,
                counting: endpoint.counting,
            };
            methods.push((endpoint.method.clone(), rule));
        }
        Self(table)
    }

    /// Where a request leads, and the rule for it; none where nothing answers it but an error. It is looked up by the address as the
    /// router decodes it: a letter may be written as its number.
    pub(crate) fn find(&self, request: &ServiceRequest) -> (Option<Place>, Option<Rule>) {
        let pattern = request.resource_map().match_pattern(request.match_info().as_str());
        let Some((path, methods)) = pattern.and_then(|pattern| self.0.get_key_value(pattern.as_str())) else {
            return (None, None);
        };
        let found = methods.iter().find(|(method, _)| method == request.method());
        (Some(Place(path)), found.map(|(_, rule)| *rule))
    }
}

/// Where the gate has found that a request leads. A resource takes no request that was found to lead elsewhere: whatever the gate and the
/// router might see differently is answered as what is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(&'static str);

impl Place {
    fn is_found(self, context: &GuardContext<'_>) -> bool {
        context.req_data().get::<Self>() == Some(&self)
    }
}

/// Registers endpoints, in their order: one resource for each address, so that another method is answered 405 with `Allow`.
pub(crate) fn register(endpoints: Vec<Endpoint>, config: &mut ServiceConfig) {
    let mut groups: Vec<(&'static str, Vec<Route>)> = Vec::new();
    for endpoint in endpoints {
        match groups.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, routes)) => routes.push(endpoint.route),
            None => groups.push((endpoint.path, vec![endpoint.route])),
        }
    }
    for (path, routes) in groups {
        let found = fn_guard(move |context| Place(path).is_found(context));
        config.service(
            routes
                .into_iter()
                .fold(web::resource(path).guard(found), Resource::route),
        );
    }
}
