//! Context tokens: for whom a call acts, proven to every boundary that it crosses.
//!
//! The gateway makes one for each request that it has let through; it goes along with the calls of that request as their
//! [`Credential`], within the node and from node to node, and is checked where a call enters the runtime and where it arrives
//! at another node. So a fault in a handler that names another tenant's actor is refused by the runtime, and a node that does
//! not have the cluster's key can speak for nobody. A token of a client never gets this far.
//!
//! A token of the tenant `system` is the server's own: it finds out who asks, which goes over accounts, sessions and the tenants
//! of people. Nobody can be a member there.
//!
//! The form is the seed's: a JWT with HS256, the claims `tid`, `uid`, `plan`, `iat`, `exp`, and 60 seconds of life.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use actors::SYSTEM_TENANT;
use cluster::{
    Credential, Credentials, Gatekeeper,
    prelude::{ActorError, ActorId, TenantId},
};
use jsonwebtoken::{Algorithm, Header, Validation};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{caller::Caller, signing_keys::SigningKeys};

/// Life of a token.
const LIFE: Duration = Duration::from_secs(60);

/// How old a token is at most with which a call begins.
const RENEWED: Duration = Duration::from_secs(20);

/// Difference between the clocks of nodes that is forgiven, in seconds.
const LEEWAY_SECONDS: u64 = 10;

/// Who acts where nobody asked: an alarm, a workflow.
const SYSTEM: &str = "system";

/// The plan in tokens of the server itself.
const NO_PLAN: &str = "system";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    /// Tenant.
    tid: String,
    /// User, or what else acts.
    uid: String,
    /// Plan of the tenant.
    plan: String,
    /// When it was made, Unix seconds.
    iat: u64,
    /// When it ends, Unix seconds.
    exp: u64,
}

/// Makes context tokens and checks them. Cloning shares the keys, which are known once the cluster is open.
#[derive(Debug, Clone, Default)]
pub struct ContextTokens {
    keys: Arc<OnceLock<SigningKeys>>,
}

impl ContextTokens {
    /// Takes the keys of the cluster; the first ones count.
    pub fn set_keys(&self, keys: SigningKeys) {
        self.keys.get_or_init(|| keys);
    }

    /// Does `work` on behalf of a user of a tenant.
    pub(crate) fn on_behalf<F: Future>(
        &self,
        tenant: &TenantId,
        user: &str,
        plan: &str,
        work: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        self.mint(tenant, user, plan).scope(work)
    }

    /// Does `work` of the server itself in a tenant.
    pub fn as_system<F: Future>(&self, tenant: &TenantId, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.on_behalf(tenant, SYSTEM, NO_PLAN, work)
    }

    /// Does `work` of an admin of the server, who may look after every tenant.
    pub(crate) fn as_admin<F: Future>(&self, user: &str, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.on_behalf(&actors::role::system_tenant(), user, NO_PLAN, work)
    }

    /// What a caller shows for the calls of a connection, which outlives a token: a new one now and then.
    pub(crate) fn renewed(&self, caller: &Caller) -> Credentials {
        let (tokens, tenant, user, plan) = (self.clone(), caller.tenant.clone(), caller.user.clone(), caller.plan);
        let last: Mutex<Option<(Instant, Credential)>> = Mutex::default();
        Arc::new(move || {
            let mut last = last.lock();
            match &*last {
                Some((made, credential)) if made.elapsed() < RENEWED => Some(credential.clone()),
                Some(_) | None => {
                    let credential = tokens.mint(&tenant, &user, plan.as_str());
                    *last = Some((Instant::now(), credential.clone()));
                    Some(credential)
                }
            }
        })
    }

    /// Makes a token.
    fn mint(&self, tenant: &TenantId, user: &str, plan: &str) -> Credential {
        let iat = jsonwebtoken::get_current_timestamp();
        let claims = Claims {
            tid: tenant.as_str().to_owned(),
            uid: user.to_owned(),
            plan: plan.to_owned(),
            iat,
            exp: iat + LIFE.as_secs(),
        };
        // Without a key nothing can be proven, and what shows nothing is refused.
        let token = self.keys.get().map_or_else(String::new, |keys| {
            jsonwebtoken::encode(
                &Header::new(Algorithm::HS256),
                &claims,
                &keys.context_signing(iat).encoding,
            )
            .expect("HMAC signs every message with every key")
        });
        Credential::new(&token).expect("a tenant, a user and a plan are short")
    }

