//! Tokens that somebody made up in the name of an issuer.

use actix_web::test::TestRequest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::super::{
    bench::{Bench, call, silent},
    issuers::{Team, asking},
};
use crate::gateway::{
    issuers::signing::SigningKey,
    token::{Purpose, Signer},
};

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

async fn assert_refused(team: &Team, token: &str) {
    team.me(token).await.problem(401, "auth.invalid-token");
    let cookie = TestRequest::get()
        .uri("/api/auth/me")
        .insert_header(("cookie", format!("session_id={token}")));
    call(&team.node, cookie).await.problem(401, "auth.invalid-token");
}

#[tokio::test(start_paused = true)]
async fn the_public_key_of_an_issuer_is_never_taken_for_a_secret_or_for_a_key_of_another_kind() {
    Bench::with(silent(), async |bench| {
        let (p256, ed25519) = (SigningKey::p256("p"), SigningKey::ed25519("e"));
        let team = Team::of_ann(bench, SigningKey::rsa("r")).await;
        team.issuer.publish(&[&team.key, &p256, &ed25519]);
        let claims = team.claims(&json!({}));
        for key in [&team.key, &p256, &ed25519] {
            assert_eq!(team.me(&key.sign(&claims)).await.status, 200);
            let jwk = key.jwk();
            let number = |name: &str| jwk[name].as_str().map(|text| URL_SAFE_NO_PAD.decode(text).unwrap());
            let pem = key.public_pem();
            let stripped: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            let secrets = [
                Some(pem.as_bytes().to_vec()),
                Some(pem.trim().as_bytes().to_vec()),
                Some(stripped.into_bytes()),
                Some(jwk.to_string().into_bytes()),
                number("n"),
                number("x"),
                Some(Vec::new()),
            ];
            for secret in secrets.into_iter().flatten() {
                let secret = EncodingKey::from_secret(&secret);
                let hmac = |algorithm: Algorithm| {
                    let header = Header {
                        kid: Some(key.kid().to_owned()),
                        ..Header::new(algorithm)
                    };
                    jsonwebtoken::encode(&header, &claims, &secret).unwrap()
                };
                let forged = hmac(Algorithm::HS256);
                team.me(&hmac(Algorithm::HS512))
                    .await
                    .problem(401, "auth.invalid-token");
                team.me(&forged).await.problem(401, "auth.invalid-token");
                // The same signature under a header that promises what the key signs with.
                let signature = forged.rsplit_once('.').unwrap().1;
                let header = json!({ "alg": key.algorithm(), "typ": "JWT", "kid": key.kid() });
                let promising = format!("{}.{}.{signature}", part(&header), part(&claims));
                team.me(&promising).await.problem(401, "auth.invalid-token");
            }
            // A good signature under the id of another key, or with another algorithm in the header.
            for (kid, algorithm) in [
                ("r", "RS256"),
                ("p", "ES256"),
                ("e", "EdDSA"),
                ("r", "PS256"),
                ("r", "RS512"),
            ] {
                let good = key.sign(&claims);
                let signature = good.rsplit_once('.').unwrap().1;
                let header = json!({ "alg": algorithm, "typ": "JWT", "kid": kid });
                assert_refused(&team, &format!("{}.{}.{signature}", part(&header), part(&claims))).await;
                if kid != key.kid() {
                    let token = key.sign_with(&claims, |header| header.kid = Some(kid.to_owned()));
                    assert_refused(&team, &token).await;
                }
            }
        }
        assert_eq!(
            team.issuer.asked(),
            1,
            "no made-up token has the issuer asked again so soon"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_token_in_the_name_of_an_issuer_counts_with_its_signature_only() {
    Bench::with(silent(), async |bench| {
        let team = Team::of_ann(bench, SigningKey::ed25519("one")).await;
        let claims = team.claims(&json!({}));
        for algorithm in ["none", "None", "NONE", "nOnE", "", "EdDSA"] {
            let header = json!({ "alg": algorithm, "typ": "JWT", "kid": "one" });
            for signature in ["", "AA", "e30"] {
                assert_refused(&team, &format!("{}.{}.{signature}", part(&header), part(&claims))).await;
            }
            assert_refused(&team, &format!("{}.{}", part(&header), part(&claims))).await;
        }
        // Whatever a token says of its own key is not believed.
        let theirs = SigningKey::ed25519("one");
        assert_refused(&team, &theirs.sign(&claims)).await;
        for (kid, member, value) in [
            ("one", "jwk", theirs.jwk()),
            ("two", "jwk", theirs.jwk()),
            ("two", "jku", json!("http://127.0.0.1:1/keys")),
            ("two", "x5u", json!("http://127.0.0.1:1/certificate")),
            ("../../dev/null", "typ", json!("JWT")),
            ("' or 1=1 --", "typ", json!("at+jwt")),
        ] {
            let token = theirs.sign_with(&claims, |header| {
                let mut said = serde_json::to_value(&*header).unwrap();
                said["kid"] = json!(kid);
                said[member] = value;
                *header = serde_json::from_value(said).unwrap();
            });
            assert_refused(&team, &token).await;
        }
        // What the key has signed, with other claims.
        let good = team.key.sign(&claims);
        let (header, signature) = (good.split('.').next().unwrap(), good.rsplit_once('.').unwrap().1);
        let other = part(&team.claims(&json!({ "email": "bob@example.org" })));
        assert_refused(&team, &format!("{header}.{other}.{signature}")).await;
        assert_eq!(team.me(&good).await.status, 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn neither_this_server_nor_another_issuer_signs_for_an_issuer() {
    Bench::with(silent(), async |bench| {
        let team = Team::of_ann(bench, SigningKey::ed25519("one")).await;
        // A session of Ann, with the issuer's name added: the key of this cluster signs no such thing, and where it would, the
        // token would have to be the issuer's.
        let session = Signer::claims(
            &team.tenant,
            "ann",
            Purpose::Session,
            std::time::Duration::from_secs(3600),
        );
        let signed = team.node.signer.sign(&session);
        let mut claims = serde_json::to_value(&session).unwrap();
        claims["iss"] = json!(team.issuer.name());
        let signature = signed.rsplit_once('.').unwrap().1;
        let header = signed.split('.').next().unwrap();
        assert_refused(&team, &format!("{header}.{}.{signature}", part(&claims))).await;
        let with_our_secret = Header {
            kid: Some("0".to_owned()),
            ..Header::new(Algorithm::HS256)
        };
        for claims in [claims, team.claims(&json!({})), team.claims(&json!({ "iss": null }))] {
            let secret = EncodingKey::from_secret(&[7; 32]);
            let token = jsonwebtoken::encode(&with_our_secret, &claims, &secret).unwrap();
            assert_refused(&team, &token).await;
        }
        // Another issuer of the same server, for another tenant, in its own name and in that of the first one.
        let other = Team::of_bob(bench, &team).await;
        let token = other.key.sign(&team.claims(&json!({})));
        assert_refused(&other, &token).await;
        let own = other.key.sign(&other.claims(&json!({})));
        other.me(&own).await.problem(403, "auth.no-member");
        assert_eq!(other.me(&team.token(&json!({}))).await.status, 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_role_or_a_tenant_in_a_token_of_an_issuer_changes_nothing() {
    Bench::with(silent(), async |bench| {
        let team = Team::of_ann(bench, SigningKey::ed25519("one")).await;
        let token = team.token(&json!({
            "role": "admin",
            "roles": ["admin", "system:configure"],
            "realm_access": { "roles": ["admin"] },
            "scope": "system:configure system:monitor",
            "permissions": ["system:configure"],
            "tid": "default",
            "tenant": "default",
            "tenant_id": "default",
            "uid": "admin",
            "sub": "admin",
            "plan": "enterprise",
        }));
        let who = team.me(&token).await.json();
        assert_eq!(
            (&who["tenant"], &who["plan"]),
            (&json!(team.tenant.as_str()), &json!("free"))
        );
        assert_ne!(who["user"], "admin");
        call(&team.node, asking("/api/admin/health", &token))
            .await
            .problem(403, "auth.permission");
    })
    .await;
}
