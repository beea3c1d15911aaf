//! The one error that crosses an actor boundary.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Code of the error of a call through a broken reference.
pub(crate) const BROKEN: &str = "reference.broken";

/// Result of everything an actor's author calls or returns.
pub type Result<T, E = ActorError> = std::result::Result<T, E>;

/// What went wrong with a call, in a form that callers can match and that survives the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct ActorError {
    kind: ErrorKind,
    code: Cow<'static, str>,
    message: String,
}

/// The class of a failure: what a caller may do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ErrorKind {
    /// The request itself is wrong; repeating it cannot help.
    Invalid,
    /// What the request names does not exist.
    NotFound,
    /// The request does not fit the present state.
    Conflict,
    /// The caller may not do this.
    Forbidden,
    /// A value, batch or message exceeds its bound.
    TooLarge,
    /// A queue is full; do not retry at once.
    Overloaded,
    /// A time limit set by the callee's own logic passed.
    Deadline,
    /// The call had no effect and may be repeated.
    Retryable,
    /// The call may or may not have taken effect.
    Unknown,
    /// The callee does not offer this.
    Unsupported,
    /// A fault inside the callee; details are in its log.
    Internal,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident,)*) => {
        $(
            $(#[$doc])*
            pub fn $name(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
                Self { kind: ErrorKind::$kind, code: code.into(), message: message.into() }
            }
        )*
    };
}

impl ActorError {
    constructors! {
        /// Makes an error of kind [`ErrorKind::Invalid`].
        invalid => Invalid,
        /// Makes an error of kind [`ErrorKind::NotFound`].
        not_found => NotFound,
        /// Makes an error of kind [`ErrorKind::Conflict`].
        conflict => Conflict,
        /// Makes an error of kind [`ErrorKind::Forbidden`].
        forbidden => Forbidden,
        /// Makes an error of kind [`ErrorKind::TooLarge`].
        too_large => TooLarge,
        /// Makes an error of kind [`ErrorKind::Overloaded`].
        overloaded => Overloaded,
        /// Makes an error of kind [`ErrorKind::Deadline`].
        deadline => Deadline,
        /// Makes an error of kind [`ErrorKind::Retryable`].
        retryable => Retryable,
        /// Makes an error of kind [`ErrorKind::Unknown`].
        unknown => Unknown,
        /// Makes an error of kind [`ErrorKind::Unsupported`].
        unsupported => Unsupported,
        /// Makes an error of kind [`ErrorKind::Internal`].
        internal => Internal,
    }

    /// The same failure of a call that had an effect, so that nobody repeats it in good faith.
    #[must_use]
    pub(crate) fn with_effect(self) -> Self {
        match self.kind {
            ErrorKind::Retryable => Self {
                kind: ErrorKind::Unknown,
                ..self
            },
            ErrorKind::Invalid
            | ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::Forbidden
            | ErrorKind::TooLarge
            | ErrorKind::Overloaded
            | ErrorKind::Deadline
            | ErrorKind::Unknown
            | ErrorKind::Unsupported
            | ErrorKind::Internal => self,
        }
    }

    /// Whether the same may succeed later, without a change of what was asked or who was asked.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Overloaded | ErrorKind::Deadline | ErrorKind::Retryable | ErrorKind::Unknown
        )
    }

    /// Whether the runtime said so, and not the author of an actor: a call was not answered, or not even handled.
    pub(crate) fn is_of_runtime(&self) -> bool {
        self.is_passing() && (!self.code.contains('.') || self.code == BROKEN)
    }

    /// Class of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Stable code in kebab-case, `group.fault` except for the runtime's own.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Sentence for a person.
    pub fn message(&self) -> &str {
        &self.message
    }
}
