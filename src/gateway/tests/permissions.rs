//! Who may call what: each endpoint with each role, in the home tenant, in another one, and with nobody signed in.

use actix_web::test::TestRequest;
use actors::role::Role;

use serde_json::{Value, json};

use super::{
    bench::{Answer, Bench, KILL, model, silent},
    contract,
};
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
            None if name == "kind" => "tenant",
            None if name == "limiter" => "default",
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
    let is_refused = answer.header("content-type") == "application/problem+json"
        && refusals.contains(&answer.json()["code"].as_str().unwrap());
    let is_led_to_sign_in = answer.status == 303 && answer.header("location") == "/sign-in";
    let is_page = answer.header("content-type").starts_with("text/html");
    let is_forbidden_page = answer.status == 403 && is_page;
    answer.status != 401 && !is_led_to_sign_in && !is_forbidden_page && !is_refused
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

/// What a tenant has that another one could ask for, by its name in addresses.
struct Owned {
    run: String,
    idea: String,
    key: String,
    invitation: String,
}

impl Owned {
    /// A run that was stopped, with the idea that was parked for it, an API key and an invitation, of the tenant `default`.
    async fn make(bench: &Bench) -> Self {
        let run = bench.create(json!({})).await;
        bench.until(&run, "killed").await;
        let ideas = bench.get("/api/planning/parked-ideas").await.json();
        let key = bench
            .post("/api/tenant/keys", &json!({ "name": "export", "role": "operator" }))
            .await;
        let invitee = json!({ "email": "bob@example.org", "role": "operator" });
        let invitation = bench.post("/api/tenant/invitations", &invitee).await;
        Self {
            invitation: invitation.json()["id"].as_str().unwrap().to_owned(),
            run,
            idea: ideas["items"][0]["id"].as_str().unwrap().to_owned(),
            key: key.json()["id"].as_str().unwrap().to_owned(),
        }
    }

    fn address(&self, path: &str) -> String {
        path.replace("{run}", &self.run)
            .replace("{idea}", &self.idea)
            .replace("{key_id}", &self.key)
            .replace("{invitation}", &self.invitation)
            // Nobody has this one: sessions are of people, not of tenants.
            .replace("{session}", "01980000-0000-7000-8000-000000000000")
            .replace("{user}", "admin")
            .replace("{tenant}", "default")
            .replace("{agent}", "board")
            .replace("{method}", "nothing")
            .replace("{phase}", "opportunity")
    }
}

fn with_body(mut request: TestRequest, operation: &Value) -> TestRequest {
    let body = &operation["requestBody"]["content"]["application/json"]["example"];
    if !body.is_null() {
        request = request.set_json(body);
    }
    request
}

#[tokio::test(start_paused = true)]
async fn nothing_of_one_tenant_is_there_for_another() {
    Bench::with(model(KILL), async |bench| {
        let owned = Owned::make(bench).await;
        let stranger = format!("Bearer {}", bench.token("acme", "ann", Role::Admin).await);
        let (mut hidden, mut lists) = (0, 0);
        for (path, item) in contract::document()["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let is_of_server = operation["x-permission"]
                    .as_str()
                    .is_some_and(|permission| permission.starts_with("system:"));
                let ask = |address: &str| {
                    let request = TestRequest::default()
                        .method(method.to_uppercase().parse().unwrap())
                        .uri(address)
                        .insert_header(("authorization", stranger.clone()));
                    with_body(request, operation)
                };
                if path.contains('{') && !is_of_server {
                    let answer = bench.call(ask(&owned.address(path))).await;
                    assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
                    hidden += 1;
                } else if is_of_server {
                    // Administration of the server is refused as a whole, whatever it names.
                    let answer = bench.call(ask(&path.replace(['{', '}'], ""))).await;
                    answer.problem(403, "auth.permission");
                } else if method == "get" {
                    let text = bench.call(ask(path)).await.text();
                    for id in [&owned.run, &owned.idea, &owned.key, &owned.invitation] {
                        assert!(!text.contains(id.as_str()), "{path} shows {id}");
                    }
                    lists += 1;
                }
            }
        }
        assert!(hidden >= 20 && lists >= 8, "{hidden} and {lists}");
        // All of it is there for its own tenant.
        for path in ["/api/planning/runs/{run}", "/api/admin/audit-verify/{tenant}"] {
            assert_eq!(bench.get(&owned.address(path)).await.status, 200, "{path}");
        }
        let member = bench.get("/api/tenant/members").await.text();
        assert!(member.contains("\"admin\""), "{member}");
    })
    .await;
}
