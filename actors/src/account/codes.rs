//! Codes that were mailed.

use std::time::Duration;

use cluster::{
    Timestamp,
    prelude::{ActorError, Result},
};
use serde::{Deserialize, Serialize};

use super::{messages::Purpose, record::Code};
use crate::secret::Hashed;

/// Wrong codes after which those that were mailed for the purpose do not count any more.
pub(super) const ATTEMPTS: u32 = 5;
/// Codes for one purpose that count at the same time.
pub(super) const LIVE: usize = 3;
/// Time between two mails for one purpose.
pub(super) const PAUSE: Duration = Duration::from_mins(1);
/// Longest life of a code.
const LIFE_MAX: Duration = Duration::from_hours(24 * 7);

/// The codes of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Codes(pub(super) Vec<Code>);

impl Codes {
    /// Takes a code. The same code again changes nothing.
    pub(super) fn issue(&mut self, code: Code, now: Timestamp) -> Result<()> {
        let mut others = self.0.iter().filter(|known| known.purpose == code.purpose);
        if others.clone().any(|known| known.hash == code.hash) {
            return Ok(());
        }
        if code.expires <= now || code.expires > now.plus(LIFE_MAX) {
            return Err(ActorError::invalid(
                "code.life",
                "a code counts for some time, and not for more than a week",
            ));
        }
        if others.clone().any(|known| now.since(known.issued) < PAUSE) {
            return Err(ActorError::overloaded(
                "account.pause",
                "a mail was sent less than a minute ago",
            ));
        }
        if others.by_ref().filter(|known| known.is_live(now)).count() >= LIVE {
            // Not instead of an older one: whoever asks for mail to somebody else would make the codes of that person worthless.
            return Err(ActorError::overloaded(
                "code.too-many",
                format!("{LIVE} mails were sent that count still"),
            ));
        }
        self.tidy(now);
        self.0.push(code);
        Ok(())
    }

    /// Takes out the code that was shown, if it counts. A wrong one counts against all that were mailed for the purpose.
    pub(super) fn redeem(&mut self, purpose: Purpose, shown: &Hashed, now: Timestamp) -> Option<Code> {
        let is_shown = |known: &Code| known.purpose == purpose && known.is_live(now) && known.hash == *shown;
        if let Some(place) = self.0.iter().position(is_shown) {
            return Some(self.0.remove(place));
        }
        for known in self.0.iter_mut().filter(|known| known.purpose == purpose) {
            known.attempts = (known.attempts + 1).min(ATTEMPTS);
        }
        self.tidy(now);
        None
    }

    /// Removes those for a purpose.
    pub(super) fn drop_purpose(&mut self, purpose: Purpose) {
        self.0.retain(|known| known.purpose != purpose);
    }

    /// Removes those that are over. One that was issued a moment ago stays, because the next one has to wait for it.
    fn tidy(&mut self, now: Timestamp) {
        self.0
            .retain(|known| known.is_live(now) || now.since(known.issued) < PAUSE);
    }
}

impl Code {
    fn is_live(&self, now: Timestamp) -> bool {
        self.attempts < ATTEMPTS && now < self.expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        BEGIN.plus(Duration::from_secs(seconds))
    }

    fn code(purpose: Purpose, text: &str, issued: Timestamp) -> Code {
        Code {
            purpose,
            hash: Hashed::of(text.as_bytes()),
            issued,
            expires: issued.plus(Duration::from_mins(15)),
            attempts: 0,
            registration: None,
        }
    }

    fn shown(codes: &mut Codes, text: &str, now: Timestamp) -> bool {
        codes
            .redeem(Purpose::SignIn, &Hashed::of(text.as_bytes()), now)
            .is_some()
    }

    #[test]
    fn a_code_counts_once_for_its_purpose_until_it_expires() {
        let mut codes = Codes::default();
        for (number, text) in [(0, "a"), (1, "b")] {
            codes
                .issue(code(Purpose::SignIn, text, after(number * 60)), after(number * 60))
                .unwrap();
        }
        assert!(
            codes
                .redeem(Purpose::ResetPassword, &Hashed::of(b"a"), after(70))
                .is_none()
        );
        assert!(shown(&mut codes, "a", after(70)));
        assert!(!shown(&mut codes, "a", after(70)));
        assert!(!shown(&mut codes, "b", after(60 + 900)), "its time is over");
    }

    #[test]
    fn five_wrong_codes_end_those_that_were_mailed() {
        let mut codes = Codes::default();
        codes.issue(code(Purpose::SignIn, "right", BEGIN), BEGIN).unwrap();
        for _ in 0..4 {
            assert!(!shown(&mut codes, "wrong", after(1)));
        }
        let mut once_more = codes.clone();
        assert!(shown(&mut once_more, "right", after(1)));
        assert!(!shown(&mut codes, "wrong", after(1)));
        assert!(!shown(&mut codes, "right", after(1)));
        let pause = codes
            .issue(code(Purpose::SignIn, "next", after(59)), after(59))
            .unwrap_err();
        assert_eq!(pause.code(), "account.pause", "burning codes makes no mail come sooner");
        codes
            .issue(code(Purpose::SignIn, "next", after(60)), after(60))
            .unwrap();
        assert!(shown(&mut codes, "next", after(61)));
    }

    #[test]
    fn mails_have_a_pause_and_a_number_for_each_purpose() {
        let mut codes = Codes::default();
        for number in 0..3 {
            let now = after(number * 60);
            codes
                .issue(code(Purpose::SignIn, &number.to_string(), now), now)
                .unwrap();
            let soon = codes.issue(code(Purpose::SignIn, "x", now), now).unwrap_err();
            assert_eq!(soon.code(), "account.pause");
        }
        let many = codes
            .issue(code(Purpose::SignIn, "x", after(180)), after(180))
            .unwrap_err();
        assert_eq!(many.code(), "code.too-many");
        codes
            .issue(code(Purpose::ResetPassword, "x", after(180)), after(180))
            .unwrap();
        codes.issue(code(Purpose::SignIn, "x", after(900)), after(900)).unwrap();
        assert!(!shown(&mut codes, "0", after(900)));
        assert!(shown(&mut codes, "1", after(901)));
    }

    #[test]
    fn the_same_code_again_is_no_other_one() {
        let mut codes = Codes::default();
        for _ in 0..2 {
            codes.issue(code(Purpose::SignIn, "a", BEGIN), BEGIN).unwrap();
        }
        assert_eq!(codes.0.len(), 1);
    }

    #[test]
    fn a_code_lives_a_week_at_most() {
        for expires in [BEGIN, BEGIN.plus(LIFE_MAX + Duration::from_millis(1))] {
            let code = Code {
                expires,
                ..code(Purpose::SignIn, "a", BEGIN)
            };
            assert_eq!(Codes::default().issue(code, BEGIN).unwrap_err().code(), "code.life");
        }
    }
}
