//! What lets a caller see no less than before, and what it wrote, on whatever node it looks.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    str::FromStr,
};

use crate::{ActorError, Result, storage, wire};

/// Stands before the digits, with the version of the form.
const MARK: &str = "r1-";

/// Most shards of a cluster.
const SHARDS: usize = 256;

/// How far the reader of a token must be in each of the shards that it is about: whoever shows a
/// [`Freshness::covering`](crate::Freshness::covering) it has seen as much.
///
/// It has a short form as text, of which nothing is promised but that it can be read back by the nodes of the same cluster,
/// also by later programs. It is not secret, and grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadToken(BTreeMap<u16, u64>);

impl ReadToken {
    /// Longest text of one, in bytes.
    pub const MAX_BYTES: usize = 8 * 1024;

    /// Adds what another one covers.
    pub fn merge(&mut self, other: &Self) {
        for (shard, index) in &other.0 {
            self.cover(*shard, *index);
        }
    }

    /// Whether it covers nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Covers the entries of a shard up to an index.
    pub(crate) fn cover(&mut self, shard: u16, index: u64) {
        // Before the first there is nothing to cover.
        if index > 0 {
            match self.0.entry(shard) {
                Entry::Vacant(entry) => drop(entry.insert(index)),
                Entry::Occupied(mut entry) => *entry.get_mut() = index.max(*entry.get()),
            }
        }
    }

    /// How far it covers a shard.
    pub(crate) fn of(&self, shard: u16) -> u64 {
        self.0.get(&shard).copied().unwrap_or_default()
    }

    /// Refuses one that is about shards which a cluster does not have.
    pub(crate) fn check(&self, shards: usize) -> Result<()> {
        match self.0.last_key_value() {
            Some((last, _)) if usize::from(*last) >= shards => Err(Self::foreign()),
            Some(_) | None => Ok(()),
        }
    }

    /// The error for one about entries that do not exist.
    pub(crate) fn foreign() -> ActorError {
        ActorError::invalid(
            "read-token.foreign",
            "the read token is of another cluster, or of what this one lost before it was recovered",
        )
    }

    fn malformed() -> ActorError {
        ActorError::invalid(
            "read-token.malformed",
            "this is no read token: give back what an answer contained, unchanged",
        )
    }
}

impl fmt::Display for ReadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MARK)?;
        let covered: Vec<_> = self.0.iter().collect();
        let bytes = storage::encoded(&covered);
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ReadToken {
    type Err = ActorError;

    fn from_str(text: &str) -> Result<Self> {
        if text.len() > Self::MAX_BYTES {
            return Err(Self::malformed());
        }
        let digits = text.strip_prefix(MARK).and_then(read_digits);
        let covered = digits.and_then(|bytes| wire::decode::<Vec<(u16, u64)>>(&bytes).ok());
        let covered = covered.filter(|covered| covered.len() <= SHARDS && covered.is_sorted_by(|a, b| a.0 < b.0));
        covered
            .map(|covered| Self(covered.into_iter().collect()))
            .ok_or_else(Self::malformed)
    }
}

fn read_digits(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: &u8| u8::try_from(char::from(*digit).to_digit(16)?).ok();
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(covered: &[(u16, u64)]) -> ReadToken {
        let mut token = ReadToken::default();
        covered.iter().for_each(|(shard, index)| token.cover(*shard, *index));
        token
    }

    #[test]
    fn a_token_is_read_back_from_its_text() {
        let largest: Vec<_> = (0..256).map(|shard| (shard, u64::MAX)).collect();
        for covered in [&[][..], &[(3, 7)], &[(0, 1), (200, 70_000), (255, 1 << 40)], &largest] {
            let token = token(covered);
            let text = token.to_string();
            assert!(text.len() <= ReadToken::MAX_BYTES, "{}", text.len());
            assert_eq!(text.parse::<ReadToken>().unwrap(), token);
        }
        assert_eq!(token(&[(3, 7)]).to_string(), "r1-01010307");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let valid = token(&[(3, 7), (4, 8)]).to_string();
        let mut bad = vec![
            String::new(),
            "r1".to_owned(),
            "r1-".to_owned(),
            "r2-01010307".to_owned(),
            "r1-0101030".to_owned(),
            "r1-0101030g".to_owned(),
            "r1-0101030\u{e9}".to_owned(),
            // Another version of the encoding, pairs out of order, one shard twice.
            "r1-02010307".to_owned(),
            "r1-010204080307".to_owned(),
            "r1-010203070308".to_owned(),
            "r1-".to_owned() + &"0".repeat(ReadToken::MAX_BYTES),
            valid.clone() + "00",
            valid.to_uppercase(),
        ];
        bad.extend((0..valid.len()).map(|end| valid[..end].to_owned()));
        for text in bad {
            let refused = text.parse::<ReadToken>().unwrap_err();
            assert_eq!(refused.code(), "read-token.malformed", "{text:?}");
        }
    }

    #[test]
    fn a_token_covers_what_both_of_two_cover() {
        let mut both = token(&[(1, 5), (2, 9)]);
        both.merge(&token(&[(1, 7), (2, 3), (4, 1)]));
        assert_eq!(both, token(&[(1, 7), (2, 9), (4, 1)]));
        assert_eq!((both.of(2), both.of(3)), (9, 0));
        assert!(both.check(5).is_ok());
        assert_eq!(both.check(4).unwrap_err().code(), "read-token.foreign");
    }
}
