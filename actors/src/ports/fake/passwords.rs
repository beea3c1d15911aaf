//! Passwords without the work.

use std::sync::{Arc, Mutex};

use futures_util::{FutureExt, future::BoxFuture};

use super::lock;
use crate::{
    ports::{PasswordError, Passwords, Verdict},
    secret::PasswordHash,
};

/// Hashes a password to itself behind `$plain$`, and takes hashes behind `$old$` for outdated ones.
#[derive(Debug, Clone, Default)]
pub struct FakePasswords {
    checks: Arc<Mutex<u32>>,
}

impl FakePasswords {
    /// How many passwords were checked, those without a hash included.
    #[must_use]
    pub fn checks(&self) -> u32 {
        *lock(&self.checks)
    }
}

impl Passwords for FakePasswords {
    fn hash(&self, password: String) -> BoxFuture<'static, Result<PasswordHash, PasswordError>> {
        let hash = PasswordHash::new(&format!("$plain${password}"));
        async move { hash.map_err(|error| PasswordError::Refused(error.to_string())) }.boxed()
    }

    fn check(
        &self,
        password: String,
        hash: Option<PasswordHash>,
    ) -> BoxFuture<'static, Result<Verdict, PasswordError>> {
        *lock(&self.checks) += 1;
        let hash = hash.as_ref().map(PasswordHash::as_str);
        let verdict = if hash == Some(&format!("$plain${password}")) {
            Verdict::Right
        } else if hash == Some(&format!("$old${password}")) {
            Verdict::Outdated
        } else {
            Verdict::Wrong
        };
        async move { Ok(verdict) }.boxed()
    }
}
