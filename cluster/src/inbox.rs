//! What an actor has taken of the durable sends to it.
//!
//! The host of a source shard delivers its sends to one actor in the order of their ids, so the last id per source shard
//! tells every repetition. It is written in the same batch as the turn that took the message.

use crate::keyspace::SendId;

/// Whether `id` was taken before, given the last one that was.
pub(crate) fn is_duplicate(last: Option<SendId>, id: SendId) -> bool {
    last.is_some_and(|last| id <= last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee 6.
    #[test]
    fn ids_are_ordered_by_index_then_ordinal() {
        let last = Some(SendId { index: 5, ordinal: 2 });
        assert!(is_duplicate(last, SendId { index: 5, ordinal: 2 }));
        assert!(is_duplicate(last, SendId { index: 4, ordinal: 9 }));
        assert!(!is_duplicate(last, SendId { index: 5, ordinal: 3 }));
        assert!(!is_duplicate(None, SendId { index: 0, ordinal: 0 }));
    }
}
