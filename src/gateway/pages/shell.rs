//! What surrounds a page, filled from the request: preferences, the person, what the last form did.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time::Duration as CookieDuration},
    http::{StatusCode, header},
};
use actors::tenant::Counts;
use jiff::Timestamp;

use crate::{
    gateway::{caller::Caller, error::Problem, permission::Permission, state::Gateway},
    planes::ui::{self, FaultView, PREFERENCES_COOKIE, Person, Preferences, Section, Shell},
};

/// Cookie that carries what a form did to the page after it.
const SAID_COOKIE: &str = "said";

/// Most seconds between a form and the page after it.
const SAID_SECONDS: i64 = 20;

/// How long the tenant may take to say what waits for its people, on a page that does not need it.
const COUNTED_WITHIN: Duration = Duration::from_secs(1);

/// What a form did. A closed set, so that the cookie cannot put words on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Created,
    Paused,
    Resumed,
    Cancelled,
    Approved,
    Rejected,
    Deleted,
    Promoted,
    Drained,
    TakenBack,
    Removed,
    Joined,
    PasswordChanged,
    SignedOutThere,
    Switched,
    Invited,
    RoleSet,
    MemberRemoved,
    Withdrawn,
    KeyRevoked,
}

impl Said {
    const ALL: [Self; 20] = [
        Self::Created,
        Self::Paused,
        Self::Resumed,
        Self::Cancelled,
        Self::Approved,
        Self::Rejected,
        Self::Deleted,
        Self::Promoted,
        Self::Drained,
        Self::TakenBack,
        Self::Removed,
        Self::Joined,
        Self::PasswordChanged,
        Self::SignedOutThere,
        Self::Switched,
        Self::Invited,
        Self::RoleSet,
        Self::MemberRemoved,
        Self::Withdrawn,
        Self::KeyRevoked,
    ];

    fn code(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Cancelled => "cancelled",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Deleted => "deleted",
            Self::Promoted => "promoted",
            Self::Drained => "drained",
            Self::TakenBack => "taken-back",
            Self::Removed => "removed",
            Self::Joined => "joined",
            Self::PasswordChanged => "password-changed",
            Self::SignedOutThere => "signed-out-there",
            Self::Switched => "switched",
            Self::Invited => "invited",
            Self::RoleSet => "role-set",
            Self::MemberRemoved => "member-removed",
            Self::Withdrawn => "withdrawn",
            Self::KeyRevoked => "key-revoked",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Created => "Run started.",
            Self::Paused => "Run paused. The step being worked on is finished first.",
            Self::Resumed => "The run goes on.",
            Self::Cancelled => "Run cancelled.",
            Self::Approved => "Approved. The package is being made.",
            Self::Rejected => "Rejected. The run ended and your comment is kept.",
            Self::Deleted => "Run deleted.",
            Self::Promoted => "The idea became a new run.",
            Self::Drained => "The node gives away what it has.",
            Self::TakenBack => "The node takes its share again.",
            Self::Removed => "The node gives away what it has, and is taken out then.",
            Self::Joined => "Welcome. You work here now.",
            Self::PasswordChanged => "Password changed. You are signed out everywhere else.",
            Self::SignedOutThere => "Signed out there.",
            Self::Switched => "You work there now.",
            Self::Invited => "Invited. The mail is on its way.",
            Self::RoleSet => "Role set.",
            Self::MemberRemoved => "Membership taken away.",
            Self::Withdrawn => "Invitation taken back.",
            Self::KeyRevoked => "Key revoked.",
        }
    }
}

/// Fills what surrounds a page of a signed-in person.
pub(super) async fn shell(
    request: &HttpRequest,
    gateway: &Gateway,
    caller: &Caller,
    section: Section,
) -> Result<Shell, Problem> {
    let counts = gateway.planning.counts(caller).await?;
    let person = person(gateway, caller).await;
    Ok(around(request, person, section, counts))
}

/// As [`shell`], also where the tenant does not answer: then nothing waits for the person, as far as the page tells.
pub(super) async fn shell_anyway(request: &HttpRequest, gateway: &Gateway, caller: &Caller, section: Section) -> Shell {
    let counts = tokio::time::timeout(COUNTED_WITHIN, gateway.planning.counts(caller)).await;
    let counts = counts.ok().and_then(Result::ok).unwrap_or_default();
    let person = person(gateway, caller).await;
    around(request, person, section, counts)
}

/// The person as pages show them: by the address and the name of the tenant, where there are such.
async fn person(gateway: &Gateway, caller: &Caller) -> Person {
    let owner = gateway.callers.owner_of(caller).await;
    let tenant = owner.as_ref().and_then(|owner| owner.tenant_name.clone());
    Person {
        name: owner.map_or_else(|| caller.user.clone(), |owner| owner.display_name()),
        tenant: tenant.unwrap_or_else(|| caller.tenant.as_str().to_owned()),
        operates: caller.may(Permission::SystemMonitor),
    }
}

