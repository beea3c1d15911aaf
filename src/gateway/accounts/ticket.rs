//! What a mailed link carries: whose code it is, and the code. The account that could tell is found by the address only.

use actors::{audit::Hex, email::Email, secret::Hashed};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::gateway::error::Problem;

/// Longest ticket.
pub(crate) const TICKET_MAX: usize = 512;

/// Bytes of a code; nobody guesses one.
const CODE_BYTES: usize = 32;

/// Makes a code for an address: the text for the mail, and what is kept.
pub(super) fn issue(email: &Email) -> (String, Hashed) {
    let code: [u8; CODE_BYTES] = rand::random();
    let code = Hex(code).to_string();
    let hashed = Hashed::of(code.as_bytes());
    (format!("{}.{code}", URL_SAFE_NO_PAD.encode(email.as_str())), hashed)
}

/// Reads a ticket.
///
/// # Errors
///
/// Fails as a wrong code does for what was never made here.
pub(super) fn read(text: &str) -> Result<(Email, Hashed), Problem> {
    parts(text).ok_or_else(|| Problem::forbidden("code.invalid", "the code is wrong, was used, or its time is over"))
}

fn parts(text: &str) -> Option<(Email, Hashed)> {
    let (email, code) = text.trim().split_once('.').filter(|_| text.len() <= TICKET_MAX)?;
    let is_code = code.len() == 2 * CODE_BYTES && code.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let email = String::from_utf8(URL_SAFE_NO_PAD.decode(email).ok()?).ok()?;
    let email = Email::new(&email).ok().filter(|_| is_code)?;
    Some((email, Hashed::of(code.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_back() {
        let ann = Email::new("Ann.Lee+x@example.org").unwrap();
        let (text, hashed) = issue(&ann);
        assert_eq!(read(&text).unwrap(), (ann.clone(), hashed));
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
            "{text} needs no escapes in an address"
        );
        assert_ne!(issue(&ann).0, text);
    }

    #[test]
    fn what_was_never_made_is_refused_as_a_wrong_code_is() {
        let (text, _) = issue(&Email::new("ann@example.org").unwrap());
        let (email, code) = text.split_once('.').unwrap();
        for bad in [
            String::new(),
            ".".to_owned(),
            email.to_owned(),
            format!(
                "{email}.{}",
                code.to_ascii_uppercase().replace(|c: char| c.is_ascii_digit(), "A")
            ),
            format!("{email}.{}", &code[1..]),
            format!("{email}!.{code}"),
            format!("{}.{code}", URL_SAFE_NO_PAD.encode("nobody")),
            format!("{}{text}", "a".repeat(512)),
        ] {
            assert_eq!(read(&bad).unwrap_err().code(), "code.invalid", "{bad}");
        }
    }
}
