//! People sign up and in by themselves.

use std::time::Duration;

use actix_web::test::TestRequest;
use actors::{
    audit::{AuditLog, ListRecords, NAME},
    role::{Role, system_tenant},
};
use cluster::prelude::ActorId;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::bench::{Answer, Bench, IDEA, call, silent};
use crate::{
    config::{AuthConfig, SignUpRule},
    gateway::recent::FRESH,
    planes::communication::Letter,
};

pub(super) const PASSWORD: &str = "correct-horse-battery";

pub(super) async fn post(bench: &Bench, path: &str, body: Value) -> Answer {
    bench.call(TestRequest::post().uri(path).set_json(body)).await
}

/// Sends what a program with a session sends.
pub(super) async fn with(bench: &Bench, token: &str, request: TestRequest) -> Answer {
    bench
        .call(request.insert_header(("authorization", format!("Bearer {token}"))))
        .await
}

/// The token in the link of a letter.
pub(super) fn token_in(letter: &Letter) -> String {
    let (_, rest) = letter.text.split_once("token=").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

pub(super) fn form(who: &str) -> Value {
    json!({ "email": format!("{who}@example.org"), "name": who, "password": PASSWORD, "tenant": format!("House of {who}") })
}

/// Signs a person up, whose address is not confirmed then. Answers the token of the mail.
async fn register(bench: &Bench, who: &str) -> String {
    let answer = post(bench, "/api/auth/sign-up", form(who)).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    token_in(&bench.letter().await)
}

/// Makes an account.
pub(super) async fn settle(bench: &Bench, who: &str) {
    let token = register(bench, who).await;
    let answer = post(bench, "/api/auth/verify", json!({ "token": token })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

pub(super) async fn try_in(bench: &Bench, who: &str, password: &str) -> Answer {
    let body = json!({ "email": format!("{who}@example.org"), "password": password });
    post(bench, "/api/auth/sign-in", body).await
}

/// Signs a person in.
pub(super) async fn enter(bench: &Bench, who: &str) -> String {
    let answer = try_in(bench, who, PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["token"].as_str().unwrap().to_owned()
}

pub(super) async fn me(bench: &Bench, token: &str) -> Answer {
    with(bench, token, TestRequest::get().uri("/api/auth/me")).await
}

/// Lets answers about sessions grow old.
pub(super) async fn a_moment(bench: &Bench) {
    bench.cluster.advance(FRESH).await;
}

/// The events of the chain of tenant `system`, as text.
async fn system_events(bench: &Bench) -> Vec<(String, String)> {
    let chain = ActorId::from_name::<AuditLog>(&system_tenant(), NAME);
    let chain = bench.cluster.cluster().get::<AuditLog>(chain);
    bench.cluster.advance(Duration::from_secs(1)).await;
    let list = ListRecords {
        limit: 200,
        ..ListRecords::default()
    };
    let page = bench.gateway.context.as_system(&system_tenant(), chain.ask(list)).await;
    let records = page.unwrap().records.into_iter();
    records.map(|record| (record.event_type, record.payload)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_person_comes_from_signing_up_to_the_first_run() {
    Bench::with(silent(), async |bench| {
        let signed_up = post(bench, "/api/auth/sign-up", form("ann")).await;
        assert_eq!(
            (signed_up.status.as_u16(), signed_up.json()),
            (202, json!({ "mailed": true }))
        );
        let letter = bench.letter().await;
        assert_eq!(letter.to.as_str(), "ann@example.org");
        assert!(
            letter.text.contains("http://127.0.0.1:8788/verify?token="),
            "{}",
            letter.text
        );
        assert!(letter.text.contains("UTC"), "it says until when: {}", letter.text);

        try_in(bench, "ann", PASSWORD).await.problem(401, "auth.refused");
        assert!(bench.has_no_letter().await, "so soon no other mail is sent");
        bench.cluster.advance(Duration::from_mins(1)).await;
        try_in(bench, "ann", PASSWORD).await.problem(401, "auth.refused");
        let again = bench.letter().await;
        assert_eq!(
            again.to.as_str(),
            "ann@example.org",
            "who knows the password gets another mail"
        );

        let body = json!({ "token": token_in(&letter) });
        for _ in 0..2 {
            let confirmed = post(bench, "/api/auth/verify", body.clone()).await;
            assert_eq!(confirmed.status, 200, "{}", confirmed.text());
            assert_eq!(confirmed.json()["email"], "ann@example.org");
            assert!(!confirmed.headers.contains_key("set-cookie"), "it signs nobody in");
        }
        let signed_in = try_in(bench, "ann", PASSWORD).await;
        assert_eq!(signed_in.header("cache-control"), "no-store");
        assert!(!signed_in.headers.contains_key("set-cookie"));
        let signed_in = signed_in.json();
        assert_eq!(
            (&signed_in["tenant"]["name"], &signed_in["tenant"]["role"]),
            (&json!("House of ann"), &json!("admin"))
        );
        let token = signed_in["token"].as_str().unwrap();
        let who = me(bench, token).await.json();
        assert_eq!(
            (&who["user"], &who["tenant"]),
            (&signed_in["user"], &signed_in["tenant"]["id"])
        );
        let run = TestRequest::post()
            .uri("/api/planning/runs")
            .set_json(json!({ "idea": IDEA }));
        assert_eq!(with(bench, token, run).await.status, 200);
        bench.cluster.advance(Duration::from_secs(1)).await;
        let audit = with(bench, token, TestRequest::get().uri("/api/audit")).await.json();
        let of = |event: &str| {
            let records = audit["items"].as_array().unwrap().iter();
            let record = records.into_iter().find(|record| record["event_type"] == event);
            record.unwrap_or_else(|| panic!("{event}: {audit}"))["payload"]["actor"].clone()
        };
        assert_eq!(of("signed_in"), who["user"]);
        assert_eq!(of("run_created"), who["user"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn signing_up_tells_nobody_who_has_an_account() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        let mut answers = Vec::new();
        for who in ["ann", "bob", "ann"] {
            let began = Instant::now();
            let answer = post(bench, "/api/public/signup", form(who)).await;
            let mut headers: Vec<_> = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
            headers.sort();
            answers.push((answer.status, answer.text(), headers, began.elapsed().as_millis() / 100));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        let told = bench.letter().await;
        assert_eq!(
            (told.to.as_str(), told.subject.as_str()),
            ("ann@example.org", "You have an account already")
        );
        assert_eq!(bench.letter().await.to.as_str(), "bob@example.org");
        assert!(bench.has_no_letter().await, "ann was written to a moment ago");
        enter(bench, "ann").await;

        let reset = json!({ "token": token_in(&told), "password": "another-good-one" });
        assert_eq!(post(bench, "/api/auth/password/reset", reset).await.status, 204);
        assert_eq!(try_in(bench, "ann", "another-good-one").await.status, 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn all_refusals_of_a_sign_in_are_alike() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        register(bench, "una").await;
        let mut refusals = Vec::new();
        let mut refused = async |who: &str, password: &str| {
            let (began, checks) = (Instant::now(), bench.passwords.checks());
            let answer = try_in(bench, who, password).await;
            let elapsed = began.elapsed().as_millis() / 100;
            let mut problem = answer.problem(401, "auth.refused");
            problem["request_id"] = Value::Null;
            assert_eq!(
                bench.passwords.checks() - checks,
                1,
                "{who}: the work is done in each case"
            );
            refusals.push((problem, elapsed));
        };
        refused("nobody", PASSWORD).await;
        refused("una", PASSWORD).await;
        for _ in 0..5 {
            refused("ann", "a-wrong-password").await;
        }
        refused("ann", PASSWORD).await;
        assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
        assert!(refusals[0].1 >= 5, "{refusals:?}");
        bench.cluster.advance(Duration::from_secs(31)).await;
        enter(bench, "ann").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_refusal_is_recorded_without_the_address_of_nobody() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        let attempt = async |who: &str| {
            let body = json!({ "email": format!("{who}@example.org"), "password": "a-wrong-password" });
            let request = TestRequest::post().uri("/api/auth/sign-in").set_json(body);
            // The client chooses the id of its request, and may always choose the same.
            bench.call(request.insert_header(("x-correlation-id", "mine"))).await;
        };
        for who in ["nobody", "nobody", "ann", "ann", "ann", "ann", "ann", "ann"] {
            attempt(who).await;
        }
        let refused: Vec<Value> = system_events(bench)
            .await
            .into_iter()
            .filter(|(event, _)| event == "sign_in_refused")
            .map(|(_, payload)| serde_json::from_str(&payload).unwrap())
            .collect();
        let why: Vec<_> = refused.iter().map(|event| event["why"].as_str().unwrap()).collect();
        assert_eq!(
            why,
            [
                "unknown", "unknown", "password", "password", "password", "password", "password", "locked"
            ]
        );
        for event in &refused {
            assert_eq!(
                (&event["actor"], &event["request_id"]),
                (&json!("anonymous"), &json!("mine"))
            );
            assert!(!event.to_string().contains("nobody"), "{event}");
        }
        assert_eq!(refused[0]["address_sha256"].as_str().unwrap().len(), 64);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn no_session_that_somebody_put_into_a_browser_is_used_on() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        settle(bench, "eve").await;
        let planted = enter(bench, "eve").await;
        let sign_in = |origin: &'static str| {
            let body = json!({ "email": "ann@example.org", "password": PASSWORD, "cookie": true });
            TestRequest::post()
                .uri("/api/auth/sign-in")
                .insert_header(("cookie", format!("session_id={planted}")))
                .insert_header(("host", "plans.test"))
                .insert_header(("origin", origin))
                .set_json(body)
        };
        bench
            .call(sign_in("http://evil.test"))
            .await
            .problem(403, "auth.origin");
        let signed_in = bench.call(sign_in("http://plans.test")).await;
        assert_eq!(signed_in.status, 200, "{}", signed_in.text());
        assert!(signed_in.json().get("token").is_none(), "no script sees the session");
        let cookie = signed_in.header("set-cookie").to_owned();
        for part in ["session_id=", "HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(cookie.contains(part), "{part}: {cookie}");
        }
        let fresh = cookie
            .split(';')
            .next()
            .unwrap()
            .trim_start_matches("session_id=")
            .to_owned();
        assert_ne!(fresh, planted);
        assert_eq!(me(bench, &fresh).await.status, 200);
        me(bench, &planted).await.problem(401, "auth.signed-out");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_password_is_set_by_mail_once_and_everybody_is_signed_out() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        let session = enter(bench, "ann").await;
        let forgot = async |who: &str| {
            let body = json!({ "email": format!("{who}@example.org") });
            let (began, answer) = (Instant::now(), post(bench, "/api/auth/password/forgot", body).await);
            (answer.status.as_u16(), answer.text(), began.elapsed().as_millis() / 100)
        };
        let unknown = forgot("nobody").await;
        assert!(bench.has_no_letter().await);
        assert_eq!(unknown, forgot("ann").await);
        let letter = bench.letter().await;
        assert_eq!(unknown, forgot("ann").await, "so soon no other mail is sent");
        assert!(bench.has_no_letter().await);

        let reset = async |token: &str, password: &str| {
            let body = json!({ "token": token, "password": password });
            post(bench, "/api/auth/password/reset", body).await
        };
        let token = token_in(&letter);
        reset("bm9ib2R5.00", "another-good-one")
            .await
            .problem(403, "code.invalid");
        assert_eq!(reset(&token, "another-good-one").await.status, 204);
        let told = bench.letter().await;
        assert_eq!(told.subject, "Your password was changed");
        reset(&token, "a-third-good-one").await.problem(403, "code.invalid");
        a_moment(bench).await;
        me(bench, &session).await.problem(401, "auth.signed-out");
        try_in(bench, "ann", PASSWORD).await.problem(401, "auth.refused");
        assert_eq!(try_in(bench, "ann", "another-good-one").await.status, 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn another_password_needs_the_present_one_and_closes_the_other_sessions() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        let (here, there) = (enter(bench, "ann").await, enter(bench, "ann").await);
        let change = async |present: &str| {
            let body = json!({ "password": present, "new_password": "another-good-one" });
            let request = TestRequest::post().uri("/api/auth/password").set_json(body);
            with(bench, &here, request).await
        };
        let wrong = change("a-wrong-password").await.problem(422, "body.invalid");
        assert_eq!(wrong["errors"][0]["pointer"], "/password");
        assert_eq!(change(PASSWORD).await.status, 204);
        a_moment(bench).await;
        assert_eq!(me(bench, &here).await.status, 200);
        me(bench, &there).await.problem(401, "auth.signed-out");
        assert_eq!(bench.letter().await.subject, "Your password was changed");

        for _ in 0..5 {
            change("a-wrong-password").await.problem(422, "body.invalid");
        }
        let locked = change("another-good-one").await;
        locked.problem(429, "auth.locked");
        assert!(locked.header("retry-after").parse::<u32>().unwrap() <= 31);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_person_sees_where_they_are_signed_in_and_signs_out_there() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        let mut tokens = Vec::new();
        for _ in 0..4 {
            tokens.push(enter(bench, "ann").await);
        }
        let list = async |token: &str| {
            let listed = with(bench, token, TestRequest::get().uri("/api/auth/sessions")).await;
            assert_eq!(listed.status, 200, "{}", listed.text());
            listed.json()["items"].as_array().unwrap().clone()
        };
        let delete = async |path: String| with(bench, &tokens[0], TestRequest::delete().uri(&path)).await;
        let sessions = list(&tokens[0]).await;
        let current: Vec<_> = sessions.iter().map(|session| session["current"] == true).collect();
        assert_eq!(current, [false, false, false, true], "the latest first");
        assert_eq!(sessions[0]["device"], "an unknown program");

        let latest = sessions[0]["id"].as_str().unwrap();
        assert_eq!(delete(format!("/api/auth/sessions/{latest}")).await.status, 204);
        delete(format!("/api/auth/sessions/{latest}"))
            .await
            .problem(404, "session.unknown");
        delete("/api/auth/sessions/7".to_owned())
            .await
            .problem(404, "session.unknown");
        a_moment(bench).await;
        me(bench, &tokens[3]).await.problem(401, "auth.signed-out");
        let others = delete("/api/auth/sessions".to_owned()).await;
        assert_eq!(others.json(), json!({ "closed": 2 }));
        a_moment(bench).await;
        me(bench, &tokens[1]).await.problem(401, "auth.signed-out");
        let own = list(&tokens[0]).await[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(delete(format!("/api/auth/sessions/{own}")).await.status, 204);
        me(bench, &tokens[0]).await.problem(401, "auth.signed-out");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_names_somebodys_address_is_not_their_account() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        let anns = enter(bench, "ann").await;
        // An admin may make sessions for users of any name in their own tenant.
        let eves = bench.token("evil", "ann@example.org", Role::Admin).await;
        let refused = async |request: TestRequest| with(bench, &eves, request).await.problem(404, "account.unknown");
        refused(TestRequest::get().uri("/api/auth/sessions")).await;
        refused(TestRequest::delete().uri("/api/auth/sessions")).await;
        let body = json!({ "password": PASSWORD, "new_password": "another-good-one" });
        refused(TestRequest::post().uri("/api/auth/password").set_json(body)).await;
        let body = json!({ "password": PASSWORD });
        refused(TestRequest::post().uri("/api/auth/account/erase").set_json(body)).await;
        let tenants = with(bench, &eves, TestRequest::get().uri("/api/auth/tenants"))
            .await
            .json();
        assert_eq!(tenants["items"].as_array().unwrap().len(), 1);
        assert_eq!(tenants["items"][0]["id"], "evil");
        a_moment(bench).await;
        assert_eq!(me(bench, &anns).await.status, 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_people_do_with_their_accounts_is_not_for_keys() {
    Bench::with(silent(), async |bench| {
        let ann = bench.token("acme", "ann", Role::Admin).await;
        let body = json!({ "name": "ci", "role": "admin" });
        let made = TestRequest::post().uri("/api/tenant/keys").set_json(body);
        let key = with(bench, &ann, made).await.json()["key"].as_str().unwrap().to_owned();
        for path in ["/api/auth/sessions", "/api/auth/tenants"] {
            with(bench, &key, TestRequest::get().uri(path))
                .await
                .problem(403, "auth.no-session");
        }
        with(bench, &key, TestRequest::post().uri("/api/auth/sign-out"))
            .await
            .problem(403, "auth.no-session");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_is_in_no_tenant_can_still_do_what_concerns_the_account() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        settle(bench, "bob").await;
        let ann = enter(bench, "ann").await;
        super::invitations::join(bench, &ann, "bob", "admin").await;
        let bob = enter(bench, "bob").await;
        let home = me(bench, &bob).await.json()["tenant"].as_str().unwrap().to_owned();
        let user = me(bench, &bob).await.json()["user"].as_str().unwrap().to_owned();
        // Nobody else is in the tenant that bob founded, so he goes from there to ann's, where he is removed.
        let tenants = with(bench, &bob, TestRequest::get().uri("/api/auth/tenants"))
            .await
            .json();
        let other = tenants["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|tenant| tenant["id"] != home.as_str());
        let body = json!({ "tenant": other.unwrap()["id"] });
        let switched = with(bench, &bob, TestRequest::post().uri("/api/auth/tenant").set_json(body)).await;
        assert_eq!(switched.json()["name"], "House of ann", "{}", switched.text());
        assert_eq!(me(bench, &bob).await.json()["role"], "admin");
        let remove = TestRequest::delete().uri(&format!("/api/tenant/members/{user}"));
        assert_eq!(with(bench, &ann, remove).await.status, 200);
        a_moment(bench).await;
        me(bench, &bob).await.problem(403, "auth.no-member");
        let browse = async |path: &str| {
            let cookie = ("cookie", format!("session_id={bob}"));
            bench.call(TestRequest::get().uri(path).insert_header(cookie)).await
        };
        let runs = browse("/runs").await;
        assert_eq!(
            (runs.status.as_u16(), runs.header("location")),
            (303, "/settings/account")
        );
        let account = browse("/settings/account").await;
        assert!(account.text().contains("in no workspace"), "{}", account.text());
        bench.cluster.advance(Duration::from_mins(2)).await;
        let tenants = with(bench, &bob, TestRequest::get().uri("/api/auth/tenants"))
            .await
            .json();
        assert_eq!(tenants["items"].as_array().unwrap().len(), 1, "{tenants}");
        for (tenant, status, code) in [("default", 404, "tenant.unknown"), ("no such", 404, "tenant.unknown")] {
            let body = json!({ "tenant": tenant });
            let request = TestRequest::post().uri("/api/auth/tenant").set_json(body);
            with(bench, &bob, request).await.problem(status, code);
        }
        let request = TestRequest::post()
            .uri("/api/auth/tenant")
            .set_json(json!({ "tenant": home }));
        assert_eq!(with(bench, &bob, request).await.status, 200);
        assert_eq!(me(bench, &bob).await.json()["tenant"], home.as_str());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_account_goes_with_its_password_once_no_tenant_needs_it() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        let ann = enter(bench, "ann").await;
        let erase = async |token: &str, password: &str| {
            let request = TestRequest::post()
                .uri("/api/auth/account/erase")
                .set_json(json!({ "password": password }));
            with(bench, token, request).await
        };
        erase(&ann, "a-wrong-password").await.problem(422, "body.invalid");
        erase(&ann, PASSWORD).await.problem(409, "member.last-admin");
        settle(bench, "bob").await;
        super::invitations::join(bench, &ann, "bob", "admin").await;
        assert_eq!(erase(&ann, PASSWORD).await.status, 204);
        assert_eq!(bench.letter().await.subject, "Your account was removed");
        a_moment(bench).await;
        me(bench, &ann).await.problem(401, "auth.signed-out");
        try_in(bench, "ann", PASSWORD).await.problem(401, "auth.refused");
        settle(bench, "ann").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn where_sign_up_is_closed_nobody_signs_up() {
    Bench::with(silent(), async |bench| {
        let closed = bench.node_with(AuthConfig {
            sign_up: SignUpRule::Closed,
            ..AuthConfig::default()
        });
        let request = TestRequest::post().uri("/api/auth/sign-up").set_json(form("ann"));
        call(&closed, request).await.problem(403, "auth.sign-up-closed");
        assert!(bench.has_no_letter().await);
        let page = call(&closed, TestRequest::get().uri("/sign-up")).await;
        assert!(page.text().contains("By invitation only"), "{}", page.text());
        settle(bench, "ann").await;
        let ann = enter(bench, "ann").await;
        let token = super::invitations::invited(bench, &ann, "bob", "operator").await;
        let body = json!({ "token": token, "name": "Bob", "password": PASSWORD });
        let accept = TestRequest::post().uri("/api/auth/invitations/accept").set_json(body);
        assert_eq!(
            call(&closed, accept).await.status,
            200,
            "who was invited has an account"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_said_beside_its_field() {
    Bench::with(silent(), async |bench| {
        let long = "x".repeat(300);
        for (path, body, pointer) in [
            (
                "/api/auth/sign-up",
                json!({ "email": "ann", "name": "Ann", "password": PASSWORD }),
                "/email",
            ),
            (
                "/api/auth/sign-up",
                json!({ "email": "a@b.org", "name": "A\nB", "password": PASSWORD }),
                "/name",
            ),
            (
                "/api/auth/sign-up",
                json!({ "email": "a@b.org", "name": "Ann" }),
                "/password",
            ),
            (
                "/api/auth/sign-up",
                json!({ "email": "a@b.org", "name": "Ann", "password": long }),
                "/password",
            ),
            (
                "/api/auth/sign-up",
                json!({ "email": "a@b.org", "name": "Ann", "password": PASSWORD, "role": "admin" }),
                "/role",
            ),
            (
                "/api/auth/sign-up",
                json!({ "email": "a@b.org", "name": "Ann", "password": PASSWORD, "tenant": 7 }),
                "/tenant",
            ),
            ("/api/auth/sign-in", json!({ "email": "a@b.org" }), "/password"),
            (
                "/api/auth/sign-in",
                json!({ "email": ["a@b.org"], "password": PASSWORD }),
                "/email",
            ),
            ("/api/auth/verify", json!({}), "/token"),
            ("/api/auth/verify", json!({ "token": "x".repeat(600) }), "/token"),
            (
                "/api/auth/password/forgot",
                json!({ "email": "Ann <a@b.org>" }),
                "/email",
            ),
            ("/api/auth/password/reset", json!({ "token": "x" }), "/password"),
            (
                "/api/auth/invitations/accept",
                json!({ "token": "x", "name": "Ann" }),
                "/password",
            ),
        ] {
            let problem = post(bench, path, body).await.problem(422, "body.invalid");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{path}: {problem}");
        }
        assert!(bench.has_no_letter().await);
    })
    .await;
}
