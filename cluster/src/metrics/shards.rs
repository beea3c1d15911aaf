//! The metrics of the shards, one by one.

use metrics::{Counter, SharedString, Unit, counter, describe_counter, describe_gauge, gauge};

use super::{SHARD_APPLIED, SHARD_EPOCH, SHARD_LAG, SHARD_LAST, SHARD_LEADS, SHARD_MOVES, SHARD_TERM};
use crate::members::LocalGroup;

/// Sets the gauges of a shard. Where this node is no member of it any more they are nothing.
#[expect(clippy::cast_precision_loss, reason = "terms and indices are far below 2^52")]
pub(crate) fn sampled(group: &LocalGroup) {
    let shard = label(group.shard);
    let is_member = !group.voters.is_empty();
    let member = |value: Option<u64>| value.filter(|_| is_member).unwrap_or_default() as f64;
    let lag = group.lag.values().copied().max();
    for (name, value) in [
        (SHARD_LEADS, member(group.epoch.map(|_| 1))),
        (SHARD_TERM, member(Some(group.term))),
        (SHARD_EPOCH, member(group.epoch)),
        (SHARD_APPLIED, member(group.applied)),
        (SHARD_LAST, member(group.last)),
        (SHARD_LAG, member(lag)),
    ] {
        gauge!(name, "shard" => shard.clone()).set(value);
    }
}

/// Counts the moves of a shard.
pub(crate) fn moves(shard: Option<u16>) -> Counter {
    counter!(SHARD_MOVES, "shard" => label(shard))
}

fn label(shard: Option<u16>) -> SharedString {
    shard.map_or_else(|| "meta".into(), |shard| shard.to_string().into())
}

pub(super) fn describe() {
    describe_gauge!(SHARD_LEADS, Unit::Count, "Whether this node owns the shard");
    describe_gauge!(
        SHARD_TERM,
        Unit::Count,
        "Term of the last election that this node knows of, by shard"
    );
    describe_gauge!(
        SHARD_EPOCH,
        Unit::Count,
        "Epoch under which this node owns the shard; 0 if it does not"
    );
    describe_gauge!(
        SHARD_APPLIED,
        Unit::Count,
        "Index of the last entry that is applied here, by shard"
    );
    describe_gauge!(
        SHARD_LAST,
        Unit::Count,
        "Index of the last entry in the log here, by shard"
    );
    describe_gauge!(
        SHARD_LAG,
        Unit::Count,
        "Entries that the copy lacks which is furthest behind; 0 where this node does not lead the shard"
    );
    describe_counter!(
        SHARD_MOVES,
        Unit::Count,
        "Times that another node came to lead the shard than the one before, as this node saw it"
    );
}
