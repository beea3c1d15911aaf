//! The bytes of everything the engine keeps: log entries, votes, positions, memberships and write-sets.
//!
//! Written by hand, so that what is on disk is decided here and nowhere else: integers are big-endian, byte strings
//! carry a u32 length, every record starts with a version and ends with a CRC-32 of what precedes it. An entry's
//! operations carry no version of their own: the entry's covers them.

use std::collections::BTreeSet;
use std::io;

use bytes::{Buf, Bytes};
use openraft::EntryPayload;

use super::types::{Command, Entry, LeaderId, LogId, Membership, StoredMembership, Vote};
use crate::shard::{Epoch, Op};

const VERSION: u8 = 1;

/// A record that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum CodecError {
    #[error("record is cut short")]
    Short,
    #[error("record has a wrong checksum")]
    Checksum,
    #[error("record has unknown version {0}")]
    Version(u8),
    #[error("record has unknown tag {0}")]
    Tag(u8),
    #[error("record has {0} bytes too many")]
    Trailing(usize),
}

impl From<CodecError> for io::Error {
    fn from(error: CodecError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// What the state machine keeps beside its rows: how far it is, and under which owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last applied entry.
    pub(crate) applied: Option<LogId>,
    /// The last applied membership.
    pub(crate) membership: StoredMembership,
    /// The epoch of the current owner.
    pub(crate) epoch: Option<Epoch>,
    /// The round expected next under that epoch.
    pub(crate) round: u64,
}

pub(crate) fn entry(entry: &Entry) -> Vec<u8> {
    let body = match &entry.payload {
        EntryPayload::Normal(Command::Write { ops, .. }) => ops.len(),
        EntryPayload::Normal(Command::Own { .. }) | EntryPayload::Blank | EntryPayload::Membership(_) => 64,
    };
    let mut out = Vec::with_capacity(64 + body);
    out.push(VERSION);
    put_log_id(&mut out, &entry.log_id);
    match &entry.payload {
        EntryPayload::Blank => out.push(0),
        EntryPayload::Membership(membership) => {
            out.push(1);
            put_membership(&mut out, membership);
        }
        EntryPayload::Normal(Command::Own { node }) => {
            out.push(2);
            out.extend(node.to_be_bytes());
        }
        EntryPayload::Normal(Command::Write { epoch, round, ops }) => {
            out.push(3);
            out.extend(epoch.0.to_be_bytes());
            out.extend(round.to_be_bytes());
            put_bytes(&mut out, ops);
        }
    }
    seal(out)
}

pub(crate) fn read_entry(record: Bytes) -> Result<Entry, CodecError> {
    let mut input = open(record)?;
    let log_id = take_log_id(&mut input)?;
    let payload = match take_u8(&mut input)? {
        0 => EntryPayload::Blank,
        1 => EntryPayload::Membership(take_membership(&mut input)?),
        2 => EntryPayload::Normal(Command::Own {
            node: take_u64(&mut input)?,
        }),
        3 => EntryPayload::Normal(Command::Write {
            epoch: Epoch(take_u64(&mut input)?),
            round: take_u64(&mut input)?,
            ops: take_bytes(&mut input)?,
        }),
        tag => return Err(CodecError::Tag(tag)),
    };
    finish(&input)?;
    Ok(Entry { log_id, payload })
}

pub(crate) fn vote(vote: &Vote) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_leader(&mut out, &vote.leader_id);
    out.push(u8::from(vote.committed));
    seal(out)
}

pub(crate) fn read_vote(record: Bytes) -> Result<Vote, CodecError> {
    let mut input = open(record)?;
    let leader_id = take_leader(&mut input)?;
    let committed = take_flag(&mut input)?;
    finish(&input)?;
    Ok(Vote { leader_id, committed })
}

pub(crate) fn log_id(id: &LogId) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_log_id(&mut out, id);
    seal(out)
}

pub(crate) fn read_log_id(record: Bytes) -> Result<LogId, CodecError> {
    let mut input = open(record)?;
    let id = take_log_id(&mut input)?;
    finish(&input)?;
    Ok(id)
}

pub(crate) fn head(head: &Head) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_option(&mut out, head.applied.as_ref(), put_log_id);
    put_option(&mut out, head.membership.log_id().as_ref(), put_log_id);
    put_membership(&mut out, head.membership.membership());
    put_option(&mut out, head.epoch.as_ref(), |out, epoch| {
        out.extend(epoch.0.to_be_bytes())
    });
    out.extend(head.round.to_be_bytes());
    seal(out)
}

pub(crate) fn read_head(record: Bytes) -> Result<Head, CodecError> {
    let mut input = open(record)?;
    let applied = take_option(&mut input, take_log_id)?;
    let since = take_option(&mut input, take_log_id)?;
    let membership = StoredMembership::new(since, take_membership(&mut input)?);
    let epoch = take_option(&mut input, take_u64)?.map(Epoch);
    let round = take_u64(&mut input)?;
    finish(&input)?;
    Ok(Head {
        applied,
        membership,
        epoch,
        round,
    })
}

