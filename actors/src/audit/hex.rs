//! Bytes that people see as hexadecimal digits.

use std::{fmt, str};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
    ser::SerializeTuple,
};

/// A public key, Ed25519.
pub type PublicKey = Hex<32>;

/// A signature, Ed25519.
pub type Signature = Hex<64>;

/// `N` bytes. As text, also in JSON, they are `2 * N` lowercase hexadecimal digits, and nothing else is read as such; stored they
/// are the bytes themselves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex<const N: usize>(pub [u8; N]);

const DIGITS: &[u8; 16] = b"0123456789abcdef";

impl<const N: usize> Hex<N> {
    /// Reads `2 * N` lowercase hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        if text.len() != 2 * N {
            return None;
        }
        let mut bytes = [0; N];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

/// The digits of 32 bytes, without an allocation: every hash is over the digits of the one before it.
pub(super) fn digits(bytes: &[u8; 32]) -> [u8; 64] {
    let mut digits = [0; 64];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    digits
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            let pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
            f.write_str(str::from_utf8(&pair).expect("digits are ASCII"))?;
        }
        Ok(())
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        let mut tuple = serializer.serialize_tuple(N)?;
        for byte in &self.0 {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Bytes)
        } else {
            deserializer.deserialize_tuple(N, Bytes)
        }
    }
}

struct Bytes<const N: usize>;

impl<'de, const N: usize> Visitor<'de> for Bytes<N> {
    type Value = Hex<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lowercase hexadecimal digits", 2 * N)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Hex<N>, E> {
        Hex::parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Hex<N>, A::Error> {
        let mut read = [0; N];
        for (place, byte) in read.iter_mut().enumerate() {
            *byte = bytes
                .next_element()?
                .ok_or_else(|| A::Error::invalid_length(place, &self))?;
        }
        Ok(Hex(read))
    }
}

#[cfg(test)]
mod tests {
    use cluster::testing::{stored_bytes, stored_value};

    use super::*;

    #[test]
    fn only_lowercase_digits_of_the_right_number_are_read() {
        let hex = Hex([0x00, 0x9f, 0xa0, 0xff]);
        assert_eq!(hex.to_string(), "009fa0ff");
        assert_eq!(Hex::parse("009fa0ff"), Some(hex));
        for wrong in ["009fa0fF", "009fa0f", "009fa0ff0", "009fa0fg", "", " 09fa0ff"] {
            assert_eq!(Hex::<4>::parse(wrong), None, "{wrong}");
        }
        assert!(serde_json::from_str::<Hex<4>>("\"009FA0FF\"").is_err());
    }

    #[test]
    fn it_is_digits_in_json_and_bytes_in_storage() {
        let hex: Hex<64> = Hex(std::array::from_fn(|byte| byte as u8));
        let json = serde_json::to_string(&hex).unwrap();
        assert_eq!(json, format!("\"{hex}\""));
        assert_eq!(serde_json::from_str::<Hex<64>>(&json).unwrap(), hex);
        let stored = stored_bytes(&hex).unwrap();
        assert_eq!(stored[1..], hex.0, "a version byte and the bytes");
        assert_eq!(stored_value::<Hex<64>>(&stored).unwrap(), hex);
    }

    #[test]
    fn digits_are_those_of_the_text() {
        let bytes: [u8; 32] = std::array::from_fn(|byte| (byte * 37) as u8);
        assert_eq!(str::from_utf8(&digits(&bytes)).unwrap(), Hex(bytes).to_string());
    }
}