    fn check(&self, to: &ActorId, credential: Option<&Credential>) -> Result<(), ActorError> {
        let refuse = |why: &str| ActorError::forbidden("context.refused", format!("the call is not let in: {why}"));
        let Some(keys) = self.keys.get() else {
            return Err(ActorError::retryable(
                "context.starting",
                "this node does not know the key of the cluster yet",
            ));
        };
        let credential = credential.ok_or_else(|| refuse("it has no context token"))?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp"]);
        let now = jsonwebtoken::get_current_timestamp();
        let age_max = LIFE + Duration::from_secs(LEEWAY_SECONDS);
        let decoded = keys
            .context_accepted(now, age_max)
            .into_iter()
            .find_map(|key| jsonwebtoken::decode::<Claims>(credential.as_str(), &key.decoding, &validation).ok());
        let claims = decoded.ok_or_else(|| refuse("its context token is not valid"))?.claims;
        let is_timely = claims.iat <= now + LEEWAY_SECONDS && claims.exp.saturating_sub(claims.iat) <= LIFE.as_secs();
        if !is_timely {
            return Err(refuse("its context token is not valid"));
        }
        let is_server = claims.tid == SYSTEM_TENANT;
        if !is_server && claims.tid != to.tenant().as_str() {
            return Err(refuse("its context token is of another tenant"));
        }
        Ok(())
    }
}

impl Gatekeeper for ContextTokens {
    fn admit(&self, to: &ActorId, credential: Option<&Credential>) -> Result<(), ActorError> {
        self.check(to, credential)
    }

    fn vouch(&self, tenant: &TenantId) -> Credential {
        self.mint(tenant, SYSTEM, NO_PLAN)
    }
}

#[cfg(test)]
mod tests {
    use actors::run::Run;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    fn tokens(key: &[u8]) -> ContextTokens {
        let tokens = ContextTokens::default();
        tokens.set_keys(SigningKeys::new(key, Duration::from_hours(1)));
        tokens
    }

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    fn run(of: &str) -> ActorId {
        ActorId::from_name::<Run>(&tenant(of), "1")
    }

    fn code(tokens: &ContextTokens, credential: Option<&Credential>) -> Option<String> {
        let admitted = tokens.check(&run("acme"), credential);
        admitted.err().map(|error| error.code().to_owned())
    }

    fn signed(tokens: &ContextTokens, algorithm: Algorithm, claims: &Claims) -> Credential {
        let key = tokens.keys.get().unwrap().context_signing(claims.iat).encoding;
        Credential::new(&jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()).unwrap()
    }

    #[test]
    fn a_token_opens_the_actors_of_its_tenant_only() {
        let tokens = tokens(b"key");
        let ours = tokens.mint(&tenant("acme"), "ann", "free");
        assert_eq!(code(&tokens, Some(&ours)), None);
        let others = tokens.mint(&tenant("other"), "ann", "free");
        assert_eq!(code(&tokens, Some(&others)).as_deref(), Some("context.refused"));
        assert_eq!(code(&tokens, None).as_deref(), Some("context.refused"));
        assert_eq!(code(&tokens, Some(&tokens.vouch(&tenant("acme")))), None);
        assert_eq!(code(&tokens, Some(&tokens.vouch(&tenant(SYSTEM_TENANT)))), None);
    }

    #[test]
    fn the_form_is_the_seeds() {
        let tokens = tokens(b"key");
        let token = tokens.mint(&tenant("acme"), "ann", "free");
        let parts: Vec<_> = token.as_str().split('.').collect();
        let json = |part: &str| -> serde_json::Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        assert_eq!(json(parts[0]), serde_json::json!({ "alg": "HS256", "typ": "JWT" }));
        let claims = json(parts[1]);
        let mut names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["exp", "iat", "plan", "tid", "uid"]);
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);
    }

    #[test]
    fn what_is_forged_expired_or_lasts_too_long_is_refused() {
        let tokens = tokens(b"key");
        let now = jsonwebtoken::get_current_timestamp();
        let claims = |iat: u64, exp: u64| Claims {
            tid: "acme".to_owned(),
            uid: "ann".to_owned(),
            plan: "free".to_owned(),
            iat,
            exp,
        };
        assert_eq!(
            code(
                &tokens,
                Some(&signed(&tokens, Algorithm::HS256, &claims(now, now + 60)))
            ),
            None
        );
        let foreign = self::tokens(b"another key").mint(&tenant("acme"), "ann", "free");
        let refused = [
            foreign,
            signed(&tokens, Algorithm::HS256, &claims(now - 120, now - 60)),
            signed(&tokens, Algorithm::HS256, &claims(now, now + 3600)),
            signed(&tokens, Algorithm::HS256, &claims(now + 600, now + 660)),
            signed(&tokens, Algorithm::HS512, &claims(now, now + 60)),
            Credential::new("").unwrap(),
            Credential::new("a.b.c").unwrap(),
        ];
        for (number, credential) in refused.iter().enumerate() {
            assert_eq!(
                code(&tokens, Some(credential)).as_deref(),
                Some("context.refused"),
                "{number}"
            );
        }
    }

    #[test]
    fn without_a_key_nobody_is_let_in() {
        let starting = ContextTokens::default();
        let empty = starting.mint(&tenant("acme"), "ann", "free");
        assert_eq!(code(&starting, Some(&empty)).as_deref(), Some("context.starting"));
        assert_eq!(code(&tokens(b"key"), Some(&empty)).as_deref(), Some("context.refused"));
    }
}
