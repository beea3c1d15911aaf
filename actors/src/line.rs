//! Lines of text from people: names of people, tenants, keys, devices.

use cluster::prelude::{ActorError, Result};

/// Longest name of a person, a tenant or a key, in characters.
pub const NAME_CHARS_MAX: usize = 100;

/// Longest description of a device, in characters.
pub const DEVICE_CHARS_MAX: usize = 256;

/// Checks a name: 1 to [`NAME_CHARS_MAX`] characters on one line. Spaces around it do not count.
///
/// # Errors
/// `code` if it is empty, too long or has control characters.
pub(crate) fn name(text: &str, code: &'static str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || !is_line(text, NAME_CHARS_MAX) {
        return Err(ActorError::invalid(
            code,
            format!("a name is 1 to {NAME_CHARS_MAX} characters on one line"),
        ));
    }
    Ok(text.to_owned())
}

/// Makes a description of a device out of whatever a client says of itself.
#[must_use]
pub fn device(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(DEVICE_CHARS_MAX).collect::<String>().trim().to_owned()
}

/// Whether a text has at most `chars_max` characters and no control characters.
pub(crate) fn is_line(text: &str, chars_max: usize) -> bool {
    text.chars().count() <= chars_max && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_line_without_spaces_around() {
        assert_eq!(name("  Ännchen von Tharau ", "x.y").unwrap(), "Ännchen von Tharau");
        assert!(name(&"ä".repeat(NAME_CHARS_MAX), "x.y").is_ok());
        for bad in ["", "  ", "a\nb", "a\u{7f}", &"x".repeat(NAME_CHARS_MAX + 1)] {
            assert_eq!(name(bad, "x.y").unwrap_err().code(), "x.y", "{bad:?}");
        }
    }

    #[test]
    fn a_device_is_cut_and_plain() {
        assert_eq!(device(" a\r\nb "), "a  b");
        assert!(is_line(&device(&"ä\t".repeat(1_000)), DEVICE_CHARS_MAX));
    }
}
