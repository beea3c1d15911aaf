//! Section `[mail]`.

use std::path::{Path, PathBuf};

use actors::email::Email;
use lettre::message::Mailbox;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// How mail leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// As a file each, in a directory.
    #[default]
    File,
    /// To a mail server.
    Smtp,
}

/// Section `[mail]`: how people are written to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MailConfig {
    /// How mail leaves.
    pub transport: Transport,
    /// Sender of every mail.
    pub from: String,
    /// Directory of the files; a relative one lies below `db.path`.
    pub path: PathBuf,
    /// Host of the mail server.
    pub smtp_host: String,
    /// Port of the mail server; 465 speaks TLS from the beginning, another one after STARTTLS.
    pub smtp_port: u16,
    /// User at the mail server; empty means none.
    pub smtp_user: String,
    /// Environment variable with the password of that user.
    pub smtp_password_env: String,
    /// Longest time in seconds to hand a mail over.
    pub smtp_seconds: u64,
    /// Address that gets what people write to us; empty means that nobody does.
    pub contact: String,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            transport: Transport::File,
            from: "foundation <foundation@localhost>".to_owned(),
            path: PathBuf::from("mail"),
            smtp_host: String::new(),
            smtp_port: 465,
            smtp_user: String::new(),
            smtp_password_env: "FOUNDATION_SMTP_PASSWORD".to_owned(),
            smtp_seconds: 20,
            contact: String::new(),
        }
    }
}

/// Why mail cannot leave as configured.
#[derive(Debug, thiserror::Error)]
pub enum MailConfigError {
    /// A value does not fit.
    #[error("{key}: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no password for the user.
    #[error("mail.smtp-user is set, and the environment variable {0} with the password is not")]
    NoPassword(String),
}

impl MailConfig {
    /// Directory of the files.
    #[must_use]
    pub fn directory(&self, data: &Path) -> PathBuf {
        data.join(&self.path)
    }

    /// The sender.
    ///
    /// # Errors
    ///
    /// Fails for what is no mail address.
    pub fn sender(&self) -> Result<Mailbox, MailConfigError> {
        self.from.parse().map_err(|error| MailConfigError::Value {
            key: "mail.from",
            reason: format!("{:?} is not a name and an address: {error}", self.from),
        })
    }

    /// The password of the user at the mail server, if there is a user.
    ///
    /// # Errors
    ///
    /// Fails when there is a user and no password.
    pub fn password(
        &self,
        variable: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Option<SecretString>, MailConfigError> {
        if self.smtp_user.is_empty() {
            return Ok(None);
        }
        variable(&self.smtp_password_env)
            .map(|password| Some(SecretString::from(password)))
            .ok_or_else(|| MailConfigError::NoPassword(self.smtp_password_env.clone()))
    }

    /// Who gets what people write to us.
    ///
    /// # Errors
    ///
    /// Fails for what is no mail address.
    pub fn contact(&self) -> Result<Option<Email>, MailConfigError> {
        if self.contact.is_empty() {
            return Ok(None);
        }
        Email::new(&self.contact)
            .map(Some)
            .map_err(|error| MailConfigError::Value {
                key: "mail.contact",
                reason: error.message().to_owned(),
            })
    }

    /// Checks what can be checked without the environment.
    ///
    /// # Errors
    ///
    /// Fails with the first key that does not fit.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        self.sender().map_err(|error| ("mail.from", error.to_string()))?;
        self.contact().map_err(|error| ("mail.contact", error.to_string()))?;
        if self.transport == Transport::Smtp && self.smtp_host.is_empty() {
            return Err(("mail.smtp-host", "must name the mail server".to_owned()));
        }
        if !(1..=300).contains(&self.smtp_seconds) {
            return Err(("mail.smtp-seconds", "must be between 1 and 300".to_owned()));
        }
        Ok(())
    }
}
