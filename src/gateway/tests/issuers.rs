//! People who come with tokens of an identity provider.

use actix_web::test::TestRequest;
use actors::{
    audit::{AuditLog, ListRecords, NAME},
    email::Email,
    membership::{AddMember, Membership, NewMember, RemoveMember, SuspendTenant},
    role::{Role, system_tenant},
    user::UserId,
};
use cluster::prelude::{ActorId, TenantId};
use serde_json::{Value, json};

use super::{
    accounts::{PASSWORD, a_moment, enter, form, me as session_of, post, settle, token_in},
    bench::{Answer, Bench, call, silent},
};
use crate::{
    config::AuthConfig,
    gateway::{
        Gateway, IssuerConfig,
        issuers::{signing::SigningKey, tests::IssuerServer},
    },
    outbound::server::answer,
};

/// A tenant, an issuer whose tokens let its members in, and a node that knows of both.
pub(super) struct Team {
    pub(super) tenant: TenantId,
    pub(super) issuer: IssuerServer,
    pub(super) key: SigningKey,
    pub(super) node: Gateway,
}

impl Team {
    /// The tenant that Ann has founded.
    pub(super) async fn of_ann(bench: &Bench, key: SigningKey) -> Self {
        let tenant = house_of(bench, "ann").await;
        let issuer = IssuerServer::start(&[&key]).await;
        let node = node(bench, vec![of_tenant(&issuer, &tenant)]);
        Self {
            tenant,
            issuer,
            key,
            node,
        }
    }

    /// The tenant of Bob, on a node that knows of Ann's issuer too.
    pub(super) async fn of_bob(bench: &Bench, anns: &Self) -> Self {
        let tenant = house_of(bench, "bob").await;
        let key = SigningKey::ed25519(anns.key.kid());
        let issuer = IssuerServer::start(&[&key]).await;
        let issuers = vec![of_tenant(&issuer, &tenant), of_tenant(&anns.issuer, &anns.tenant)];
        let node = node(bench, issuers);
        Self {
            tenant,
            issuer,
            key,
            node,
        }
    }

