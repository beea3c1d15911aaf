//! Setting another password.

use cluster::prelude::{Result, Uuid};

use super::{Identity, IdentityError};
use crate::{
    account::{ChangePassword, Credentials, GetCredentials, Person, Purpose, Redeem, Refusal, SignInFailed},
    email::Email,
    ports::Verdict,
    secret::Hashed,
};

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
        let hash = match self.ask_account(email, GetCredentials).await? {
            Credentials::Open { password, .. } => password,
            Credentials::Locked { until } => return Err(IdentityError::Locked { until }),
        };
        match self.passwords.check(old, hash.clone()).await? {
            Verdict::Right | Verdict::Outdated => {}
            Verdict::Wrong => {
                let why = Refusal::Password;
                self.ask_account(email, SignInFailed { why }).await?;
                return Err(IdentityError::Refused);
            }
        }
        let change = ChangePassword {
            instead_of: hash,
            password: self.passwords.hash(new).await?,
            keep,
        };
        Ok(self.ask_account(email, change).await?)
    }
}
