//! Who may call what: each endpoint with each role, in the home tenant, in another one, and with nobody signed in.

use actix_web::test::TestRequest;
use actors::role::Role;

use super::bench::{Answer, Bench, silent};
use crate::gateway::{
    endpoint::{Access, Endpoint},
    routes::endpoints,
};

/// The address of an endpoint with something in each place.
pub(super) fn address(endpoint: &Endpoint) -> String {
    let mut path = endpoint.path.to_owned();
    while let Some((before, rest)) = path.split_once('{') {
        let (name, after) = rest.split_once('}').unwrap();
        let value = match name.split_once(':') {
            Some((_, only)) => only,
            None if name == "phase" => "opportunity",
            None if name == "tenant" => "default",
            None => "01980000-0000-7000-8000-000000000000",
        };
        path = format!("{before}{value}{after}");
    }
    path
}

fn is_page(endpoint: &Endpoint) -> bool {
    !endpoint.path.starts_with("/api/")
}

/// Whether the gate let the request through to its handler.
fn is_through(answer: &Answer) -> bool {
    let refusals = ["auth.permission", "auth.required"];
    let text = String::from_utf8_lossy(&answer.body);
    let is_led_to_sign_in = answer.status == 303 && answer.header("location") == "/sign-in";
    let is_forbidden_page = answer.status == 403 && text.starts_with("<!doctype html>");
    answer.status != 401 && !is_led_to_sign_in && !is_forbidden_page && !refusals.iter().any(|code| text.contains(code))
}

async fn call(bench: &Bench, endpoint: &Endpoint, token: Option<&str>) -> Answer {
    let mut request = TestRequest::default()
        .method(endpoint.method.clone())
        .uri(&address(endpoint));
    if let Some(token) = token {
        request = request.insert_header(("authorization", format!("Bearer {token}")));
    }
    bench.call(request).await
}

#[tokio::test(start_paused = true)]
async fn each_cell_of_the_permission_table_holds_at_each_endpoint() {
    Bench::with(silent(), async |bench| {
        let mut cells = 0;
        for (tenant, is_home) in [("default", true), ("acme", false)] {
            for role in [Role::Operator, Role::Supervisor, Role::Admin] {
                let token = bench.token(tenant, "ann", role).await;
                for endpoint in endpoints() {
                    // It would end the session that all others are tried with.
                    if endpoint.path == "/api/auth/sign-out" {
                        continue;
                    }
                    let expected = match endpoint.access {
                        Access::Public => continue,
                        Access::Session | Access::SignedIn => true,
                        Access::Needs(permission) => permission.is_granted(role, is_home),
                    };
                    let answer = call(bench, &endpoint, Some(&token)).await;
                    assert_eq!(
                        is_through(&answer),
                        expected,
                        "{endpoint:?} for {role:?} of {tenant}: {} {:?}",
                        answer.status,
                        answer.body
                    );
                    cells += 1;
                }
            }
        }
        println!("{cells} cells");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whatever_is_not_public_refuses_who_is_not_signed_in() {
    Bench::with(silent(), async |bench| {
        for endpoint in endpoints() {
            // These refuse for reasons of their own: a form from elsewhere, a link that was never made.
            let is_form = is_page(&endpoint) && endpoint.method == "POST" && endpoint.access == Access::Public;
            if is_form || ["/sign-in/{token}", "/invitation"].contains(&endpoint.path) {
                continue;
            }
            let answer = call(bench, &endpoint, None).await;
            let is_public = endpoint.access == Access::Public;
            assert_eq!(is_through(&answer), is_public, "{endpoint:?}: {}", answer.status);
            if !is_public && !is_page(&endpoint) {
                answer.problem(401, "auth.required");
            }
        }
    })
    .await;
}

#[test]
fn what_changes_something_is_not_open_to_everyone() {
    let open: Vec<_> = endpoints()
        .into_iter()
        .filter(|endpoint| endpoint.access == Access::Public && endpoint.method != "GET")
        .map(|endpoint| endpoint.path)
        .collect();
    let decided = [
        "/api/auth/sign-up",
        "/api/public/signup",
        "/api/public/contact",
        "/api/auth/verify",
        "/api/auth/sign-in",
        "/api/auth/password/forgot",
        "/api/auth/password/reset",
        "/api/auth/invitations/look",
        "/api/auth/invitations/accept",
        "/sign-in",
        "/sign-up",
        "/verify",
        "/forgot",
        "/reset",
        "/invitation",
        "/sign-out",
        "/theme",
    ];
    assert_eq!(open, decided, "each of these is a decision");
}
