//! Endpoints: one address and method, the handler behind it, and what the gateway must know before it lets anyone through.

use std::collections::HashMap;

use actix_web::{
    FromRequest, Handler, Resource, Responder, Route,
    dev::ServiceRequest,
    guard::{GuardContext, fn_guard},
    http::Method,
    web::{self, ServiceConfig},
};

use super::permission::Permission;

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
