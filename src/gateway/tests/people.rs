//! The pages by which people come in, and those of their settings, without a script.

use actix_web::test::TestRequest;
use actors::role::Role;

use super::{
    accounts::{PASSWORD, enter, settle, token_in},
    bench::{Answer, Bench, silent},
};

/// Sends a form as a browser on one of our pages does.
async fn submit(bench: &Bench, session: Option<&str>, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = TestRequest::post()
        .uri(path)
        .insert_header(("host", "plans.test"))
        .insert_header(("origin", "http://plans.test"));
    if let Some(session) = session {
        request = request.insert_header(("cookie", format!("session_id={session}")));
    }
    bench.call(request.set_form(fields)).await
}

async fn browse(bench: &Bench, session: &str, path: &str) -> Answer {
    let request = TestRequest::get().uri(path);
    bench
        .call(request.insert_header(("cookie", format!("session_id={session}"))))
        .await
}

#[track_caller]
fn leads_to(answer: &Answer, path: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (303, path),
        "{}",
        answer.text()
    );
}

fn session_of(answer: &Answer) -> String {
    let cookies = answer
        .headers
        .get_all("set-cookie")
        .map(|value| value.to_str().unwrap());
    let mut sessions = cookies.filter_map(|cookie| cookie.strip_prefix("session_id="));
    sessions.next().unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_person_comes_in_through_the_pages() {
    Bench::with(silent(), async |bench| {
        for path in [
            "/sign-in",
            "/sign-up",
            "/mailed",
            "/forgot",
            "/verify?token=x",
            "/reset?token=x",
        ] {
            let page = bench.call(TestRequest::get().uri(path)).await;
            assert_eq!(page.status, 200, "{path}: {}", page.text());
        }
        let mut fields = vec![
            ("name", "Ann"),
            ("email", "ann"),
            ("password", PASSWORD),
            ("tenant", ""),
        ];
        let refused = submit(bench, None, "/sign-up", &fields).await;
        assert_eq!(refused.status, 422);
        let text = refused.text();
        assert!(
            text.contains("Must be a plain e-mail address") && text.contains("value=\"ann\""),
            "{text}"
        );
        assert!(!text.contains(PASSWORD), "a password does not come back");
        fields[1].1 = "ann@example.org";
        leads_to(&submit(bench, None, "/sign-up", &fields).await, "/mailed");
        let token = token_in(&bench.letter().await);

        let wrong = submit(bench, None, "/verify", &[("token", "x")]).await;
        assert_eq!(wrong.status, 403);
        assert!(wrong.text().contains("The code is wrong"), "{}", wrong.text());
        let confirmed = submit(bench, None, "/verify", &[("token", &token)]).await;
        leads_to(&confirmed, "/sign-in?why=confirmed");
        let refused = submit(
            bench,
            None,
            "/sign-in",
            &[("email", "ann@example.org"), ("password", "x")],
        )
        .await;
        assert_eq!(refused.status, 401);
        assert!(refused.text().contains("The address or the password is wrong"));
        let credentials = [("email", "ann@example.org"), ("password", PASSWORD)];
        let entered = submit(bench, None, "/sign-in", &credentials).await;
        leads_to(&entered, "/runs");
        let session = session_of(&entered);
        assert_eq!(browse(bench, &session, "/runs").await.status, 200);
        leads_to(&browse(bench, &session, "/sign-in").await, "/runs");
        for (next, path) in [
            ("/settings", "/settings"),
            ("//evil.test", "/runs"),
            ("https://evil.test", "/runs"),
        ] {
            let fields = [credentials[0], credentials[1], ("next", next)];
            leads_to(&submit(bench, None, "/sign-in", &fields).await, path);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn no_form_before_the_sign_in_is_taken_from_another_site() {
    Bench::with(silent(), async |bench| {
        for path in ["/sign-in", "/sign-up", "/verify", "/forgot", "/reset", "/invitation"] {
            let request = TestRequest::post()
                .uri(path)
                .insert_header(("host", "plans.test"))
                .insert_header(("origin", "http://evil.test"))
                .set_form([("email", "ann@example.org")]);
            assert_eq!(bench.call(request).await.status, 403, "{path}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn another_password_is_set_through_the_pages() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        let forgot = submit(bench, None, "/forgot", &[("email", "ann@example.org")]).await;
        leads_to(&forgot, "/mailed");
        let token = token_in(&bench.letter().await);
        let set = submit(
            bench,
            None,
            "/reset",
            &[("token", &token), ("password", "another-good-one")],
        )
        .await;
        leads_to(&set, "/sign-in?why=password");
        bench.letter().await;
        let fields = [("email", "ann@example.org"), ("password", "another-good-one")];
        leads_to(&submit(bench, None, "/sign-in", &fields).await, "/runs");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_accepts_through_the_page_and_is_in() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        let ann = enter(bench, "ann").await;
        let fields = [("email", "bob@example.org"), ("role", "supervisor")];
        leads_to(
            &submit(bench, Some(&ann), "/settings/members/invite", &fields).await,
            "/settings/members",
        );
        let members = browse(bench, &ann, "/settings/members").await.text();
        assert!(members.contains("bob@example.org"), "{members}");
        let token = token_in(&bench.letter().await);
        let page = bench
            .call(TestRequest::get().uri(&format!("/invitation?token={token}")))
            .await;
        assert!(
            page.text().contains("House of ann") && page.text().contains("supervisor"),
            "{}",
            page.text()
        );
        let unknown = bench.call(TestRequest::get().uri("/invitation?token=x")).await;
        assert_eq!(unknown.status, 403);
        let fields = [("token", token.as_str()), ("name", "Bob"), ("password", PASSWORD)];
        let joined = submit(bench, None, "/invitation", &fields).await;
        leads_to(&joined, "/runs");
        let bob = session_of(&joined);
        let settings = browse(bench, &bob, "/settings/account").await.text();
        assert!(
            settings.contains("House of ann") && settings.contains("bob@example.org"),
            "{settings}"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_person_looks_after_the_account_and_the_tenant_on_the_settings_pages() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        let (ann, other) = (enter(bench, "ann").await, enter(bench, "ann").await);
        for page in ["", "/account", "/members", "/keys", "/audit", "/audit?check=1"] {
            let page = browse(bench, &ann, &format!("/settings{page}")).await;
            assert_eq!(page.status, 200, "{}", page.text());
            assert!(
                page.text().contains("ann@example.org"),
                "the person is shown by the address"
            );
        }
        let checked = browse(bench, &ann, "/settings/audit?check=1").await.text();
        assert!(checked.contains("Nothing was touched"), "{checked}");
        assert!(checked.contains("signed in"), "{checked}");

        let wrong = [("password", "a-wrong-password"), ("new_password", "another-good-one")];
        let refused = submit(bench, Some(&ann), "/settings/account/password", &wrong).await;
        assert_eq!(refused.status, 422);
        assert!(
            refused.text().contains("Is not your present one."),
            "{}",
            refused.text()
        );
        let closed = submit(bench, Some(&ann), "/settings/account/sessions/close", &[]).await;
        leads_to(&closed, "/settings/account");
        super::accounts::a_moment(bench).await;
        leads_to(&browse(bench, &other, "/runs").await, "/sign-in");

        let made = submit(
            bench,
            Some(&ann),
            "/settings/keys",
            &[("name", "ci"), ("role", "operator"), ("expires_in_days", "")],
        )
        .await;
        assert_eq!(made.status, 201, "{}", made.text());
        let text = made.text();
        let key = text.split("fdn_").nth(1).unwrap().split('<').next().unwrap();
        let me = TestRequest::get().uri("/api/auth/me");
        let me = bench
            .call(me.insert_header(("authorization", format!("Bearer fdn_{key}"))))
            .await;
        assert_eq!(me.json()["role"], "operator");
        assert!(
            !browse(bench, &ann, "/settings/keys").await.text().contains("fdn_"),
            "it is shown once"
        );
        let nameless = submit(
            bench,
            Some(&ann),
            "/settings/keys",
            &[("name", ""), ("role", "operator")],
        )
        .await;
        assert_eq!(nameless.status, 422);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn people_see_the_settings_that_they_may_see() {
    Bench::with(silent(), async |bench| {
        let operator = bench.token("acme", "ann", Role::Operator).await;
        let settings = browse(bench, &operator, "/settings").await.text();
        for (address, is_there) in [("account", true), ("audit", true), ("members", false), ("keys", false)] {
            assert_eq!(
                settings.contains(&format!("/settings/{address}\"")),
                is_there,
                "{address}"
            );
        }
        assert_eq!(browse(bench, &operator, "/settings/keys").await.status, 403);
        let account = browse(bench, &operator, "/settings/account").await;
        assert!(
            account.text().contains("a user without an account"),
            "{}",
            account.text()
        );
    })
    .await;
}