/// The last indexes that the log of each group is known to reach.
pub(crate) fn marks(marks: &[(u32, u64)]) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_count(&mut out, marks.len());
    for (group, index) in marks {
        out.extend(group.to_be_bytes());
        out.extend(index.to_be_bytes());
    }
    seal(out)
}

pub(crate) fn read_marks(record: Bytes) -> Result<Vec<(u32, u64)>, CodecError> {
    let mut input = open(record)?;
    let count = take_u32(&mut input)?;
    let marks = (0..count)
        .map(|_| Ok((take_u32(&mut input)?, take_u64(&mut input)?)))
        .collect::<Result<_, _>>()?;
    finish(&input)?;
    Ok(marks)
}

/// Appends one operation to the operations of a round.
pub(crate) fn put_op(out: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Put { key, value } => {
            out.push(0);
            put_bytes(out, key);
            put_bytes(out, value);
        }
        Op::Delete { key } => {
            out.push(1);
            put_bytes(out, key);
        }
        Op::Send { envelope } => {
            out.push(2);
            put_bytes(out, envelope);
        }
        Op::PutIfAbsent { key, value } => {
            out.push(3);
            put_bytes(out, key);
            put_bytes(out, value);
        }
    }
}

/// Reads the operations of a round; keys and values share the buffer of the entry.
pub(crate) fn read_ops(mut input: Bytes) -> Result<Vec<Op>, CodecError> {
    let mut ops = Vec::new();
    while input.has_remaining() {
        ops.push(match take_u8(&mut input)? {
            0 => Op::Put {
                key: take_bytes(&mut input)?,
                value: take_bytes(&mut input)?,
            },
            1 => Op::Delete {
                key: take_bytes(&mut input)?,
            },
            2 => Op::Send {
                envelope: take_bytes(&mut input)?,
            },
            3 => Op::PutIfAbsent {
                key: take_bytes(&mut input)?,
                value: take_bytes(&mut input)?,
            },
            tag => return Err(CodecError::Tag(tag)),
        });
    }
    Ok(ops)
}

pub(super) fn seal(mut out: Vec<u8>) -> Vec<u8> {
    let sum = crc32fast::hash(&out);
    out.extend(sum.to_be_bytes());
    out
}

/// Checks a sum and takes it off.
pub(super) fn unseal(mut record: Bytes) -> Result<Bytes, CodecError> {
    let body = record.len().checked_sub(4).ok_or(CodecError::Short)?;
    let sum = record.split_off(body).get_u32();
    if crc32fast::hash(&record) != sum {
        return Err(CodecError::Checksum);
    }
    Ok(record)
}

fn open(record: Bytes) -> Result<Bytes, CodecError> {
    let mut record = unseal(record)?;
    match take_u8(&mut record)? {
        VERSION => Ok(record),
        version => Err(CodecError::Version(version)),
    }
}

pub(super) fn finish(input: &Bytes) -> Result<(), CodecError> {
    if input.is_empty() {
        Ok(())
    } else {
        Err(CodecError::Trailing(input.len()))
    }
}

pub(super) fn put_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("a record is far smaller than 4 GiB: turns are bounded to megabytes");
    out.extend(count.to_be_bytes());
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

