//! What a piece of log changes of a shard's rows, laid over the rows as they were before it, or in its middle.

use std::collections::BTreeMap;
use std::iter::Peekable;

use bytes::Bytes;

use super::codec::{CodecError, Head};
use super::machine::outbox_key;
use super::types::Entry;
use crate::shard::Op;
use crate::store::Row;

/// What is left of several changes of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Late {
    Put(Bytes),
    Delete,
    PutIfAbsent(Bytes),
}

/// The changes of consecutive entries.
#[derive(Debug)]
pub(crate) struct Tail {
    head: Head,
    changes: BTreeMap<Bytes, Late>,
    bytes: usize,
}

impl Tail {
    /// Begins behind a head.
    pub(crate) fn behind(head: Head) -> Self {
        Self {
            head,
            changes: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Adds the next entry.
    pub(crate) fn push(&mut self, entry: Entry) -> Result<(), CodecError> {
        let index = entry.log_id.index;
        let (_, ops) = self.head.advance(entry)?;
        let mut ordinal = 0;
        for op in ops {
            self.bytes += op.size();
            match op {
                Op::Put { key, value } => drop(self.changes.insert(key, Late::Put(value))),
                Op::Delete { key } => drop(self.changes.insert(key, Late::Delete)),
                Op::Send { envelope } => {
                    self.changes.insert(outbox_key(index, ordinal), Late::Put(envelope));
                    ordinal += 1;
                }
                Op::PutIfAbsent { key, value } => match self.changes.get(&key) {
                    Some(Late::Put(_) | Late::PutIfAbsent(_)) => {}
                    Some(Late::Delete) => drop(self.changes.insert(key, Late::Put(value))),
                    None => drop(self.changes.insert(key, Late::PutIfAbsent(value))),
                },
            }
        }
        Ok(())
    }

    /// Where the entries ended.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// About how much memory the changes take, or less.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rows that the entries wrote.
    pub(crate) fn written(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.changes.iter().filter_map(|(key, late)| match late {
            Late::Put(value) | Late::PutIfAbsent(value) => Some((key, value)),
            Late::Delete => None,
        })
    }

    /// Forgets the changes of rows that are not wanted; a removal has no value.
    pub(crate) fn retain(&mut self, mut wanted: impl FnMut(&Bytes, Option<&Bytes>) -> bool) {
        self.changes.retain(|key, late| match late {
            Late::Put(value) | Late::PutIfAbsent(value) => wanted(key, Some(value)),
            Late::Delete => wanted(key, None),
        });
    }

    /// Lays the changes over rows, which must be in key order; the result is too. Rows that already show some of the
    /// changes do no harm.
    pub(crate) fn over<E>(self, rows: impl Iterator<Item = Result<Row, E>>) -> impl Iterator<Item = Result<Row, E>> {
        let mut rows = rows.peekable();
        let mut changes = self.changes.into_iter().peekable();
        std::iter::from_fn(move || {
            loop {
                if first_is_row(&mut rows, &mut changes) {
                    return rows.next();
                }
                let (key, late) = changes.next()?;
                let row = rows.next_if(|row| row.as_ref().is_ok_and(|row| row.0 == key));
                match late {
                    Late::Put(value) => return Some(Ok((key, value))),
                    Late::PutIfAbsent(value) => return Some(row.unwrap_or(Ok((key, value)))),
                    Late::Delete => {}
                }
            }
        })
    }
}

/// Whether the next row comes before the next change; an error does.
fn first_is_row<E>(
    rows: &mut Peekable<impl Iterator<Item = Result<Row, E>>>,
    changes: &mut Peekable<impl Iterator<Item = (Bytes, Late)>>,
) -> bool {
    match (rows.peek(), changes.peek()) {
        (Some(Err(_)), _) | (Some(_), None) => true,
        (Some(Ok((row, _))), Some((change, _))) => row < change,
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use openraft::EntryPayload;

    use super::*;
    use crate::consensus::codec;
    use crate::consensus::types::{Command, LeaderId, LogId};
    use crate::shard::Epoch;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    fn put(key: &str, value: &str) -> Op {
        Op::Put {
            key: bytes(key),
            value: bytes(value),
        }
    }

    fn absent(key: &str, value: &str) -> Op {
        Op::PutIfAbsent {
            key: bytes(key),
            value: bytes(value),
        }
    }

    fn entry(index: u64, command: Command) -> Entry {
        Entry {
            log_id: LogId {
                leader_id: LeaderId { term: 1, node_id: 1 },
                index,
            },
            payload: EntryPayload::Normal(command),
        }
    }

    fn round(index: u64, round: u64, ops: &[Op]) -> Entry {
        let mut out = Vec::new();
        ops.iter().for_each(|op| codec::put_op(&mut out, op));
        let command = Command::Write {
            epoch: Epoch(1),
            round,
            ops: out.into(),
        };
        entry(index, command)
    }

    fn laid(tail: Tail, rows: &[(&str, &str)]) -> Vec<(String, String)> {
        let rows = rows
            .iter()
            .map(|(key, value)| Ok::<_, Infallible>((bytes(key), bytes(value))));
        tail.over(rows)
            .map(|row| {
                let (key, value) = row.unwrap();
                let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
                (text(&key), text(&value))
            })
            .collect()
    }

    fn tail(rounds: &[&[Op]]) -> Tail {
        let mut tail = Tail::behind(Head::default());
        tail.push(entry(1, Command::Own { node: 1 })).unwrap();
        for (number, ops) in (0..).zip(rounds) {
            tail.push(round(2 + number, number, ops)).unwrap();
        }
        tail
    }

    fn pairs(rows: &[(&str, &str)]) -> Vec<(String, String)> {
        rows.iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn changes_replace_add_and_remove_rows_in_key_order() {
        let delete = Op::Delete { key: bytes("c") };
        let rounds: [&[Op]; 2] = [&[put("a", "1"), put("d", "1")], &[delete, put("d", "2")]];
        assert_eq!(
            laid(tail(&rounds), &[("b", "0"), ("c", "0"), ("d", "0"), ("e", "0")]),
            pairs(&[("a", "1"), ("b", "0"), ("d", "2"), ("e", "0")])
        );
    }

    #[test]
    fn a_conditional_write_yields_to_a_row_and_follows_a_removal() {
        let delete = Op::Delete { key: bytes("b") };
        let rounds: [&[Op]; 1] = [&[
            absent("a", "1"),
            delete,
            absent("b", "1"),
            absent("c", "1"),
            absent("c", "2"),
        ]];
        assert_eq!(
            laid(tail(&rounds), &[("a", "0"), ("b", "0")]),
            pairs(&[("a", "0"), ("b", "1"), ("c", "1")])
        );
    }

    #[test]
    fn what_the_state_machine_rejects_changes_nothing() {
        let mut tail = tail(&[&[put("a", "1")]]);
        tail.push(round(3, 5, &[put("a", "2")])).unwrap();
        assert_eq!(tail.head().applied.unwrap().index, 3);
        assert_eq!(laid(tail, &[]), pairs(&[("a", "1")]));
    }
}
