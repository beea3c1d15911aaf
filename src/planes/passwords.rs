//! Passwords: argon2id, away from the threads that serve, and only a few at a time.
//!
//! The parameters are OWASP's (19 MiB, two passes, one lane). A hash that was made with others is still checked, and is
//! reported as outdated.

use std::sync::Arc;

use actors::{
    ports::{PasswordError, Passwords, Verdict},
    secret::PasswordHash,
};
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc},
};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::Semaphore;

/// Least characters of a password. Nothing is asked of their kinds: such rules make passwords worse.
const CHARACTERS_MIN: usize = 10;

/// Longest password in bytes; more is work for nothing.
const BYTES_MAX: usize = 256;

/// Passwords that are worked on at the same time; each takes a core and 19 MiB.
const AT_ONCE: usize = 2;

/// Passwords that may wait for that; one more is told to come back.
const WAITING_MAX: usize = 64;

/// Memory in KiB, passes, lanes.
const PARAMETERS: (u32, u32, u32) = (19 * 1024, 2, 1);

/// Hashes passwords and checks them. Cloning shares the limits.
#[derive(Clone)]
pub struct Argon2id {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    argon2: Argon2<'static>,
    /// What is checked for an account that does not exist, so that both take as long.
    nobodys: Arc<str>,
}

impl std::fmt::Debug for Argon2id {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Argon2id").finish_non_exhaustive()
    }
}

impl Default for Argon2id {
    fn default() -> Self {
        let (memory, passes, lanes) = PARAMETERS;
        Self::with(Params::new(memory, passes, lanes, None).expect("the parameters are in their ranges"))
    }
}

impl Argon2id {
    fn with(parameters: Params) -> Self {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
        let nobodys = hash(&argon2, b"nobody's").expect("a short password can be hashed");
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            places: Arc::new(Semaphore::new(AT_ONCE + WAITING_MAX)),
            argon2,
            nobodys: nobodys.into(),
        }
    }

    /// Waits for a turn, and works on another thread.
    async fn work<T: Send + 'static>(self, work: impl FnOnce(&Self) -> T + Send + 'static) -> Result<T, PasswordError> {
        let _place = self
            .places
            .clone()
            .try_acquire_owned()
            .map_err(|_| PasswordError::Busy)?;
        let _turn = self
            .turns
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| PasswordError::Busy)?;
        let worked = tokio::task::spawn_blocking(move || work(&self)).await;
        worked.map_err(|error| PasswordError::Failed(error.to_string()))
    }

    fn verdict(&self, password: &str, hash: Option<&PasswordHash>) -> Verdict {
        let known = hash.map_or(&*self.nobodys, PasswordHash::as_str);
        let is_right = self.argon2.verify_password(password.as_bytes(), known).is_ok();
        match hash {
            Some(hash) if is_right && self.is_of_today(hash) => Verdict::Right,
            Some(_) if is_right => Verdict::Outdated,
            Some(_) | None => Verdict::Wrong,
        }
    }

    fn is_of_today(&self, hash: &PasswordHash) -> bool {
        let hash = phc::PasswordHash::new(hash.as_str()).ok();
        let theirs = hash.and_then(|hash| Params::try_from(&hash).ok());
        let costs = |parameters: &Params| (parameters.m_cost(), parameters.t_cost(), parameters.p_cost());
        theirs.is_some_and(|theirs| costs(&theirs) == costs(self.argon2.params()))
    }
}

impl Passwords for Argon2id {
    fn hash(&self, password: String) -> BoxFuture<'static, Result<PasswordHash, PasswordError>> {
        let this = self.clone();
        async move {
            acceptable(&password)?;
            let hash = this.work(move |this| hash(&this.argon2, password.as_bytes())).await??;
            PasswordHash::new(&hash).map_err(|error| PasswordError::Failed(error.to_string()))
        }
        .boxed()
    }

    fn check(
        &self,
        password: String,
        hash: Option<PasswordHash>,
    ) -> BoxFuture<'static, Result<Verdict, PasswordError>> {
        self.clone()
            .work(move |this| this.verdict(&password, hash.as_ref()))
            .boxed()
    }
}

fn acceptable(password: &str) -> Result<(), PasswordError> {
    if password.chars().count() < CHARACTERS_MIN {
        return Err(PasswordError::Refused(format!(
            "a password has at least {CHARACTERS_MIN} characters"
        )));
    }
    if password.len() > BYTES_MAX {
        return Err(PasswordError::Refused(format!(
            "a password has at most {BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> Result<String, PasswordError> {
    let salt: [u8; 16] = rand::random();
    let hash: phc::PasswordHash = argon2
        .hash_password_with_salt(password, &salt)
        .map_err(|error| PasswordError::Failed(error.to_string()))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least work there is.
    fn cheap(memory: u32) -> Argon2id {
        Argon2id::with(Params::new(memory, 1, 1, None).unwrap())
    }

    async fn hashed(passwords: &Argon2id, password: &str) -> PasswordHash {
        passwords.hash(password.to_owned()).await.unwrap()
    }

    async fn checked(passwords: &Argon2id, password: &str, hash: Option<&PasswordHash>) -> Verdict {
        passwords.check(password.to_owned(), hash.cloned()).await.unwrap()
    }

    #[tokio::test]
    async fn a_password_is_known_again_and_another_is_not() {
        let passwords = cheap(8);
        let hash = hashed(&passwords, "correct horse").await;
        assert!(
            hash.as_str().starts_with("$argon2id$v=19$m=8,t=1,p=1$"),
            "{}",
            hash.as_str()
        );
        assert_ne!(hashed(&passwords, "correct horse").await, hash, "each has its salt");
        assert_eq!(checked(&passwords, "correct horse", Some(&hash)).await, Verdict::Right);
        assert_eq!(checked(&passwords, "correct horsf", Some(&hash)).await, Verdict::Wrong);
        assert_eq!(
            checked(&passwords, "nobody's", None).await,
            Verdict::Wrong,
            "nobody has no password, not even the one that is checked instead"
        );
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_is_outdated() {
        let old = hashed(&cheap(8), "correct horse").await;
        assert_eq!(
            checked(&cheap(16), "correct horse", Some(&old)).await,
            Verdict::Outdated
        );
        assert_eq!(checked(&cheap(16), "another horse", Some(&old)).await, Verdict::Wrong);
    }

    #[test]
    fn the_parameters_are_those_of_owasp() {
        let passwords = Argon2id::default();
        let parameters = passwords.argon2.params();
        assert_eq!(
            (parameters.m_cost(), parameters.t_cost(), parameters.p_cost()),
            (19_456, 2, 1)
        );
    }

    #[tokio::test]
    async fn more_than_may_wait_are_told_to_come_back() {
        let passwords = cheap(8);
        let all = u32::try_from(AT_ONCE + WAITING_MAX).unwrap();
        let _places = passwords.places.try_acquire_many(all).unwrap();
        assert_eq!(
            passwords.hash("correct horse".to_owned()).await,
            Err(PasswordError::Busy)
        );
    }

    #[tokio::test]
    async fn length_is_what_counts() {
        let passwords = cheap(8);
        for bad in ["short", &"x".repeat(257)] {
            let refused = passwords.hash(bad.to_owned()).await;
            assert!(matches!(refused, Err(PasswordError::Refused(_))), "{bad}: {refused:?}");
        }
        hashed(&passwords, "ten letter").await;
    }
}
