//! The journal of what a process changed.
//!
//! Each change is noted before it is made, so that a process killed between the two leaves a note that can be undone
//! without harm. A record is `[length u32][kind u8][fields]`, integers little-endian; what is cut short at the end was
//! not yet followed by its change.

use std::io;
use std::path::Path;

/// A position in the journal: the byte at which a record begins. Later changes have greater ones.
pub(crate) type Position = u64;

/// What the bytes of a file were before a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing but zeros, or beyond the end.
    Zeros,
    /// Stretches of bytes and their offsets in the file; zeros between.
    Bytes(Vec<(u64, Vec<u8>)>),
}

/// One note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// A file was there when the journal began.
    Known { path: Vec<u8>, inode: u64, size: u64 },
    /// Bytes of a file were written.
    Write {
        inode: u64,
        offset: u64,
        length: u64,
        old_size: u64,
        before: Before,
    },
    /// A file got another size; if a smaller one, `before` is what was cut off.
    Resize {
        inode: u64,
        old_size: u64,
        new_size: u64,
        before: Before,
    },
    /// A file was synced: all of its changes before `upto` are durable.
    Sync { inode: u64, upto: Position },
    /// A sync failed: the changes before `upto` will not become durable by a later one.
    SyncFailed { path: Vec<u8>, inode: u64, upto: Position },
    /// A directory was synced: all changes of its names before `upto` are durable.
    SyncNames { path: Vec<u8>, upto: Position },
    /// The names of a directory changed.
    Name(NameChange),
    /// The change noted at a position was not made.
    Failed { position: Position },
    /// A change was made that cannot be undone.
    Unsupported { what: Vec<u8> },
}

/// A change of a directory. Paths are relative to the watched directory; `stash` numbers what it removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NameChange {
    /// A file, or another name of one, was made.
    Create { path: Vec<u8> },
    /// A directory was made.
    CreateDirectory { path: Vec<u8> },
    /// A file was removed.
    Remove { path: Vec<u8>, stash: u64 },
    /// A directory was removed.
    RemoveDirectory { path: Vec<u8> },
    /// A file was renamed within its directory, perhaps replacing another.
    Rename {
        from: Vec<u8>,
        to: Vec<u8>,
        stash: Option<u64>,
    },
}

impl NameChange {
    /// The path whose directory it changes.
    pub(crate) fn path(&self) -> &[u8] {
        match self {
            Self::Create { path }
            | Self::CreateDirectory { path }
            | Self::Remove { path, .. }
            | Self::RemoveDirectory { path }
            | Self::Rename { to: path, .. } => path,
        }
    }
}

/// The directory of a path, empty for the watched directory itself.
pub(crate) fn parent(path: &[u8]) -> &[u8] {
    path.iter()
        .rposition(|byte| *byte == b'/')
        .map_or(&[], |slash| &path[..slash])
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u64) -> &mut Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn before(&mut self, before: &Before) -> &mut Self {
        match before {
            Before::Zeros => self.number(0),
            Before::Bytes(parts) => {
                self.number(parts.len() as u64);
                for (offset, bytes) in parts {
                    self.number(*offset).bytes(bytes);
                }
                self
            }
        }
    }
}

impl Record {
    /// The record as it is written.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer(vec![0; 5]);
        let kind = match self {
            Self::Known { path, inode, size } => {
                out.bytes(path).number(*inode).number(*size);
                0
            }
            Self::Write {
                inode,
                offset,
                length,
                old_size,
                before,
            } => {
                out.number(*inode)
                    .number(*offset)
                    .number(*length)
                    .number(*old_size)
                    .before(before);
                1
            }
            Self::Resize {
                inode,
                old_size,
                new_size,
                before,
            } => {
                out.number(*inode).number(*old_size).number(*new_size).before(before);
                2
            }
            Self::Sync { inode, upto } => {
                out.number(*inode).number(*upto);
                3
            }
            Self::SyncFailed { path, inode, upto } => {
                out.bytes(path).number(*inode).number(*upto);
                4
            }
            Self::SyncNames { path, upto } => {
                out.bytes(path).number(*upto);
                5
            }
            Self::Name(NameChange::Create { path }) => {
                out.bytes(path);
                6
            }
            Self::Name(NameChange::CreateDirectory { path }) => {
                out.bytes(path);
                7
            }
            Self::Name(NameChange::Remove { path, stash }) => {
                out.bytes(path).number(*stash);
                8
            }
            Self::Name(NameChange::RemoveDirectory { path }) => {
                out.bytes(path);
                9
            }
            Self::Name(NameChange::Rename { from, to, stash }) => {
                out.bytes(from).bytes(to).number(stash.map_or(0, |stash| stash + 1));
                10
            }
            Self::Failed { position } => {
                out.number(*position);
                11
            }
            Self::Unsupported { what } => {
                out.bytes(what);
                12
            }
        };
        let length = u32::try_from(out.0.len() - 4).expect("a record is far below four gigabytes");
        out.0[..4].copy_from_slice(&length.to_le_bytes());
        out.0[4] = kind;
        out.0
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let mut input = Reader(rest);
        let record = match kind {
            0 => Self::Known {
                path: input.bytes()?,
                inode: input.number()?,
                size: input.number()?,
            },
            1 => Self::Write {
                inode: input.number()?,
                offset: input.number()?,
                length: input.number()?,
                old_size: input.number()?,
                before: input.before()?,
            },
            2 => Self::Resize {
                inode: input.number()?,
                old_size: input.number()?,
                new_size: input.number()?,
                before: input.before()?,
            },
            3 => Self::Sync {
                inode: input.number()?,
                upto: input.number()?,
            },
            4 => Self::SyncFailed {
                path: input.bytes()?,
                inode: input.number()?,
                upto: input.number()?,
            },
            5 => Self::SyncNames {
                path: input.bytes()?,
                upto: input.number()?,
            },
            6 => Self::Name(NameChange::Create { path: input.bytes()? }),
            7 => Self::Name(NameChange::CreateDirectory { path: input.bytes()? }),
            8 => Self::Name(NameChange::Remove {
                path: input.bytes()?,
                stash: input.number()?,
            }),
            9 => Self::Name(NameChange::RemoveDirectory { path: input.bytes()? }),
            10 => Self::Name(NameChange::Rename {
                from: input.bytes()?,
                to: input.bytes()?,
                stash: input.number()?.checked_sub(1),
            }),
            11 => Self::Failed {
                position: input.number()?,
            },
            12 => Self::Unsupported { what: input.bytes()? },
            _ => return None,
        };
        input.0.is_empty().then_some(record)
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes.to_vec())
    }

    fn before(&mut self) -> Option<Before> {
        let parts = self.number()?;
        if parts == 0 {
            return Some(Before::Zeros);
        }
        let part = |_| Some((self.number()?, self.bytes()?));
        (0..parts).map(part).collect::<Option<_>>().map(Before::Bytes)
    }
}

