//! What people are written: short, in plain text, with who asked for it and until when it counts.
//!
//! No letter to a stranger's address carries words of whoever asked for it, or anybody could have us send theirs. An invitation
//! names who invites and to what; both are known to the tenant whose audit chain records it.

use actors::{email::Email, role::Role};
use cluster::Timestamp;

use crate::planes::communication::Letter;

/// Somebody signed up with an address that nobody has proven.
pub(super) fn confirm(base: &str, to: &Email, ticket: &str, expires: Timestamp) -> Letter {
    letter(
        to,
        "Confirm your address",
        format!(
            "somebody, you we hope, signed up at {base} with this address. Confirm\n\
             that it is yours:\n\n  {base}/verify?token={ticket}\n\n\
             The link counts until {}. If it was not you, do nothing: the\n\
             account is not opened then.\n",
            time(expires)
        ),
    )
}

/// Somebody signed up with an address that has an account.
pub(super) fn exists(base: &str, to: &Email, ticket: &str, expires: Timestamp) -> Letter {
    letter(
        to,
        "You have an account already",
        format!(
            "somebody, you we hope, signed up at {base} with this address, and it\n\
             has an account already. Sign in with your password:\n\n  {base}/sign-in\n\n\
             If you have forgotten it, choose another one:\n\n  {base}/reset?token={ticket}\n\n\
             The second link counts once, until {}. If it was not you, do\n\
             nothing: nothing has changed.\n",
            time(expires)
        ),
    )
}

/// Somebody has forgotten the password.
pub(super) fn reset(base: &str, to: &Email, ticket: &str, expires: Timestamp) -> Letter {
    letter(
        to,
        "Choose another password",
        format!(
            "somebody, you we hope, asked at {base} to choose another password for\n\
             this address:\n\n  {base}/reset?token={ticket}\n\n\
             The link counts once, until {}. If it was not you, do nothing:\n\
             your password stays as it is.\n",
            time(expires)
        ),
    )
}

/// The password of an account is another one.
pub(super) fn changed(base: &str, to: &Email) -> Letter {
    letter(
        to,
        "Your password was changed",
        format!(
            "the password of your account at {base} was changed just now, and your\n\
             other devices were signed out. If it was not you, choose another one at once:\n\n  \
             {base}/forgot\n"
        ),
    )
}

/// An account is gone.
pub(super) fn erased(base: &str, to: &Email) -> Letter {
    letter(
        to,
        "Your account was removed",
        format!(
            "your account at {base} was removed just now, because you, or somebody\n\
             with your password, asked for it.\n"
        ),
    )
}

/// An invitation to a tenant.
pub(super) struct InvitationWords<'a> {
    /// Who invites, if it is somebody with an address.
    pub(super) by: Option<&'a Email>,
    pub(super) tenant: &'a str,
    pub(super) role: Role,
    pub(super) ticket: &'a str,
    pub(super) expires: Timestamp,
}

/// Somebody is invited.
pub(super) fn invitation(base: &str, to: &Email, words: &InvitationWords<'_>) -> Letter {
    let by = words.by.map_or("an admin", Email::as_str);
    letter(
        to,
        "You are invited",
        format!(
            "{by} invites you to work in \"{}\" at {base},\n\
             as {}. Accept with this link:\n\n  {base}/invitation?token={}\n\n\
             It counts until {}, for this address only. If you do not know\n\
             what this is about, do nothing.\n",
            words.tenant,
            words.role,
            words.ticket,
            time(words.expires)
        ),
    )
}

fn letter(to: &Email, subject: &str, text: String) -> Letter {
    Letter {
        to: to.clone(),
        subject: subject.to_owned(),
        text: format!("Hello,\n\n{text}"),
    }
}

fn time(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_says_who_asked_where_to_go_and_until_when() {
        let (ann, bob) = (
            Email::new("ann@example.org").unwrap(),
            Email::new("bob@example.org").unwrap(),
        );
        let words = InvitationWords {
            by: Some(&ann),
            tenant: "Repair cafes",
            role: Role::Supervisor,
            ticket: "t_1_2",
            expires: Timestamp::from_millis(1_790_000_000_000),
        };
        let letter = invitation("https://plans.example", &bob, &words);
        assert_eq!(letter.to, bob);
        for part in [
            "ann@example.org invites you",
            "\"Repair cafes\"",
            "as supervisor",
            "  https://plans.example/invitation?token=t_1_2\n",
            "until 21 September 2026, 14:13 UTC",
        ] {
            assert!(letter.text.contains(part), "{part}: {}", letter.text);
        }
    }
}