fn around(request: &HttpRequest, person: Person, section: Section, counts: Counts) -> Shell {
    let mut shell = bare(request, section);
    shell.person = Some(person);
    shell.needs_you = counts.awaiting;
    shell.parked = (counts.parked > 0).then_some(counts.parked);
    shell.said = request
        .cookie(SAID_COOKIE)
        .and_then(|cookie| Said::ALL.into_iter().find(|said| said.code() == cookie.value()))
        .map(|said| said.sentence().to_owned());
    shell
}

/// Fills what surrounds a page of nobody.
pub(super) fn bare(request: &HttpRequest, section: Section) -> Shell {
    Shell {
        person: None,
        preferences: preferences(request),
        section,
        path: request
            .uri()
            .path_and_query()
            .map(|path| path.as_str().to_owned())
            .unwrap_or_default(),
        needs_you: 0,
        parked: None,
        now: Timestamp::now().as_second(),
        said: None,
    }
}

pub(super) fn preferences(request: &HttpRequest) -> Preferences {
    request
        .cookie(PREFERENCES_COOKIE)
        .map(|cookie| Preferences::from_cookie(cookie.value()))
        .unwrap_or_default()
}

/// Sends a page, and forgets what the last form did if the page has said it.
pub(super) fn page(request: &HttpRequest, status: StatusCode, html: String) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "private, no-store"));
    if request.cookie(SAID_COOKIE).is_some() {
        let mut cookie = said_cookie("", 0);
        cookie.make_removal();
        response.cookie(cookie);
    }
    response.body(html)
}

/// Leads to a page after a form.
pub(super) fn see_other(path: &str, said: Option<Said>) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((header::LOCATION, path));
    if let Some(said) = said {
        response.cookie(said_cookie(said.code(), SAID_SECONDS));
    }
    response.finish()
}

fn said_cookie(code: &'static str, seconds: i64) -> Cookie<'static> {
    Cookie::build(SAID_COOKIE, code)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .max_age(CookieDuration::seconds(seconds))
        .finish()
}

/// The page of a problem.
pub(crate) fn fault(request: &HttpRequest, problem: &Problem, id: &str) -> String {
    let shell = person_if_known(request, bare(request, Section::None));
    let run = request.match_info().get("id").unwrap_or_default();
    let tenant = shell
        .person
        .as_ref()
        .map(|person| person.tenant.as_str())
        .unwrap_or_default();
    let view = match problem.status() {
        StatusCode::NOT_FOUND if problem.code().starts_with("run.") => FaultView::no_run(run, tenant),
        StatusCode::NOT_FOUND if problem.code().starts_with("artifact.") => FaultView::no_artifact(run),
        StatusCode::NOT_FOUND => FaultView::no_page(),
        StatusCode::CONFLICT => FaultView::conflict(run, &sentence(problem.detail())),
        StatusCode::FORBIDDEN if problem.code().starts_with("auth.permission") => FaultView::forbidden(),
        StatusCode::TOO_MANY_REQUESTS => FaultView::too_many(5),
        StatusCode::SERVICE_UNAVAILABLE => FaultView::overloaded(),
        StatusCode::GATEWAY_TIMEOUT => FaultView::unknown(),
        status if status.is_server_error() => FaultView::internal(),
        status => {
            let mut view = FaultView::invalid(&sentence(problem.detail()));
            view.status = status.as_u16();
            view
        }
    };
    ui::fault_page(&shell, &view.with_request(id))
}

fn person_if_known(request: &HttpRequest, mut shell: Shell) -> Shell {
    let caller = <Caller as actix_web::FromRequest>::extract(request).into_inner();
    if let Ok(caller) = caller {
        shell.person = Some(Person {
            operates: caller.may(Permission::SystemMonitor),
            tenant: caller.tenant.as_str().to_owned(),
            name: caller.user,
        });
    }
    shell
}

/// A detail as a sentence for people.
pub(super) fn sentence(detail: &str) -> String {
    let mut letters = detail.chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str().trim_end_matches('.')),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_what_was_said_are_distinct() {
        for said in Said::ALL {
            assert_eq!(
                Said::ALL
                    .into_iter()
                    .filter(|other| other.code() == said.code())
                    .count(),
                1
            );
        }
    }

    #[test]
    fn a_detail_becomes_a_sentence() {
        assert_eq!(sentence("the run is paused"), "The run is paused.");
        assert_eq!(sentence(""), "");
    }
}
