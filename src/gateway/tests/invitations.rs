//! Invitations to a tenant.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::{
    accounts::{PASSWORD, a_moment, enter, me, post, settle, token_in, try_in, with},
    bench::{Answer, Bench, silent},
};

const INVITATIONS: &str = "/api/tenant/invitations";
const ACCEPT: &str = "/api/auth/invitations/accept";

async fn invite(bench: &Bench, token: &str, who: &str, role: &str) -> Answer {
    let body = json!({ "email": format!("{who}@example.org"), "role": role });
    with(bench, token, TestRequest::post().uri(INVITATIONS).set_json(body)).await
}

/// Invites somebody, and answers the token of the mail.
pub(super) async fn invited(bench: &Bench, token: &str, who: &str, role: &str) -> String {
    let answer = invite(bench, token, who, role).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let letter = bench.letter().await;
    assert_eq!(letter.to.as_str(), format!("{who}@example.org"));
    let ticket = token_in(&letter);
    let secret = ticket.rsplit('_').next().unwrap();
    assert!(!answer.text().contains(secret), "the link proves the address");
    ticket
}

/// Lets somebody with an account join the tenant of `host`.
pub(super) async fn join(bench: &Bench, host: &str, who: &str, role: &str) {
    let ticket = invited(bench, host, who, role).await;
    let guest = enter(bench, who).await;
    let accepted = accept(bench, Some(&guest), json!({ "token": ticket })).await;
    assert_eq!(accepted.status, 200, "{}", accepted.text());
}

async fn accept(bench: &Bench, token: Option<&str>, body: Value) -> Answer {
    match token {
        Some(token) => with(bench, token, TestRequest::post().uri(ACCEPT).set_json(body)).await,
        None => post(bench, ACCEPT, body).await,
    }
}

async fn list(bench: &Bench, token: &str) -> Vec<Value> {
    let listed = with(bench, token, TestRequest::get().uri(INVITATIONS)).await;
    listed.json()["items"].as_array().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_has_an_account_by_accepting() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        let ann = enter(bench, "ann").await;
        let ticket = invited(bench, &ann, "bob", "supervisor").await;
        let open = list(bench, &ann).await;
        assert_eq!(
            (&open[0]["email"], &open[0]["role"]),
            (&json!("bob@example.org"), &json!("supervisor"))
        );

        let offer = post(bench, "/api/auth/invitations/look", json!({ "token": ticket }))
            .await
            .json();
        assert_eq!(
            (&offer["tenant"], &offer["role"]),
            (&json!("House of ann"), &json!("supervisor"))
        );
        let body = json!({ "token": ticket, "name": "Bob", "password": PASSWORD });
        let accepted = accept(bench, None, body.clone()).await;
        assert_eq!(
            (accepted.status.as_u16(), &accepted.json()["name"]),
            (200, &json!("House of ann")),
            "{}",
            accepted.text()
        );
        assert!(!accepted.headers.contains_key("set-cookie"));
        assert_eq!(
            accept(bench, None, body).await.status,
            200,
            "whoever had no answer repeats it"
        );
        assert!(list(bench, &ann).await.is_empty());
        let bob = enter(bench, "bob").await;
        assert_eq!(me(bench, &bob).await.json()["role"], "supervisor");
        let wrong = json!({ "token": ticket, "name": "Bob", "password": "a-wrong-password" });
        accept(bench, None, wrong).await.problem(401, "auth.refused");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_invitation_is_for_one_address_and_can_be_taken_back() {
    Bench::with(silent(), async |bench| {
        for who in ["ann", "bob", "eve"] {
            settle(bench, who).await;
        }
        let (ann, eve) = (enter(bench, "ann").await, enter(bench, "eve").await);
        let first = invited(bench, &ann, "bob", "operator").await;
        accept(bench, Some(&eve), json!({ "token": first }))
            .await
            .problem(403, "invitation.other-person");
        let second = invited(bench, &ann, "bob", "operator").await;
        let bob = enter(bench, "bob").await;
        accept(bench, Some(&bob), json!({ "token": first }))
            .await
            .problem(404, "invitation.unknown");
        let id = list(bench, &ann).await[0]["id"].as_str().unwrap().to_owned();
        let path = format!("{INVITATIONS}/{id}");
        with(bench, &eve, TestRequest::delete().uri(&path))
            .await
            .problem(404, "invitation.unknown");
        assert_eq!(with(bench, &ann, TestRequest::delete().uri(&path)).await.status, 204);
        accept(bench, Some(&bob), json!({ "token": second }))
            .await
            .problem(404, "invitation.unknown");
        for nonsense in ["", "x", "nowhere_01980000000070008000000000000000_00"] {
            let refused = accept(bench, Some(&bob), json!({ "token": nonsense })).await;
            assert!([404, 422].contains(&refused.status.as_u16()), "{}", refused.text());
        }
        a_moment(bench).await;
        join(bench, &ann, "bob", "operator").await;
        invite(bench, &ann, "bob", "operator")
            .await
            .problem(409, "member.exists");
        assert_eq!(try_in(bench, "bob", PASSWORD).await.status, 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nobody_invites_to_more_than_they_may_do() {
    Bench::with(silent(), async |bench| {
        settle(bench, "ann").await;
        let ann = enter(bench, "ann").await;
        let body = json!({ "name": "inviter", "permissions": ["user:create", "user:view"] });
        let made = TestRequest::post().uri("/api/tenant/keys").set_json(body);
        let key = with(bench, &ann, made).await.json()["key"].as_str().unwrap().to_owned();
        for role in ["admin", "supervisor"] {
            invite(bench, &key, "bob", role).await.problem(403, "auth.permission");
        }
        assert!(bench.has_no_letter().await);
        invited(bench, &key, "bob", "operator").await;
        invite(bench, &key, "bob", "god").await.problem(422, "body.invalid");
    })
    .await;
}
