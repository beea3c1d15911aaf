//! The end of fjall's journal after a power loss.
//!
//! The committer has one batch on its way at a time. So what is not durable is the last batch at most, nobody was told
//! of it, and any part of it may be missing. fjall drops a last batch whose entries cannot be decoded, but does not open
//! behind one whose checksum is wrong; and behind an entry that it cannot decode it drops everything without a word, even
//! if whole batches follow. Therefore the journals are looked through before fjall sees them: a broken batch at the end
//! is cut off, and a broken batch before a whole one means that acknowledged entries are damaged.
//!
//! A batch is `1 | items u32 | number u64`, its items, `3 | xxh3 of the items u64 | FJL` and the format's version, all
//! integers little-endian. An item is `2 | kind | compression | keyspace u64 | length of key u16 | of value u32 | as
//! stored u32 | key | value`, or `4 | keyspace u64`.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::broken;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const TRAILER: [u8; 4] = [b'F', b'J', b'L', 3];
/// What of an item stands before its key.
const ITEM_HEAD: usize = 20;
const BUFFER: usize = 64 << 10;
static ZEROS: [u8; BUFFER] = [0; BUFFER];

/// Looks through all journals of a log, cuts off what a power loss left of a last batch, and writes the last whole one
/// again.
///
/// The sync of that one may have failed in the last life of the process. It can be read all the same, from the memory of
/// the kernel, which takes it for written and would not write it with the next sync: a later power loss would leave a
/// hole before acknowledged batches.
pub(super) fn repair(log: &Path) -> io::Result<()> {
    let journals = journals(log)?;
    let Some((last, sealed)) = journals.split_last() else {
        return Ok(());
    };
    for journal in sealed {
        // It was synced before the next one was begun.
        let Seen { end, is_torn, .. } = look(journal)?;
        if is_torn {
            return Err(broken(format!("{} is damaged at byte {end}", journal.display())));
        }
    }
    let Seen {
        last_start,
        end,
        is_torn,
    } = look(last)?;
    let mut file = File::options().read(true).write(true).open(last)?;
    if is_torn {
        tracing::warn!(journal = %last.display(), end, "the last batch of the log was torn and is dropped; nobody was told of it");
        file.set_len(end)?;
    }
    if last_start < end {
        let mut batch = Vec::new();
        file.seek(SeekFrom::Start(last_start))?;
        (&file).take(end - last_start).read_to_end(&mut batch)?;
        file.seek(SeekFrom::Start(last_start))?;
        file.write_all(&batch)?;
    }
    file.sync_all()
}

/// The journals by their numbers.
fn journals(log: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(log) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut numbered = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        numbered.extend(number.map(|number| (number, path)));
    }
    numbered.sort_unstable();
    Ok(numbered.into_iter().map(|(_, path)| path).collect())
}

/// What there is in a journal.
struct Seen {
    /// Where the last whole batch begins.
    last_start: u64,
    /// Where it ends.
    end: u64,
    /// Whether a part of another one follows.
    is_torn: bool,
}

fn look(journal: &Path) -> io::Result<Seen> {
    let file = File::open(journal)?;
    let length = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(BUFFER, file);
    let (mut last_start, mut end) = (0, 0);
    while let Some(bytes) = batch(&mut reader, length - end)? {
        last_start = end;
        end += bytes;
    }
    reader.seek(SeekFrom::Start(end))?;
    let rest = written(&mut reader)?;
    for start in (1..rest.len()).filter(|start| rest[*start] == START) {
        let after = &rest[start..];
        if batch(&mut &after[..], after.len() as u64)?.is_some() {
            let whole = end + start as u64;
            let path = journal.display();
            return Err(broken(format!(
                "{path} is damaged at byte {end}, before a whole batch at {whole}"
            )));
        }
    }
    Ok(Seen {
        last_start,
        end,
        is_torn: !rest.is_empty(),
    })
}

/// The rest of a journal up to the last byte that is not zero: it is made of a fixed size, so zeros follow.
fn written(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let (mut found, mut zeros) = (Vec::new(), 0);
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(found);
        }
        let length = chunk.len();
        // Compared as a whole first: most of a new journal is nothing else.
        if *chunk == ZEROS[..length] {
            zeros += length;
        } else if let Some(last) = chunk.iter().rposition(|byte| *byte != 0) {
            found.resize(found.len() + zeros, 0);
            found.extend_from_slice(&chunk[..=last]);
            zeros = length - last - 1;
        }
        reader.consume(length);
    }
}