    /// What a token says that lets Ann in, but for these members; those without a value are left out.
    pub(super) fn claims(&self, changes: &Value) -> Value {
        let mut claims = self.issuer.claims("ann@example.org");
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    pub(super) fn token(&self, changes: &Value) -> String {
        self.key.sign(&self.claims(changes))
    }

    pub(super) async fn me(&self, token: &str) -> Answer {
        me(&self.node, token).await
    }

    /// Makes somebody who has an account a member, as an invitation does.
    async fn join(&self, bench: &Bench, who: &str, role: Role) {
        let member = NewMember {
            user: user_of(bench, who).await,
            email: Email::new(&format!("{who}@example.org")).unwrap(),
            name: who.to_owned(),
        };
        let add = AddMember { member, role };
        self.membership(bench, async |membership| membership.ask(add).await.unwrap())
            .await;
    }

    /// Changes who is a member, as the tenant's own actors do.
    async fn membership<T>(&self, bench: &Bench, change: impl AsyncFnOnce(cluster::ActorRef<Membership>) -> T) -> T {
        let membership = bench.cluster.cluster().get(Membership::address(&self.tenant));
        self.node.context.as_system(&self.tenant, change(membership)).await
    }
}

/// The tenant that somebody founds by signing up.
async fn house_of(bench: &Bench, who: &str) -> TenantId {
    settle(bench, who).await;
    let session = enter(bench, who).await;
    let tenant = session_of(bench, &session).await.json()["tenant"].clone();
    TenantId::new(tenant.as_str().unwrap()).unwrap()
}

fn of_tenant(issuer: &IssuerServer, tenant: &TenantId) -> IssuerConfig {
    IssuerConfig {
        tenant: tenant.as_str().to_owned(),
        ..issuer.config()
    }
}

fn node(bench: &Bench, issuers: Vec<IssuerConfig>) -> Gateway {
    bench.node_with(AuthConfig {
        issuers,
        ..AuthConfig::default()
    })
}

pub(super) fn asking(path: &str, token: &str) -> TestRequest {
    TestRequest::get()
        .uri(path)
        .insert_header(("authorization", format!("Bearer {token}")))
}

async fn me(node: &Gateway, token: &str) -> Answer {
    call(node, asking("/api/auth/me", token)).await
}

/// The user id of a person.
async fn user_of(bench: &Bench, who: &str) -> UserId {
    let email = Email::new(&format!("{who}@example.org")).unwrap();
    let person = bench.gateway.callers.identity().person(&email);
    bench
        .gateway
        .context
        .as_system(&system_tenant(), person)
        .await
        .unwrap()
        .user
}

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

#[tokio::test(start_paused = true)]
async fn a_token_of_each_kind_of_key_lets_a_member_in() {
    Bench::with(silent(), async |bench| {
        let (rsa, p256) = (SigningKey::rsa("r"), SigningKey::p256("p"));
        let team = Team::of_ann(bench, SigningKey::ed25519("e")).await;
        team.issuer.publish(&[&rsa, &p256, &team.key]);
        let ann = user_of(bench, "ann").await;
        for key in [&rsa, &p256, &team.key] {
            let claims = team.claims(&json!({}));
            let token = key.sign(&claims);
            let who = team.me(&token).await;
            assert_eq!(who.status, 200, "{}", who.text());
            let who = who.json();
            assert_eq!(
                (&who["user"], &who["tenant"], &who["role"], &who["expires_at"]),
                (
                    &json!(ann.as_str()),
                    &json!(team.tenant.as_str()),
                    &json!("admin"),
                    &claims["exp"]
                )
            );
            let runs = call(&team.node, asking("/api/planning/runs", &token)).await;
            assert_eq!((runs.status.as_u16(), &runs.json()["items"]), (200, &json!([])));
        }
        assert_eq!(team.issuer.asked(), 1);
        let ours = enter(bench, "ann").await;
        assert_eq!(team.me(&ours).await.status, 200, "sessions go on beside");
        let elsewhere = me(&bench.gateway, &team.token(&json!({}))).await;
        elsewhere.problem(401, "auth.invalid-token");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_does_not_say_what_it_must_lets_nobody_in() {
    Bench::with(silent(), async |bench| {
        let team = Team::of_ann(bench, SigningKey::ed25519("one")).await;
        settle(bench, "bob").await;
        // Carl has registered, and not confirmed his address.
        post(bench, "/api/auth/sign-up", form("carl")).await;
        let carl = token_in(&bench.letter().await);
        team.join(bench, "carl", Role::Operator).await;
        for (changes, status, code) in [
            (json!({ "aud": "account" }), 401, "auth.invalid-token"),
            (json!({ "aud": null }), 401, "auth.invalid-token"),
            (json!({ "iss": "https://id.example" }), 401, "auth.invalid-token"),
            (
                json!({ "iss": format!("{}/", team.issuer.name()) }),
                401,
                "auth.invalid-token",
            ),
            (json!({ "iss": null }), 401, "auth.invalid-token"),
            (json!({ "exp": now() - 60, "iat": now() - 600 }), 401, "auth.expired"),
            (json!({ "exp": null }), 401, "auth.invalid-token"),
            (json!({ "nbf": now() + 60 }), 401, "auth.invalid-token"),
            (json!({ "iat": now() + 60 }), 401, "auth.invalid-token"),
            (json!({ "email_verified": false }), 401, "auth.invalid-token"),
            (json!({ "email_verified": null }), 401, "auth.invalid-token"),
            (json!({ "email": null }), 401, "auth.invalid-token"),
            (json!({ "groups": "x".repeat(9000) }), 401, "auth.invalid-token"),
            (json!({ "email": "nobody@example.org" }), 403, "auth.no-member"),
            (json!({ "email": "bob@example.org" }), 403, "auth.no-member"),
            (json!({ "email": "carl@example.org" }), 403, "auth.no-member"),
        ] {
            for _ in 0..2 {
                team.me(&team.token(&changes)).await.problem(status, code);
            }
        }
        assert_eq!(team.me(&team.token(&json!({}))).await.status, 200);
        post(bench, "/api/auth/verify", json!({ "token": carl })).await;
        let confirmed = team.me(&team.token(&json!({ "email": "carl@example.org" }))).await;
        assert_eq!(confirmed.status, 200, "only the address was not confirmed");
        assert!(bench.has_no_letter().await, "nobody gets an account by a token");
        let person = Email::new("nobody@example.org").unwrap();
        let person = bench.gateway.callers.identity().person(&person);
        let unknown = bench.gateway.context.as_system(&system_tenant(), person).await;
        assert_eq!(unknown.unwrap_err().code(), "account.unknown");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_chooses_among_the_tenants_of_a_person() {
    Bench::with(silent(), async |bench| {
        let team = Team::of_ann(bench, SigningKey::ed25519("one")).await;
        let bobs = house_of(bench, "bob").await;
        let config = IssuerConfig {
            tenant: String::new(),
            tenant_claim: "org".to_owned(),
            ..team.issuer.config()
        };
        let node = node(bench, vec![config]);
        let who = me(&node, &team.token(&json!({ "org": team.tenant.as_str() }))).await;
        assert_eq!(who.json()["tenant"], team.tenant.as_str());
        for org in [
            json!(bobs.as_str()),
            json!("default"),
            json!("system"),
            json!("nowhere"),
            json!(7),
            Value::Null,
        ] {
            let refused = me(&node, &team.token(&json!({ "org": org }))).await;
            refused.problem(403, "auth.no-member");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_keys_of_the_issuer_are_asked_for_when_they_are_needed_and_not_more_often() {
    Bench::with(silent(), async |bench| {
        let team = Team::of_ann(bench, SigningKey::ed25519("one")).await;
        let next = SigningKey::ed25519("two");
        assert_eq!(team.me(&team.token(&json!({}))).await.status, 200);
        let token = next.sign(&team.claims(&json!({})));
        for _ in 0..5 {
            team.me(&token).await.problem(401, "auth.invalid-token");
        }
        assert_eq!(team.issuer.asked(), 1);
        team.issuer.publish(&[&team.key, &next]);
        bench.cluster.advance(std::time::Duration::from_secs(30)).await;
        assert_eq!(team.me(&token).await.status, 200, "the key that is new counts");
        assert_eq!(team.issuer.asked(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_the_issuer_the_keys_that_are_known_go_on_and_admins_are_told() {
    Bench::with(silent(), async |bench| {
        let team = Team::of_ann(bench, SigningKey::ed25519("one")).await;
        let token = team.token(&json!({}));
        assert_eq!(team.me(&token).await.status, 200);
        team.issuer.answer(Some(answer("503 Service Unavailable", "", "")));
        bench.cluster.advance(std::time::Duration::from_mins(11)).await;
        assert_eq!(team.me(&token).await.status, 200);
        assert_eq!(team.me(&team.token(&json!({ "jti": "7" }))).await.status, 200);

        let fresh = node(bench, vec![of_tenant(&team.issuer, &team.tenant)]);
        me(&fresh, &token).await.problem(503, "auth.unavailable");
        let admin = bench.token("default", "admin", Role::Admin).await;
        let health = call(&fresh, asking("/api/admin/health", &admin)).await.json();
        let check = health["checks"].as_array().unwrap().last().unwrap();
        assert_eq!(
            (&check["name"], &check["status"]),
            (&json!("issuers"), &json!("failing"))
        );
        let detail = check["detail"].as_str().unwrap();
        assert!(
            detail.contains(&team.issuer.name()) && detail.contains("503"),
            "{detail}"
        );
        let ready = call(&fresh, TestRequest::get().uri("/ready")).await;
        assert_eq!(ready.status, 200, "{}", ready.text());

        team.issuer.answer(None);
        bench.cluster.advance(std::time::Duration::from_secs(30)).await;
        assert_eq!(me(&fresh, &token).await.status, 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_role_that_changes_and_a_membership_that_ends_are_felt_within_a_second() {
    Bench::with(silent(), async |bench| {
        let team = Team::of_ann(bench, SigningKey::ed25519("one")).await;
        settle(bench, "bob").await;
        let user = user_of(bench, "bob").await;
        team.join(bench, "bob", Role::Operator).await;
        let token = team.token(&json!({ "email": "bob@example.org" }));
        assert_eq!(team.me(&token).await.json()["role"], "operator");
        let remove = RemoveMember { user };
        team.membership(bench, async |membership| membership.ask(remove).await.unwrap())
            .await;
        a_moment(bench).await;
        team.me(&token).await.problem(403, "auth.no-member");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_suspended_tenant_and_an_erased_account_let_nobody_in() {
    Bench::with(silent(), async |bench| {
        let team = Team::of_ann(bench, SigningKey::ed25519("one")).await;
        let token = team.token(&json!({}));
        assert_eq!(team.me(&token).await.status, 200);
        let suspend = SuspendTenant {
            why: "unpaid".to_owned(),
        };
        team.membership(bench, async |membership| membership.ask(suspend).await.unwrap())
            .await;
        a_moment(bench).await;
        team.me(&token).await.problem(403, "tenant.suspended");
        let unseen = team.token(&json!({ "jti": "7" }));
        team.me(&unseen).await.problem(403, "tenant.suspended");
        let resume = async |membership: cluster::ActorRef<Membership>| {
            membership.ask(actors::membership::ResumeTenant).await.unwrap()
        };
        team.membership(bench, resume).await;
        a_moment(bench).await;
        assert_eq!(team.me(&token).await.status, 200);

        let erase = actors::account::EraseAccount;
        let account = actors::account::Account::address(&Email::new("ann@example.org").unwrap());
        let account = bench.cluster.cluster().get::<actors::account::Account>(account);
        let erased = bench.gateway.context.as_system(&system_tenant(), account.ask(erase));
        erased.await.unwrap();
        a_moment(bench).await;
        team.me(&token).await.problem(403, "auth.no-member");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_token_is_recorded_once_as_a_sign_in_whichever_node_sees_it() {
    Bench::with(silent(), async |bench| {
        let team = Team::of_ann(bench, SigningKey::ed25519("one")).await;
        let other = node(bench, vec![of_tenant(&team.issuer, &team.tenant)]);
        let (first, second) = (team.token(&json!({})), team.token(&json!({ "jti": "7" })));
        for token in [&first, &second, &first] {
            assert_eq!(team.me(token).await.status, 200);
            assert_eq!(me(&other, token).await.status, 200);
            a_moment(bench).await;
        }
        let chain = ActorId::from_name::<AuditLog>(&team.tenant, NAME);
        let chain = bench.cluster.cluster().get::<AuditLog>(chain);
        let list = ListRecords {
            limit: 200,
            ..ListRecords::default()
        };
        let page = bench.gateway.context.as_system(&team.tenant, chain.ask(list)).await;
        let records = page.unwrap().records;
        let of_tokens: Vec<Value> = records
            .iter()
            .filter(|record| record.event_type == "signed_in")
            .map(|record| serde_json::from_str(&record.payload).unwrap())
            .filter(|payload: &Value| payload["issuer"] == json!(team.issuer.name()))
            .collect();
        assert_eq!(of_tokens.len(), 2, "{of_tokens:?}");
        let ann = user_of(bench, "ann").await;
        assert_eq!(
            (&of_tokens[0]["actor"], &of_tokens[0]["role"]),
            (&json!(ann.as_str()), &json!("admin"))
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_a_session_a_token_of_an_issuer_is_not_taken_for() {
    Bench::with(silent(), async |bench| {
        let team = Team::of_ann(bench, SigningKey::ed25519("one")).await;
        let token = team.token(&json!({}));
        for path in ["/api/auth/sessions", "/api/auth/tenants"] {
            call(&team.node, asking(path, &token))
                .await
                .problem(403, "auth.no-session");
        }
        let body = json!({ "password": PASSWORD, "new_password": "another-horse-battery" });
        let change = TestRequest::post()
            .uri("/api/auth/password")
            .insert_header(("authorization", format!("Bearer {token}")))
            .set_json(body);
        call(&team.node, change).await.problem(403, "auth.no-session");
    })
    .await;
}
