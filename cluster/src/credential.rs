//! What a call shows to be let in: opaque to the runtime, and shown to nobody else.

use std::{fmt, future::Future, sync::Arc};

use crate::{ActorError, Result, caller::Caller};

tokio::task_local! {
    static GIVEN: Credential;
}

/// What a call shows to be let in, which a [`Gatekeeper`](crate::Gatekeeper) understands and the runtime does not.
///
/// It goes along with the calls of the work it was given to, with the asks that a handler makes in its turn for such a
/// call, and from node to node. It does not go along with alarms, durable sends and work beside a mailbox, which act for
/// the actor itself and may run when the credential has long expired: theirs is what
/// [`Gatekeeper::vouch`](crate::Gatekeeper::vouch) gives.
///
/// ```
/// use cluster::Credential;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> cluster::Result<()> {
/// let credential = Credential::new("a signed text")?;
/// assert_eq!(format!("{credential:?}"), "Credential(..)");
/// let seen = credential.scope(async { Credential::current() }).await;
/// assert_eq!(seen.unwrap().as_str(), "a signed text");
/// assert!(Credential::current().is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Credential(Arc<str>);

impl Credential {
    /// Most bytes of a credential: it goes along with every call between nodes.
    pub const BYTES: usize = 1024;

    /// Wraps a credential.
    ///
    /// # Errors
    /// `too-large` beyond [`BYTES`](Self::BYTES).
    pub fn new(text: &str) -> Result<Self> {
        if text.len() > Self::BYTES {
            return Err(ActorError::too_large(
                "too-large",
                format!(
                    "a credential of {} bytes exceeds the bound of {}",
                    text.len(),
                    Self::BYTES
                ),
            ));
        }
        Ok(Self(text.into()))
    }

    /// The credential as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The credential that goes along with the calls of the running task, if one does.
    pub fn current() -> Option<Self> {
        Self::given().or_else(|| Caller::current().account.credential().cloned())
    }

    /// Gives the credential to the calls that `work` makes. In a turn this is instead of the one that the turn was
    /// called with.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        GIVEN.scope(self, work)
    }

    /// The credential that was given to the running task.
    pub(crate) fn given() -> Option<Self> {
        GIVEN.try_with(Clone::clone).ok()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// Guarantee 14.
    #[test]
    fn a_credential_has_a_bound() {
        let longest = "x".repeat(Credential::BYTES);
        assert_eq!(Credential::new(&longest).unwrap().as_str(), longest);
        let beyond = Credential::new(&format!("{longest}x")).unwrap_err();
        assert_eq!((beyond.kind(), beyond.code()), (ErrorKind::TooLarge, "too-large"));
    }
}
