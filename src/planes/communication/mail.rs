//! Mail: short letters in plain text, to a directory or a mail server.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, path::Path, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use lettre::{
    AsyncFileTransport, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Body, Mailbox,
        header::{ContentTransferEncoding, ContentType},
    },
    transport::smtp::authentication::Credentials,
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    config::{MailConfig, MailConfigError, Transport},
    post::{Letter, Post},
};

/// The port at which a mail server speaks TLS from the beginning.
const SUBMISSIONS: u16 = 465;

/// Longest line that mail servers take as it is.
const LINE_BYTES_MAX: usize = 998;

/// Rights on the directory of letters: its owner's alone.
const DIRECTORY_MODE: u32 = 0o700;

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The mail library takes no such address.
    #[error("the address cannot be written to: {0}")]
    Address(#[from] lettre::address::AddressError),
    /// The letter cannot be put together.
    #[error("the mail cannot be put together: {0}")]
    Letter(#[from] lettre::error::Error),
    /// The file was not written.
    #[error("the mail was not written: {0}")]
    File(#[from] lettre::transport::file::Error),
    /// The mail server did not take it.
    #[error("the mail server did not take the mail: {0}")]
    Smtp(#[from] lettre::transport::smtp::Error),
    /// The directory was not made.
    #[error("failed to make the directory of the mail: {0}")]
    Directory(#[from] std::io::Error),
    /// The configuration does not fit.
    #[error(transparent)]
    Config(#[from] MailConfigError),
}

#[derive(Debug, Clone)]
enum Way {
    File(AsyncFileTransport<Tokio1Executor>),
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
}

/// Sends mail. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct Mail {
    way: Way,
    from: Mailbox,
}

impl Mail {
    /// Prepares the way out.
    ///
    /// # Errors
    ///
    /// Fails when the directory cannot be made, or the configuration does not fit.
    pub fn open(config: &MailConfig, data: &Path, password: Option<&SecretString>) -> Result<Self, MailError> {
        let from = config.sender()?;
        let way = match config.transport {
            Transport::File => {
                let directory = config.directory(data);
                // Whoever reads the letters of others gets in as they.
                DirBuilder::new()
                    .recursive(true)
                    .mode(DIRECTORY_MODE)
                    .create(&directory)?;
                Way::File(AsyncFileTransport::new(directory))
            }
            Transport::Smtp => Way::Smtp(smtp(config, password)?),
        };
        Ok(Self { way, from })
    }

    async fn hand_over(&self, letter: Letter) -> Result<(), MailError> {
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, letter.to.as_str().parse()?))
            .subject(letter.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(body(letter.text))?;
        match &self.way {
            Way::File(file) => drop(file.send(message).await?),
            Way::Smtp(smtp) => drop(smtp.send(message).await?),
        }
        Ok(())
    }
}

impl Post for Mail {
    fn send(&self, letter: Letter) -> BoxFuture<'_, Result<(), MailError>> {
        self.hand_over(letter).boxed()
    }
}

/// The text as it is, if mail servers take it so: a link in a file can then be copied. Otherwise the library encodes it.
fn body(text: String) -> Body {
    let is_plain = text.is_ascii() && !text.contains('\0') && text.lines().all(|line| line.len() <= LINE_BYTES_MAX);
    if !is_plain {
        return Body::new(text);
    }
    let lines: String = text.lines().flat_map(|line| [line, "\r\n"]).collect();
    Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit)
}

fn smtp(
    config: &MailConfig,
    password: Option<&SecretString>,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, lettre::transport::smtp::Error> {
    let builder = if config.smtp_port == SUBMISSIONS {
        AsyncSmtpTransport::<Tokio1Executor>::relay(&config.smtp_host)?
    } else {
        AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(&config.smtp_host)?
    };
    let mut builder = builder
        .port(config.smtp_port)
        .timeout(Some(Duration::from_secs(config.smtp_seconds)));
    if let Some(password) = password {
        let credentials = Credentials::new(config.smtp_user.clone(), password.expose_secret().to_owned());
        builder = builder.credentials(credentials);
    }
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use actors::email::Email;

    use super::*;

    fn letter(to: &str, subject: &str) -> Letter {
        Letter {
            to: Email::new(to).unwrap(),
            subject: subject.to_owned(),
            text: format!(
                "Hello,\n\nyour code is 1234.\n\n  https://plans.example/verify?token={}\n",
                "a".repeat(150)
            ),
        }
    }

    #[tokio::test]
    async fn a_letter_becomes_a_file_with_whole_links_that_only_its_owner_reads() {
        let data = tempfile::tempdir().unwrap();
        let mail = Mail::open(&MailConfig::default(), data.path(), None).unwrap();
        mail.send(letter("ann@example.org", "Your code")).await.unwrap();
        let files: Vec<_> = std::fs::read_dir(data.path().join("mail")).unwrap().collect();
        assert_eq!(files.len(), 1);
        let text = std::fs::read_to_string(files[0].as_ref().unwrap().path()).unwrap();
        let link = format!("  https://plans.example/verify?token={}\r\n", "a".repeat(150));
        for part in ["To: ann@example.org", "Subject: Your code", "your code is 1234.", &link] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let rights = std::fs::metadata(data.path().join("mail")).unwrap().permissions();
        assert_eq!(rights.mode() & 0o777, 0o700);
    }

    #[tokio::test]
    async fn nothing_can_be_put_into_the_head_of_a_letter() {
        let data = tempfile::tempdir().unwrap();
        let mail = Mail::open(&MailConfig::default(), data.path(), None).unwrap();
        mail.send(letter("ann@example.org", "Hi\r\nBcc: eve@example.org"))
            .await
            .unwrap();
        let file = std::fs::read_dir(data.path().join("mail")).unwrap().find_map(|entry| {
            let path = entry.unwrap().path();
            (path.extension()? == "eml").then_some(path)
        });
        let text = std::fs::read_to_string(file.unwrap()).unwrap();
        assert!(
            !text.lines().any(|line| line.to_lowercase().starts_with("bcc:")),
            "{text}"
        );
    }

    #[test]
    fn a_user_needs_a_password() {
        let config = MailConfig {
            smtp_user: "mailer".to_owned(),
            ..MailConfig::default()
        };
        assert!(matches!(config.password(|_| None), Err(MailConfigError::NoPassword(_))));
        assert!(config.password(|_| Some("x".to_owned())).unwrap().is_some());
        assert!(MailConfig::default().password(|_| None).unwrap().is_none());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let config = MailConfig {
            from: "nobody".to_owned(),
            ..MailConfig::default()
        };
        assert_eq!(config.check().unwrap_err().0, "mail.from");
        let config = MailConfig {
            transport: Transport::Smtp,
            ..MailConfig::default()
        };
        assert_eq!(config.check().unwrap_err().0, "mail.smtp-host");
        MailConfig::default().check().unwrap();
    }
}
