//! What travels on a connection after the hello.
//!
//! A frame is its length (4 bytes, of what follows), its kind (1 byte), a number (8 bytes), for requests also how long the
//! caller waits in milliseconds (4 bytes), and the rest is what the groups have to say. Numbers are big-endian.

use std::{io, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

/// Bytes of a frame that are not its contents.
pub(super) const OVERHEAD: usize = 1 + 8 + 4;

/// Bytes of the length of a frame.
const LENGTH: usize = 4;

const REQUEST: u8 = 1;
const ANSWER: u8 = 2;
const ABANDONED: u8 = 3;
const WORKING: u8 = 4;

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// A call.
    Request { call: u64, within: Duration, body: Bytes },
    /// What became of a call.
    Answer { call: u64, body: Bytes },
    /// There will be no answer, and why.
    Abandoned { call: u64, reason: Bytes },
    /// Nothing is to be said yet, but work is going on.
    Working,
}

/// Reads and writes frames of bounded size.
#[derive(Debug)]
pub(super) struct FrameCodec {
    frames: LengthDelimitedCodec,
    longest: usize,
}

impl Frame {
    /// Bytes on the connection.
    pub(super) fn bytes(&self) -> usize {
        LENGTH
            + match self {
                Self::Request { body, .. } => OVERHEAD + body.len(),
                Self::Answer { body, .. } => OVERHEAD - 4 + body.len(),
                Self::Abandoned { reason, .. } => OVERHEAD - 4 + reason.len(),
                Self::Working => OVERHEAD - 4,
            }
    }
}

impl FrameCodec {
    pub(super) fn new(longest: usize) -> Self {
        let frames = LengthDelimitedCodec::builder()
            .length_field_length(LENGTH)
            .max_frame_length(longest)
            .new_codec();
        Self { frames, longest }
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = io::Error;

    /// As the codec for lengths would do it, but without copying what follows the number twice.
    fn encode(&mut self, frame: Frame, out: &mut BytesMut) -> io::Result<()> {
        let length = frame.bytes() - LENGTH;
        if length > self.longest {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the frame is too large"));
        }
        let (kind, call, within, body) = match frame {
            Frame::Request { call, within, body } => (REQUEST, call, Some(millis(within)), body),
            Frame::Answer { call, body } => (ANSWER, call, None, body),
            Frame::Abandoned { call, reason } => (ABANDONED, call, None, reason),
            Frame::Working => (WORKING, 0, None, Bytes::new()),
        };
        out.reserve(LENGTH + length);
        out.put_u32(u32::try_from(length).expect("frames are bounded far below 4 GiB"));
        out.put_u8(kind);
        out.put_u64(call);
        if let Some(within) = within {
            out.put_u32(within);
        }
        out.extend_from_slice(&body);
        Ok(())
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = io::Error;

    fn decode(&mut self, input: &mut BytesMut) -> io::Result<Option<Frame>> {
        let Some(frame) = self.frames.decode(input)? else {
            return Ok(None);
        };
        read(frame.freeze())
            .map(Some)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the frame cannot be read"))
    }
}

fn read(mut frame: Bytes) -> Option<Frame> {
    let kind = frame.try_get_u8().ok()?;
    let call = frame.try_get_u64().ok()?;
    match kind {
        REQUEST => {
            let within = Duration::from_millis(frame.try_get_u32().ok()?.into());
            Some(Frame::Request {
                call,
                within,
                body: frame,
            })
        }
        ANSWER => Some(Frame::Answer { call, body: frame }),
        ABANDONED => Some(Frame::Abandoned { call, reason: frame }),
        WORKING => Some(Frame::Working),
        _ => None,
    }
}

/// Rounded up: who waits for less than a millisecond still waits.
fn millis(within: Duration) -> u32 {
    u32::try_from(within.as_micros().div_ceil(1000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<Frame> {
        let body = Bytes::from_static(b"body");
        let within = Duration::from_millis(70_000);
        vec![
            Frame::Request {
                call: 7,
                within,
                body: body.clone(),
            },
            Frame::Answer {
                call: u64::MAX,
                body: body.clone(),
            },
            Frame::Abandoned { call: 0, reason: body },
            Frame::Working,
        ]
    }

    #[test]
    fn frames_come_back_as_they_were_whatever_pieces_they_arrive_in() {
        let (mut codec, mut written) = (FrameCodec::new(1000), BytesMut::new());
        for frame in frames() {
            let (before, bytes) = (written.len(), frame.bytes());
            codec.encode(frame, &mut written).unwrap();
            assert_eq!(written.len() - before, bytes);
        }
        let (mut arrived, mut read) = (BytesMut::new(), Vec::new());
        for byte in written {
            arrived.put_u8(byte);
            read.extend(codec.decode(&mut arrived).unwrap());
        }
        assert_eq!(read, frames());
        assert!(arrived.is_empty());
    }

    #[test]
    fn the_bytes_of_a_request_are_what_other_versions_expect() {
        let mut written = BytesMut::new();
        FrameCodec::new(1000).encode(frames().remove(0), &mut written).unwrap();
        assert_eq!(
            written,
            b"\0\0\0\x11\x01\0\0\0\0\0\0\0\x07\0\x01\x11\x70body".as_slice()
        );
    }

    #[test]
    fn frames_beyond_the_bound_are_neither_written_nor_read() {
        let request = |bytes: usize| Frame::Request {
            call: 1,
            within: Duration::ZERO,
            body: vec![0; bytes].into(),
        };
        let mut written = BytesMut::new();
        let mut codec = FrameCodec::new(100);
        codec.encode(request(100 - OVERHEAD), &mut written).unwrap();
        assert!(codec.decode(&mut written).unwrap().is_some());
        assert!(codec.encode(request(101 - OVERHEAD), &mut written).is_err());
        FrameCodec::new(101)
            .encode(request(101 - OVERHEAD), &mut written)
            .unwrap();
        assert!(codec.decode(&mut written).is_err());
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [
            b"\0\0\0\x01\x01".as_slice(),
            b"\0\0\0\x09\x09\0\0\0\0\0\0\0\0",
            b"\0\0\0\x09\x01\0\0\0\0\0\0\0\0",
        ] {
            assert!(
                FrameCodec::new(100).decode(&mut BytesMut::from(bytes)).is_err(),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn who_waits_for_less_than_a_millisecond_still_waits() {
        assert_eq!(millis(Duration::from_micros(1)), 1);
        assert_eq!(millis(Duration::from_millis(2)), 2);
        assert_eq!(millis(Duration::MAX), u32::MAX);
    }
}