/// How long the finished records of a journal are.
pub(crate) fn length(path: &Path) -> io::Result<u64> {
    let bytes = std::fs::read(path)?;
    let mut position = 0;
    while let Some(length) = bytes[position..].first_chunk::<4>() {
        let end = position + 4 + u32::from_le_bytes(*length) as usize;
        if end > bytes.len() {
            break;
        }
        position = end;
    }
    Ok(position as u64)
}

/// Reads a journal; an unfinished record at its end is left out.
pub(crate) fn read(path: &Path) -> io::Result<Vec<(Position, Record)>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let (mut records, mut position) = (Vec::new(), 0);
    while let Some(length) = bytes[position..].first_chunk::<4>() {
        let start = position + 4;
        let Some(record) = bytes.get(start..start + u32::from_le_bytes(*length) as usize) else {
            break;
        };
        let broken = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the record at {position} is broken"),
            )
        };
        records.push((position as u64, Record::decode(record).ok_or_else(broken)?));
        position = start + record.len();
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_were_written_and_a_cut_one_is_left_out() {
        let path = b"a/b".to_vec();
        let before = Before::Bytes(vec![(512, vec![1, 2]), (1024, vec![3])]);
        let records = [
            Record::Known {
                path: path.clone(),
                inode: 1,
                size: 2,
            },
            Record::Write {
                inode: 1,
                offset: 2,
                length: 3,
                old_size: 4,
                before: before.clone(),
            },
            Record::Resize {
                inode: 1,
                old_size: 9,
                new_size: 0,
                before: Before::Zeros,
            },
            Record::Resize {
                inode: 1,
                old_size: 9,
                new_size: 0,
                before,
            },
            Record::Sync { inode: 1, upto: 77 },
            Record::SyncFailed {
                path: path.clone(),
                inode: 1,
                upto: 77,
            },
            Record::SyncNames {
                path: Vec::new(),
                upto: 77,
            },
            Record::Name(NameChange::Create { path: path.clone() }),
            Record::Name(NameChange::CreateDirectory { path: path.clone() }),
            Record::Name(NameChange::Remove {
                path: path.clone(),
                stash: 5,
            }),
            Record::Name(NameChange::RemoveDirectory { path: path.clone() }),
            Record::Name(NameChange::Rename {
                from: path.clone(),
                to: path.clone(),
                stash: None,
            }),
            Record::Name(NameChange::Rename {
                from: path.clone(),
                to: path.clone(),
                stash: Some(0),
            }),
            Record::Failed { position: 3 },
            Record::Unsupported { what: path },
        ];
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut bytes = records.iter().flat_map(Record::encode).collect::<Vec<_>>();
        let whole = bytes.len() as u64;
        bytes.extend(&records[1].encode()[..20]);
        std::fs::write(file.path(), bytes).unwrap();
        let read = read(file.path()).unwrap();
        assert!(read.iter().map(|(_, record)| record).eq(&records));
        assert!(read.is_sorted_by_key(|(position, _)| *position) && read.iter().all(|(position, _)| *position < whole));
    }

    #[test]
    fn the_parent_of_a_path_is_its_directory() {
        assert_eq!(parent(b"a/b/c"), b"a/b");
        assert_eq!(parent(b"a"), b"");
    }
}
