//! What a client sends, put together from its frames.
//!
//! The codec is that of the HTTP library. What it leaves to others is here: a frame that says that it is too long is refused
//! before it is read, fragments are put together within the same limit, text is UTF-8, and each violation has its code.

use actix_http::ws::{Codec, Frame, Item, ProtocolError};
use bytes::{Bytes, BytesMut};
use cluster::Closing;
use tokio_util::codec::Decoder as _;

/// Close codes (RFC 6455, section 7.4.1).
const PROTOCOL_ERROR: u16 = 1002;
const INVALID_DATA: u16 = 1007;
const TOO_LARGE: u16 = 1009;
/// A close frame without a code.
const NO_STATUS: u16 = 1005;

/// Most bytes of a control frame.
const CONTROL_BYTES_MAX: u64 = 125;

/// Something whole that a client sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Received {
    Message(cluster::Frame),
    Ping(Bytes),
    Pong,
    Close(Closing),
}

/// How a client broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) code: u16,
    pub(super) reason: &'static str,
}

/// Puts frames together.
#[derive(Debug)]
pub(super) struct Decoder {
    codec: Codec,
    buffer: BytesMut,
    limit: usize,
    /// What has come of a message in fragments.
    begun: Option<Begun>,
}

#[derive(Debug)]
struct Begun {
    is_text: bool,
    bytes: BytesMut,
}

/// The first bytes of a frame, as far as they matter before the rest is there.
struct Head {
    is_control: bool,
    length: u64,
}

impl Decoder {
    /// Makes one for messages of at most so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            codec: Codec::new().max_size(limit),
            buffer: BytesMut::new(),
            limit,
            begun: None,
        }
    }

    /// Takes bytes from the network.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next thing that is whole.
    ///
    /// # Errors
    ///
    /// Fails where the client breaks the protocol; nothing can be read after that.
    pub(super) fn next(&mut self) -> Result<Option<Received>, Violation> {
        loop {
            self.check_head()?;
            let Some(frame) = self.codec.decode(&mut self.buffer).map_err(|error| violation(&error))? else {
                if self.buffer.is_empty() {
                    // An idle connection keeps no memory for what it may send.
                    self.buffer = BytesMut::new();
                }
                return Ok(None);
            };
            let received = match frame {
                Frame::Text(bytes) => Received::Message(text(&bytes)?),
                Frame::Binary(bytes) => Received::Message(cluster::Frame::Binary(bytes.into())),
                Frame::Continuation(item) => match self.put_together(item)? {
                    Some(message) => Received::Message(message),
                    None => continue,
                },
                Frame::Ping(bytes) => Received::Ping(bytes),
                Frame::Pong(_) => Received::Pong,
                Frame::Close(reason) => Received::Close(reason.map_or_else(
                    || closing(NO_STATUS, String::new()),
                    |reason| closing(reason.code.into(), reason.description.unwrap_or_default()),
                )),
            };
            return Ok(Some(received));
        }
    }

    /// Refuses a frame by its head.
    fn check_head(&self) -> Result<(), Violation> {
        let Some(head) = head(&self.buffer) else {
            return Ok(());
        };
        if head.is_control {
            return if head.length > CONTROL_BYTES_MAX {
                Err(broken("a control frame is too long"))
            } else {
                Ok(())
            };
        }
        let before = self.begun.as_ref().map_or(0, |begun| begun.bytes.len() as u64);
        if head.length.saturating_add(before) > self.limit as u64 {
            return Err(Violation {
                code: TOO_LARGE,
                reason: "a message is too long",
            });
        }
        Ok(())
    }

    fn put_together(&mut self, item: Item) -> Result<Option<cluster::Frame>, Violation> {
        match item {
            Item::FirstText(bytes) => self.begin(true, &bytes),
            Item::FirstBinary(bytes) => self.begin(false, &bytes),
            Item::Continue(bytes) => {
                if let Some(begun) = &mut self.begun {
                    begun.bytes.extend_from_slice(&bytes);
                }
            }
            Item::Last(bytes) => {
                // The codec takes no continuation of what has not begun.
                let Some(mut begun) = self.begun.take() else {
                    return Err(broken("a continuation of nothing"));
                };
                begun.bytes.extend_from_slice(&bytes);
                return if begun.is_text {
                    text(&begun.bytes).map(Some)
                } else {
                    Ok(Some(cluster::Frame::Binary(begun.bytes.into())))
                };
            }
        }
        Ok(None)
    }

    fn begin(&mut self, is_text: bool, bytes: &[u8]) {
        self.begun = Some(Begun {
            is_text,
            bytes: BytesMut::from(bytes),
        });
    }
}

/// Reads the head of a frame (RFC 6455, section 5.2), if enough of it is there.
fn head(buffer: &[u8]) -> Option<Head> {
    let (&[first, second], rest) = buffer.split_first_chunk()?;
    let length = match second & 0x7f {
        126 => u16::from_be_bytes(*rest.first_chunk()?).into(),
        127 => u64::from_be_bytes(*rest.first_chunk()?),
        short => short.into(),
    };
    Some(Head {
        is_control: first & 0x08 != 0,
        length,
    })
}

fn text(bytes: &[u8]) -> Result<cluster::Frame, Violation> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(cluster::Frame::Text(text.to_owned())),
        Err(_) => Err(Violation {
            code: INVALID_DATA,
            reason: "text is UTF-8",
        }),
    }
}

