//! How values become bytes, for storage and between actors. No other module names the encoding.
//!
//! One version byte, then bincode of the serde form. Nothing may use a serde attribute that needs a self-describing
//! format (`untagged`, `flatten`, `tag`, `skip_serializing_if`).

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Serialize, de::DeserializeOwned};

/// Version of the encoding, the first byte of everything encoded here.
const VERSION: u8 = 1;

/// Most bytes a decoder may claim: a turn's batch and its framing.
const LIMIT: usize = 16 * 1024 * 1024;

/// Why bytes and values did not convert into each other.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The value cannot be encoded.
    #[error("failed to encode a value")]
    Encode(#[source] bincode::error::EncodeError),
    /// The bytes are not a value of the expected type.
    #[error("failed to decode a value")]
    Decode(#[source] bincode::error::DecodeError),
    /// The bytes were written by another version of the encoding.
    #[error("unknown encoding version {0:?}")]
    Version(Option<u8>),
    /// Bytes were left over after the value.
    #[error("{0} bytes left over after a decoded value")]
    Trailing(usize),
}

/// Encodes a value.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, WireError> {
    // Most values fit; growing would copy what was encoded so far, each time.
    let mut bytes = Vec::with_capacity(256);
    bytes.push(VERSION);
    bincode::serde::encode_into_std_write(value, &mut bytes, bincode::config::standard()).map_err(WireError::Encode)?;
    Ok(Bytes::from(bytes))
}

/// Decodes a value; every byte must be used.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    let Some((&VERSION, rest)) = bytes.split_first() else {
        return Err(WireError::Version(bytes.first().copied()));
    };
    let config = bincode::config::standard().with_limit::<LIMIT>();
    let (value, used) = bincode::serde::decode_from_slice(rest, config).map_err(WireError::Decode)?;
    if used != rest.len() {
        return Err(WireError::Trailing(rest.len() - used));
    }
    Ok(value)
}

/// Puts what is encoded before what need not be: the length of the header, the header, the content.
pub(crate) fn frame(header: &[u8], content: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(4 + header.len() + content.len());
    bytes.put_u32(u32::try_from(header.len()).expect("a header is of ids, names and rows, all bounded"));
    bytes.put_slice(header);
    bytes.put_slice(content);
    bytes.freeze()
}

/// Takes apart what [`frame`] made; `None` if the header is broken.
pub(crate) fn unframe<T: DeserializeOwned>(bytes: &Bytes) -> Option<(T, Bytes)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let header = decode(rest.get(..length)?).ok()?;
    Some((header, bytes.slice(4 + length..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_round_trip() {
        let value = (7_u64, "seven".to_owned(), vec![1_u8, 2, 3]);
        let decoded: (u64, String, Vec<u8>) = decode(&encode(&value).unwrap()).unwrap();
        assert_eq!(decoded, value);
    }

    #[test]
    fn foreign_versions_and_leftovers_are_refused() {
        let mut bytes = encode(&7_u64).unwrap().to_vec();
        bytes.push(0);
        assert!(matches!(decode::<u64>(&bytes), Err(WireError::Trailing(1))));
        bytes[0] = 9;
        assert!(matches!(decode::<u64>(&bytes), Err(WireError::Version(Some(9)))));
        assert!(matches!(decode::<u64>(&[]), Err(WireError::Version(None))));
    }

    #[test]
    fn a_forged_length_cannot_claim_memory() {
        let mut bytes = vec![VERSION, 253];
        bytes.extend_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(decode::<Vec<u8>>(&bytes), Err(WireError::Decode(_))));
    }
}
