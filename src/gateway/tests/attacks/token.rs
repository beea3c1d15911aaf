//! Tokens that somebody made up.

use actix_web::test::TestRequest;
use actors::role::Role;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::super::bench::{Bench, silent};

/// A key that everybody may know, as attackers hope it is taken for the secret of an HMAC.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
    -----END PUBLIC KEY-----\n";

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The claims of a session that goes on, with which only the signature stands between anybody and their owner.
async fn claims(bench: &Bench) -> Value {
    let token = bench.token("default", "ann", Role::Admin).await;
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

async fn assert_refused(bench: &Bench, token: &str) {
    let me = || TestRequest::get().uri("/api/auth/me");
    let bearer = me().insert_header(("authorization", format!("Bearer {token}")));
    bench.call(bearer).await.problem(401, "auth.invalid-token");
    let cookie = me().insert_header(("cookie", format!("session_id={token}")));
    bench.call(cookie).await.problem(401, "auth.invalid-token");
}

#[tokio::test(start_paused = true)]
async fn a_token_without_a_signature_is_refused() {
    Bench::with(silent(), async |bench| {
        let claims = claims(bench).await;
        for algorithm in ["none", "None", "NONE", "nOnE", "HS256", ""] {
            let header = json!({ "alg": algorithm, "typ": "JWT" });
            for signature in ["", "AA", "e30"] {
                let token = format!("{}.{}.{signature}", part(&header), part(&claims));
                assert_refused(bench, &token).await;
            }
            assert_refused(bench, &format!("{}.{}", part(&header), part(&claims))).await;
        }
        let without = json!({ "typ": "JWT" });
        assert_refused(bench, &format!("{}.{}.", part(&without), part(&claims))).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_public_key_is_never_taken_for_the_secret_of_a_token() {
    Bench::with(silent(), async |bench| {
        let claims = claims(bench).await;
        let hmac = |header: &Header, secret: &[u8]| {
            jsonwebtoken::encode(header, &claims, &EncodingKey::from_secret(secret)).unwrap()
        };
        let stripped: String = PUBLIC_KEY.lines().filter(|line| !line.starts_with('-')).collect();
        for secret in [PUBLIC_KEY, PUBLIC_KEY.trim(), &stripped, "", "secret", "default"] {
            for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                assert_refused(bench, &hmac(&Header::new(algorithm), secret.as_bytes())).await;
            }
        }
        // The signature of an HMAC under a header that promises another algorithm.
        let good = hmac(&Header::new(Algorithm::HS256), PUBLIC_KEY.as_bytes());
        let signature = good.rsplit_once('.').unwrap().1;
        for algorithm in ["RS256", "ES256", "EdDSA", "PS256"] {
            let header = json!({ "alg": algorithm, "typ": "JWT" });
            assert_refused(bench, &format!("{}.{}.{signature}", part(&header), part(&claims))).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_a_token_says_of_its_own_key_is_not_believed() {
    Bench::with(silent(), async |bench| {
        let claims = claims(bench).await;
        let theirs = EncodingKey::from_secret(b"attackers");
        for kid in [
            "../../../../dev/null",
            "/dev/null",
            "' union select 'attackers' --",
            "http://evil.test/key",
            "",
        ] {
            let header = Header {
                kid: Some(kid.to_owned()),
                ..Header::new(Algorithm::HS256)
            };
            for secret in [&b"attackers"[..], b""] {
                let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap();
                assert_refused(bench, &token).await;
            }
        }
        let pointing = Header {
            jku: Some("http://evil.test/keys".to_owned()),
            x5u: Some("http://evil.test/certificate".to_owned()),
            ..Header::new(Algorithm::HS256)
        };
        assert_refused(bench, &jsonwebtoken::encode(&pointing, &claims, &theirs).unwrap()).await;
        // The key itself, in the header.
        let embedding = json!({
            "alg": "HS256",
            "typ": "JWT",
            "jwk": { "kty": "oct", "k": URL_SAFE_NO_PAD.encode("attackers"), "alg": "HS256" },
        });
        let plain = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &theirs).unwrap();
        let signature = plain.rsplit_once('.').unwrap().1;
        assert_refused(bench, &format!("{}.{}.{signature}", part(&embedding), part(&claims))).await;
    })
    .await;
}
