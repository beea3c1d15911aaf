//! Rows in sled. A value above 16 KiB would end up in a blob file that sled never syncs, so it is cut into chunks
//! beside the row.
//!
//! A row is `[0][value]`, or `[1][length u32][crc u32]` with its chunks under `[0xFF][key][number u32]`, each
//! `[crc u32][part]`. Rows and chunks are read one by one while the flusher may replace them: the checksum, which is
//! that of the whole value, tells chunks of different values apart, and a reader that sees a mixture starts again.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use sled::{Batch, IVec};

use super::tree::RESERVED;

const CHUNK: usize = 16 * 1024;
const WHOLE: u8 = 0;
const CHUNKED: u8 = 1;

/// A row as it is stored.
pub(super) enum Stored {
    /// The value itself.
    Whole(Bytes),
    /// Where to find the value.
    Chunked(Parts),
}

/// The chunks of one value.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    length: u32,
    sum: u32,
}

impl Parts {
    /// How many chunks there are.
    pub(super) fn count(self) -> u32 {
        self.length.div_ceil(CHUNK as u32)
    }

    /// Puts the value together; `None` if a chunk is missing or belongs to another value.
    pub(super) fn join(self, mut read: impl FnMut(u32) -> io::Result<Option<IVec>>) -> io::Result<Option<Bytes>> {
        let mut value = BytesMut::with_capacity(self.length as usize);
        for number in 0..self.count() {
            let Some(chunk) = read(number)? else { return Ok(None) };
            let Some((sum, part)) = chunk.split_first_chunk::<4>() else {
                return Ok(None);
            };
            if u32::from_be_bytes(*sum) != self.sum {
                return Ok(None);
            }
            value.put_slice(part);
        }
        Ok((value.len() == self.length as usize && crc32fast::hash(&value) == self.sum).then(|| value.freeze()))
    }
}

/// Reads a stored row.
pub(super) fn decode(row: &[u8]) -> io::Result<Stored> {
    match row.split_first() {
        Some((&WHOLE, value)) => Ok(Stored::Whole(Bytes::copy_from_slice(value))),
        Some((&CHUNKED, rest)) => match rest.split_first_chunk::<4>() {
            Some((length, sum)) if sum.len() == 4 => Ok(Stored::Chunked(Parts {
                length: u32::from_be_bytes(*length),
                sum: u32::from_be_bytes([sum[0], sum[1], sum[2], sum[3]]),
            })),
            Some(_) | None => Err(invalid()),
        },
        Some(_) | None => Err(invalid()),
    }
}

/// Adds a row to a batch and returns how many chunks it took.
pub(super) fn insert(batch: &mut Batch, key: &[u8], value: &[u8]) -> u32 {
    if value.len() <= CHUNK {
        batch.insert(key, [&[WHOLE], value].concat());
        return 0;
    }
    let length = u32::try_from(value.len()).expect("a value is bounded to megabytes before it is proposed");
    let sum = crc32fast::hash(value);
    let parts = Parts { length, sum };
    batch.insert(
        key,
        [&[CHUNKED][..], &length.to_be_bytes(), &sum.to_be_bytes()].concat(),
    );
    for (number, part) in (0..).zip(value.chunks(CHUNK)) {
        batch.insert(chunk_key(key, number), [&sum.to_be_bytes()[..], part].concat());
    }
    parts.count()
}

/// The key of a chunk. The number has a fixed width, so chunks of different keys never share one.
pub(super) fn chunk_key(key: &[u8], number: u32) -> Vec<u8> {
    [&[RESERVED], key, &number.to_be_bytes()].concat()
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "stored row has an unknown form")
}