fn closing(code: u16, reason: String) -> Closing {
    Closing {
        code,
        reason,
        is_clean: true,
    }
}

fn broken(reason: &'static str) -> Violation {
    Violation {
        code: PROTOCOL_ERROR,
        reason,
    }
}

fn violation(error: &ProtocolError) -> Violation {
    match error {
        ProtocolError::UnmaskedFrame => broken("a frame of a client is masked"),
        ProtocolError::InvalidOpcode(_) => broken("an opcode that there is not"),
        ProtocolError::ContinuationNotStarted => broken("a continuation of nothing"),
        ProtocolError::ContinuationStarted => broken("a message within a message"),
        ProtocolError::ContinuationFragment(_) => broken("a control frame in fragments"),
        ProtocolError::Overflow => Violation {
            code: TOO_LARGE,
            reason: "a message is too long",
        },
        _ => broken("a frame that cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    /// A frame with this first byte, as a client sends it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
            length => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
        }
        bytes.extend(MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// Everything that is read of these bytes, and how it ends.
    fn read(bytes: &[u8]) -> (Vec<Received>, Option<u16>) {
        let mut decoder = Decoder::new(1024);
        let mut all = Vec::new();
        // One byte after another: nothing depends on how they arrive.
        for byte in bytes {
            decoder.push(&[*byte]);
            loop {
                match decoder.next() {
                    Ok(Some(received)) => all.push(received),
                    Ok(None) => break,
                    Err(violation) => return (all, Some(violation.code)),
                }
            }
        }
        (all, None)
    }

    fn message(text: &str) -> Received {
        Received::Message(text.into())
    }

    #[test]
    fn messages_are_whole_also_in_fragments_with_pings_between_them() {
        let bytes = [
            frame(0x81, b"whole"),
            frame(0x01, "f\u{e4}".as_bytes().split_at(2).0),
            frame(0x89, b"ping"),
            frame(0x00, b""),
            frame(0x80, "f\u{e4}".as_bytes().split_at(2).1),
            frame(0x82, &[0, 255]),
            frame(0x8a, b""),
        ];
        let (all, end) = read(&bytes.concat());
        let expected = [
            message("whole"),
            Received::Ping(Bytes::from_static(b"ping")),
            message("f\u{e4}"),
            Received::Message(cluster::Frame::Binary(vec![0, 255])),
            Received::Pong,
        ];
        assert_eq!((&all[..], end), (&expected[..], None));
    }

    #[test]
    fn what_breaks_the_protocol_has_its_code() {
        let long = |first: u8| vec![first, 0x80 | 127, 0, 0, 0, 0, 0, 0, 16, 0];
        let corpus: [(&str, Vec<u8>, u16); 19] = [
            ("not masked", vec![0x81, 0x01, b'x'], 1002),
            ("reserved bit", frame(0xc1, b"x"), 1002),
            ("reserved opcode", frame(0x83, b"x"), 1002),
            ("reserved control opcode", frame(0x8b, b"x"), 1002),
            ("ping in fragments", frame(0x09, b"x"), 1002),
            ("close in fragments", frame(0x08, b""), 1002),
            ("long ping", frame(0x89, &[0; 126]), 1002),
            ("long close", frame(0x88, &[0; 126]), 1002),
            ("close with one byte", frame(0x88, &[3]), 1002),
            (
                "close with a code that is never sent",
                frame(0x88, &1005_u16.to_be_bytes()),
                1002,
            ),
            (
                "close with a code of nobody",
                frame(0x88, &2999_u16.to_be_bytes()),
                1002,
            ),
            ("continuation of nothing", frame(0x80, b"x"), 1002),
            ("fragment of nothing", frame(0x00, b"x"), 1002),
            (
                "message within a message",
                [frame(0x01, b"x"), frame(0x81, b"y")].concat(),
                1002,
            ),
            ("bad text", frame(0x81, &[0xff]), 1007),
            (
                "bad text in fragments",
                [frame(0x01, &[0xc3]), frame(0x80, b"x")].concat(),
                1007,
            ),
            ("long text, by its head", long(0x81), 1009),
            (
                "long fragments",
                [frame(0x02, &[0; 1000]), frame(0x80, &[0; 25])].concat(),
                1009,
            ),
            (
                "a length that is none",
                vec![0x81, 0xff, 255, 0, 0, 0, 0, 0, 0, 0],
                1009,
            ),
        ];
        for (name, bytes, code) in corpus {
            assert_eq!(read(&bytes), (Vec::new(), Some(code)), "{name}");
        }
    }

    #[test]
    fn a_goodbye_is_read() {
        let close = |payload: &[u8]| match read(&frame(0x88, payload)) {
            (all, None) => all,
            (_, Some(code)) => panic!("{code}"),
        };
        assert_eq!(close(&[]), [Received::Close(closing(1005, String::new()))]);
        let reason = [&4001_u16.to_be_bytes()[..], b"bye"].concat();
        assert_eq!(close(&reason), [Received::Close(closing(4001, "bye".to_owned()))]);
    }

    #[test]
    fn an_idle_connection_keeps_no_buffer() {
        let mut decoder = Decoder::new(1024);
        decoder.push(&frame(0x81, b"x"));
        assert!(decoder.next().unwrap().is_some() && decoder.next().unwrap().is_none());
        assert_eq!(decoder.buffer.capacity(), 0);
    }
}
