//! Codes that are mailed.

use cluster::prelude::{Result, Timestamp};

use super::{Identity, error::is};
use crate::{
    account::{IssueCode, Person, Purpose},
    email::Email,
    secret::Hashed,
};

impl Identity {
    /// Has an account take a code that is mailed then, to the person who is answered. There is none, and no mail, without an account,
    /// if enough mails were sent, or if there is nothing to prove. Strangers are told the same in each case.
    ///
    /// # Errors
    /// As [`IssueCode`] otherwise.
    pub async fn issue_code(
        &self,
        email: &Email,
        purpose: Purpose,
        code: Hashed,
        expires: Timestamp,
    ) -> Result<Option<Person>> {
        let issue = IssueCode { purpose, code, expires };
        match self.ask_account(email, issue).await {
            Ok(person) => Ok(Some(person)),
            Err(error)
                if is(
                    &error,
                    &["account.unknown", "account.verified", "account.pause", "code.too-many"],
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
