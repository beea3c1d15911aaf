//! What travels over a session: the one message type that ractor_cluster carries.
//!
//! Every envelope shows the token that its receiver gave out in the hello, and says how many bytes its sender has dealt
//! with so far. Then comes what it is for. Numbers are big-endian:
//!
//! ```text
//! version u8 | kind u8 | token u64 | dealt u64 | call:   correlation u64, within ms u32, body
//!                                                answer: correlation u64, body
//!                                                fault:  correlation u64, fault u8
//!                                                pulse:  -
//! ```

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};

const VERSION: u8 = 1;
const CALL: u8 = 1;
const ANSWER: u8 = 2;
const FAULT: u8 = 3;
const PULSE: u8 = 4;

/// Bytes of an envelope around a body, at most.
pub(crate) const FRAME: usize = 30;

/// An envelope, encoded.
#[derive(Debug)]
pub(crate) struct Envelope(Vec<u8>);

/// Nothing is decoded here, where a failure could only be a panic.
impl ractor::BytesConvertable for Envelope {
    fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// For which session an envelope is, and what its sender has dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The token of the receiver's [`Door`](super::hello::Door).
    pub(crate) token: u64,
    /// Bytes of envelopes of this session that the sender has dealt with.
    pub(crate) dealt: u64,
}

/// What an envelope is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// A request.
    Call {
        /// Comes back with the answer.
        correlation: u64,
        /// How long the caller waits.
        within: Duration,
        /// What is asked.
        body: Bytes,
    },
    /// The answer to a call.
    Answer {
        /// That of the call.
        correlation: u64,
        /// What is answered.
        body: Bytes,
    },
    /// There is no answer to a call.
    Fault {
        /// That of the call.
        correlation: u64,
        /// Why.
        fault: Fault,
    },
    /// The sender is alive.
    Pulse,
}

/// Why a call that arrived has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It was not served, because too many are.
    Overloaded,
    /// It was served, and the answer is too large to travel.
    TooLarge,
    /// Serving it panicked.
    Failed,
}

impl Fault {
    fn code(self) -> u8 {
        match self {
            Self::Overloaded => 1,
            Self::TooLarge => 2,
            Self::Failed => 3,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Overloaded, Self::TooLarge, Self::Failed]
            .into_iter()
            .find(|fault| fault.code() == code)
    }
}

impl Envelope {
    /// Encodes.
    pub(crate) fn new(header: Header, content: &Content) -> Self {
        let body = match content {
            Content::Call { body, .. } | Content::Answer { body, .. } => body.len(),
            Content::Fault { .. } | Content::Pulse => 0,
        };
        let mut bytes = Vec::with_capacity(FRAME + body);
        bytes.put_u8(VERSION);
        bytes.put_u8(match content {
            Content::Call { .. } => CALL,
            Content::Answer { .. } => ANSWER,
            Content::Fault { .. } => FAULT,
            Content::Pulse => PULSE,
        });
        bytes.put_u64(header.token);
        bytes.put_u64(header.dealt);
        match content {
            Content::Call {
                correlation,
                within,
                body,
            } => {
                bytes.put_u64(*correlation);
                bytes.put_u32(u32::try_from(within.as_millis()).unwrap_or(u32::MAX));
                bytes.put_slice(body);
            }
            Content::Answer { correlation, body } => {
                bytes.put_u64(*correlation);
                bytes.put_slice(body);
            }
            Content::Fault { correlation, fault } => {
                bytes.put_u64(*correlation);
                bytes.put_u8(fault.code());
            }
            Content::Pulse => {}
        }
        Self(bytes)
    }

    /// Its size on both sides.
    pub(crate) fn size(&self) -> usize {
        self.0.len()
    }

    /// Decodes, without copying the body. Nothing, if no node of this version has made it.
    pub(crate) fn open(self) -> Option<(Header, Content)> {
        let mut bytes = Bytes::from(self.0);
        if bytes.try_get_u8().ok()? != VERSION {
            return None;
        }
        let kind = bytes.try_get_u8().ok()?;
        let header = Header {
            token: bytes.try_get_u64().ok()?,
            dealt: bytes.try_get_u64().ok()?,
        };
        let content = match kind {
            CALL => Content::Call {
                correlation: bytes.try_get_u64().ok()?,
                within: Duration::from_millis(u64::from(bytes.try_get_u32().ok()?)),
                body: bytes,
            },
            ANSWER => Content::Answer {
                correlation: bytes.try_get_u64().ok()?,
                body: bytes,
            },
            FAULT => Content::Fault {
                correlation: bytes.try_get_u64().ok()?,
                fault: Fault::of(bytes.try_get_u8().ok()?)?,
            },
            PULSE => Content::Pulse,
            _ => return None,
        };
        Some((header, content))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ractor::BytesConvertable;

    use super::*;

    const HEADER: Header = Header {
        token: 0x0102_0304_0506_0708,
        dealt: 9,
    };

    fn contents() -> [Content; 4] {
        let body = Bytes::from_static(b"ab");
        [
            Content::Call {
                correlation: 1,
                within: Duration::from_millis(256),
                body: body.clone(),
            },
            Content::Answer { correlation: 2, body },
            Content::Fault {
                correlation: 3,
                fault: Fault::TooLarge,
            },
            Content::Pulse,
        ]
    }

    #[test]
    fn envelopes_keep_their_bytes() {
        let golden = [
            "01010102030405060708000000000000000900000000000000010000010061 62",
            "010201020304050607080000000000000009000000000000000261 62",
            "0103010203040506070800000000000000090000000000000003 02",
            "010401020304050607080000000000000009",
        ];
        for (content, golden) in contents().into_iter().zip(golden) {
            let envelope = Envelope::new(HEADER, &content);
            assert!(envelope.size() <= FRAME + 2);
            let bytes = envelope.into_bytes();
            let text = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            assert_eq!(text, golden.replace(' ', ""));
            assert_eq!(Envelope::from_bytes(bytes).open().unwrap(), (HEADER, content));
        }
    }

    #[test]
    fn what_is_cut_or_foreign_is_no_envelope() {
        for content in contents() {
            let bytes = Envelope::new(HEADER, &content).into_bytes();
            assert!(Envelope::from_bytes(bytes[..17].to_vec()).open().is_none());
            for (at, value) in [(0, 2), (1, 9)] {
                let mut foreign = bytes.clone();
                foreign[at] = value;
                assert!(Envelope::from_bytes(foreign).open().is_none());
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Envelope::from_bytes(bytes).open();
        }
    }
}