pub(super) fn put_option<T>(out: &mut Vec<u8>, value: Option<&T>, put: impl FnOnce(&mut Vec<u8>, &T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

pub(super) fn put_leader(out: &mut Vec<u8>, leader: &LeaderId) {
    out.extend(leader.term.to_be_bytes());
    out.extend(leader.node_id.to_be_bytes());
}

pub(super) fn put_log_id(out: &mut Vec<u8>, id: &LogId) {
    put_leader(out, &id.leader_id);
    out.extend(id.index.to_be_bytes());
}

fn put_membership(out: &mut Vec<u8>, membership: &Membership) {
    put_count(out, membership.get_joint_config().len());
    for config in membership.get_joint_config() {
        put_count(out, config.len());
        out.extend(config.iter().flat_map(|node| node.to_be_bytes()));
    }
    let nodes = membership.nodes().map(|(node, ())| *node).collect::<Vec<_>>();
    put_count(out, nodes.len());
    out.extend(nodes.iter().flat_map(|node| node.to_be_bytes()));
}

pub(super) fn take_u8(input: &mut Bytes) -> Result<u8, CodecError> {
    input.try_get_u8().map_err(|_| CodecError::Short)
}

pub(super) fn take_u32(input: &mut Bytes) -> Result<u32, CodecError> {
    input.try_get_u32().map_err(|_| CodecError::Short)
}

pub(super) fn take_u64(input: &mut Bytes) -> Result<u64, CodecError> {
    input.try_get_u64().map_err(|_| CodecError::Short)
}

pub(super) fn take_flag(input: &mut Bytes) -> Result<bool, CodecError> {
    match take_u8(input)? {
        0 => Ok(false),
        1 => Ok(true),
        tag => Err(CodecError::Tag(tag)),
    }
}

pub(super) fn take_bytes(input: &mut Bytes) -> Result<Bytes, CodecError> {
    let length = take_u32(input)? as usize;
    if input.len() < length {
        return Err(CodecError::Short);
    }
    Ok(input.split_to(length))
}

pub(super) fn take_option<T>(
    input: &mut Bytes,
    take: impl FnOnce(&mut Bytes) -> Result<T, CodecError>,
) -> Result<Option<T>, CodecError> {
    if take_flag(input)? {
        take(input).map(Some)
    } else {
        Ok(None)
    }
}

pub(super) fn take_leader(input: &mut Bytes) -> Result<LeaderId, CodecError> {
    Ok(LeaderId {
        term: take_u64(input)?,
        node_id: take_u64(input)?,
    })
}

pub(super) fn take_log_id(input: &mut Bytes) -> Result<LogId, CodecError> {
    Ok(LogId {
        leader_id: take_leader(input)?,
        index: take_u64(input)?,
    })
}

fn take_nodes(input: &mut Bytes) -> Result<BTreeSet<u64>, CodecError> {
    let count = take_u32(input)?;
    (0..count).map(|_| take_u64(input)).collect()
}

fn take_membership(input: &mut Bytes) -> Result<Membership, CodecError> {
    let count = take_u32(input)?;
    let configs = (0..count).map(|_| take_nodes(input)).collect::<Result<Vec<_>, _>>()?;
    Ok(Membership::new_with_defaults(configs, take_nodes(input)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(term: u64, index: u64) -> LogId {
        LogId {
            leader_id: LeaderId { term, node_id: 7 },
            index,
        }
    }

    fn membership() -> Membership {
        Membership::new_with_defaults(vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([2, 3, 4])], [9])
    }

    fn entries() -> Vec<Entry> {
        let write = Command::Write {
            epoch: Epoch(3),
            round: 9,
            ops: Bytes::from_static(b"ops"),
        };
        vec![
            Entry {
                log_id: id(1, 0),
                payload: EntryPayload::Blank,
            },
            Entry {
                log_id: id(1, 1),
                payload: EntryPayload::Membership(membership()),
            },
            Entry {
                log_id: id(2, 2),
                payload: EntryPayload::Normal(Command::Own { node: 7 }),
            },
            Entry {
                log_id: id(2, 3),
                payload: EntryPayload::Normal(write),
            },
        ]
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        for written in entries() {
            assert_eq!(read_entry(entry(&written).into()).unwrap(), written);
        }
        let written = Head {
            applied: Some(id(2, 3)),
            membership: StoredMembership::new(Some(id(1, 1)), membership()),
            epoch: Some(Epoch(2)),
            round: 4,
        };
        assert_eq!(read_head(head(&written).into()).unwrap(), written);
        assert_eq!(read_head(head(&Head::default()).into()).unwrap(), Head::default());
        let written = Vote {
            leader_id: LeaderId { term: 4, node_id: 1 },
            committed: true,
        };
        assert_eq!(read_vote(vote(&written).into()).unwrap(), written);
        assert_eq!(read_log_id(log_id(&id(5, 6)).into()).unwrap(), id(5, 6));
        assert_eq!(read_marks(marks(&[(0, 3), (9, 4)]).into()).unwrap(), [(0, 3), (9, 4)]);
    }

    #[test]
    fn operations_are_read_as_they_were_written() {
        let ops = vec![
            Op::Put {
                key: Bytes::from_static(b"k"),
                value: Bytes::new(),
            },
            Op::Delete {
                key: Bytes::from_static(b"d"),
            },
            Op::Send {
                envelope: Bytes::from_static(b"e"),
            },
            Op::PutIfAbsent {
                key: Bytes::from_static(b"a"),
                value: Bytes::from_static(b"v"),
            },
        ];
        let mut out = Vec::new();
        ops.iter().for_each(|op| put_op(&mut out, op));
        assert_eq!(format!("{:?}", read_ops(out.into()).unwrap()), format!("{ops:?}"));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        for written in entries() {
            let record = entry(&written);
            for bit in 0..record.len() * 8 {
                let mut torn = record.clone();
                torn[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(read_entry(torn.into()), Err(CodecError::Checksum));
            }
            for length in 0..record.len() {
                assert!(read_entry(Bytes::copy_from_slice(&record[..length])).is_err());
            }
        }
    }

    /// The bytes of version 1 are a promise to every data directory out there.
    #[test]
    fn version_one_keeps_its_bytes() {
        let record = entry(&entries()[3]);
        let body = "01000000000000000200000000000000070000000000000003\
                    0300000000000000030000000000000009000000036f7073";
        let hex = record[..record.len() - 4]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        assert_eq!(hex, body);
    }
}