/// Reads a batch that is whole and returns how many bytes it takes, of `left` that are there.
fn batch(reader: &mut impl Read, left: u64) -> io::Result<Option<u64>> {
    let mut source = Source { reader, left, taken: 0 };
    match source.batch() {
        Ok(whole) => Ok(whole.then_some(source.taken)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

struct Source<'a, R> {
    reader: &'a mut R,
    left: u64,
    taken: u64,
}

impl<R: Read> Source<'_, R> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.count(N as u64)?;
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Takes bytes that only matter for the checksum.
    fn hash(&mut self, length: u64, sum: &mut Xxh3) -> io::Result<()> {
        self.count(length)?;
        let mut part = [0; 4096];
        let mut rest = length;
        while rest > 0 {
            let size = part.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
            self.reader.read_exact(&mut part[..size])?;
            sum.update(&part[..size]);
            rest -= size as u64;
        }
        Ok(())
    }

    fn count(&mut self, bytes: u64) -> io::Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.taken += bytes;
        Ok(())
    }

    fn batch(&mut self) -> io::Result<bool> {
        let [tag] = self.take()?;
        if tag != START {
            return Ok(false);
        }
        let items = u32::from_le_bytes(self.take()?);
        self.take::<8>()?;
        let mut sum = Xxh3::new();
        for _ in 0..items {
            let [tag] = self.take()?;
            sum.update(&[tag]);
            match tag {
                ITEM => {
                    let head = self.take::<ITEM_HEAD>()?;
                    sum.update(&head);
                    let key = u16::from_le_bytes([head[10], head[11]]);
                    let value = u32::from_le_bytes([head[16], head[17], head[18], head[19]]);
                    self.hash(u64::from(key) + u64::from(value), &mut sum)?;
                }
                CLEAR => sum.update(&self.take::<8>()?),
                _ => return Ok(false),
            }
        }
        let [tag] = self.take()?;
        let expected = u64::from_le_bytes(self.take()?);
        let trailer = self.take()?;
        Ok(tag == END && trailer == TRAILER && expected == sum.digest())
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// Lets fjall write three batches, and returns the journal's path and where each batch ends.
    fn journal(directory: &TempDir) -> (PathBuf, Vec<u8>, Vec<usize>) {
        let log = directory.path().join("log");
        let db = fjall::Database::builder(&log).worker_threads(1).open().unwrap();
        let keyspace = db.keyspace("entries", fjall::KeyspaceCreateOptions::default).unwrap();
        let mut ends = Vec::new();
        for number in 0..3_u8 {
            let mut batch = db.batch().durability(Some(fjall::PersistMode::SyncData));
            for key in 0..20_u8 {
                // Long values are compressed, and equal ones well.
                let length = if key.is_multiple_of(7) { 9000 } else { 30 };
                batch.insert(&keyspace, [number, key], vec![key; length]);
            }
            batch.remove(&keyspace, [number, 0]);
            batch.commit().unwrap();
            let path = journals(&log).unwrap().pop().unwrap();
            let mut reader = BufReader::with_capacity(BUFFER, File::open(&path).unwrap());
            ends.push(written(&mut reader).unwrap().len());
        }
        drop((keyspace, db));
        let path = journals(&log).unwrap().pop().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(ends[2] + 5000);
        (path, bytes, ends)
    }

    fn rows(log: &Path) -> usize {
        let db = fjall::Database::builder(log).worker_threads(1).open().unwrap();
        let keyspace = db.keyspace("entries", fjall::KeyspaceCreateOptions::default).unwrap();
        keyspace.iter().count()
    }

    #[test]
    fn a_whole_journal_is_left_as_it_is() {
        let directory = TempDir::new().unwrap();
        let (path, bytes, _) = journal(&directory);
        repair(path.parent().unwrap()).unwrap();
        assert!(fs::read(&path).unwrap().starts_with(&bytes));
        assert_eq!(rows(path.parent().unwrap()), 57);
    }

    /// Behind some of these fjall alone would not open, and some of them it would not survive.
    #[test]
    fn a_last_batch_with_a_missing_sector_is_cut_off() {
        let directory = TempDir::new().unwrap();
        let (path, bytes, ends) = journal(&directory);
        let log = path.parent().unwrap();
        for start in (ends[1]..ends[2]).step_by(64) {
            let mut torn = bytes.clone();
            torn.truncate(ends[2]);
            torn[start..(start + 512).min(ends[2])].fill(0);
            // A missing sector that held nothing but zeros is no loss.
            let end = if torn == bytes[..ends[2]] { ends[2] } else { ends[1] };
            fs::write(&path, &torn).unwrap();
            repair(log).unwrap();
            assert!(fs::read(&path).unwrap() == bytes[..end], "from {start}");
        }
        assert_eq!(rows(log), 38);
    }

    #[test]
    fn a_wrong_checksum_at_the_end_would_keep_fjall_from_opening() {
        let directory = TempDir::new().unwrap();
        let (path, mut bytes, ends) = journal(&directory);
        let log = path.parent().unwrap();
        bytes[ends[2] - TRAILER.len() - 1] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(fjall::Database::builder(log).worker_threads(1).open().is_err());
        repair(log).unwrap();
        assert_eq!(rows(log), 38);
    }

    #[test]
    fn a_batch_that_is_cut_short_is_cut_off() {
        let directory = TempDir::new().unwrap();
        let (path, bytes, ends) = journal(&directory);
        for end in (ends[1] + 1..ends[2]).step_by(37) {
            fs::write(&path, &bytes[..end]).unwrap();
            repair(path.parent().unwrap()).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), ends[1] as u64, "cut at {end}");
        }
    }

    #[test]
    fn damage_before_a_whole_batch_is_refused() {
        let directory = TempDir::new().unwrap();
        let (path, mut bytes, ends) = journal(&directory);
        for place in [0, 1, 20, ends[0] - 1, ends[0] + 40] {
            bytes[place] ^= 4;
            fs::write(&path, &bytes).unwrap();
            let error = repair(path.parent().unwrap()).unwrap_err();
            assert!(error.to_string().contains("is damaged at byte"), "{error}");
            bytes[place] ^= 4;
        }
    }

    #[test]
    fn a_journal_that_is_followed_by_another_must_be_whole() {
        let directory = TempDir::new().unwrap();
        let (path, bytes, ends) = journal(&directory);
        fs::write(&path, &bytes[..ends[2] - 1]).unwrap();
        let log = path.parent().unwrap();
        File::create(log.join("1000.jnl")).unwrap();
        let error = repair(log).unwrap_err();
        assert!(error.to_string().contains("is damaged at byte"), "{error}");
    }

    #[test]
    fn a_new_log_needs_no_repair() {
        let directory = TempDir::new().unwrap();
        repair(&directory.path().join("none")).unwrap();
        fs::write(directory.path().join("0.jnl"), [0; 100_000]).unwrap();
        repair(directory.path()).unwrap();
    }
}
