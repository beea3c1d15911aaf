//! Setting another password.

use cluster::prelude::{Result, Uuid};

use super::{Identity, IdentityError, error::is};
use crate::{
    account::{ChangePassword, Credentials, GetCredentials, Person, Purpose, Redeem, Refusal, SignInFailed},
    email::Email,
    ports::Verdict,
    secret::{Hashed, PasswordHash},
};

/// Somebody who has the password of an account.
pub(super) struct Proven {
    pub(super) person: Person,
    pub(super) hash: Option<PasswordHash>,
    /// Right or outdated.
    pub(super) verdict: Verdict,
}

impl Identity {
    /// Sets another password by a code that was mailed, and closes every session.
    ///
    /// # Errors
    /// `code.invalid`, or the password is not taken.
    pub async fn reset_password(&self, email: &Email, code: Hashed, password: String) -> Result<Person, IdentityError> {
        let redeem = Redeem {
            purpose: Purpose::ResetPassword,
            code,
            password: Some(self.passwords.hash(password).await?),
        };
        let person = self.ask_account(email, redeem).await?;
        Ok(self.found_own(&person).await?)
    }

    /// Sets another password of somebody who knows the present one, and closes every session but one.
    ///
    /// # Errors
    /// As [`sign_in`](Self::sign_in): who has a session and guesses the password is slowed down as anybody else.
    pub async fn change_password(
        &self,
        email: &Email,
        keep: Option<Uuid>,
        old: String,
        new: String,
    ) -> Result<(), IdentityError> {
        let Proven { hash, .. } = self.proven(email, old).await?;
        let change = ChangePassword {
            instead_of: hash,
            password: self.passwords.hash(new).await?,
            keep,
        };
        Ok(self.ask_account(email, change).await?)
    }

    /// Finds whether somebody has the password of an account. Where there is none, or it is locked, it takes as long.
    pub(super) async fn proven(&self, email: &Email, password: String) -> Result<Proven, IdentityError> {
        let (person, hash) = match self.ask_account(email, GetCredentials).await {
            Ok(Credentials::Open { person, password }) => (person, password),
            Ok(Credentials::Locked { until }) => {
                self.passwords.check(password, None).await?;
                return Err(IdentityError::Locked { until });
            }
            Err(error) if is(&error, &["account.unknown"]) => {
                self.passwords.check(password, None).await?;
                return Err(IdentityError::Unknown);
            }
            Err(error) => return Err(error.into()),
        };
        let verdict = self.passwords.check(password, hash.clone()).await?;
        match verdict {
            Verdict::Right | Verdict::Outdated => Ok(Proven { person, hash, verdict }),
            Verdict::Wrong => {
                let why = Refusal::Password;
                self.ask_account(email, SignInFailed { why }).await?;
                Err(IdentityError::Refused)
            }
        }
    }
}
