//! What is left after a power loss.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::{ffi::OsStr, io, io::Write};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::journal::{self, Before, NameChange, Position, Record, parent};
use crate::plan::Plan;
use crate::tree;

/// The unit in which a disk writes.
const SECTOR: u64 = 512;

/// What becomes of changes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// They stay for now: the process was killed, the machine went on. A later loss may still take them.
    Nothing,
    /// They are lost, all of them.
    Unsynced,
    /// They stay up to a random one, of which a random part stays, and are lost from there on.
    Torn,
    /// Each sector and each size stays or is lost by chance; of each directory's names a random number of first changes.
    Scattered,
}

/// What was lost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// Changes and syncs in the journal.
    pub changes: usize,
    /// Files and directories whose sync failed.
    pub failed_syncs: Vec<PathBuf>,
    /// Writes that were not synced.
    pub unsynced_writes: usize,
    /// Changes of names that were not synced.
    pub unsynced_names: usize,
    /// Sectors that got back what they held before.
    pub lost_sectors: u64,
    /// Changes of names that were undone.
    pub lost_names: usize,
}

/// Why a directory cannot be settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// A file cannot be read or written.
    #[error("failed to settle {path}: {source}", path = path.display())]
    Io {
        /// The file, or the watched directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory was changed in a way that is not understood.
    #[error("a change cannot be undone: {0}")]
    Unsupported(String),
    /// The directory was changed past the library: what was undone would prove nothing.
    #[error("the directory is not as the journal says: {0}")]
    Missed(String),
}

/// How much of a change that is not durable stays.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Stays,
    Lost,
    /// As many of its first sectors stay.
    Torn(u64),
    /// By chance, sector by sector.
    Chance,
}

/// Makes of the watched directory what `loss` leaves of it, and begins a new journal; without a loss the journal goes on,
/// and what was not synced can still be lost later. After a loss the kernel has booted again. The process must have ended.
///
/// # Errors
/// If the directory is not as the journal says, or cannot be read and written.
pub fn settle(plan: &Plan, loss: Loss, seed: u64) -> Result<Settled, SettleError> {
    let failed = |source| SettleError::Io {
        path: plan.directory.clone(),
        source,
    };
    let records = journal::read(&plan.journal()).map_err(failed)?;
    let history = History::new(records)?;
    let open_end = history.check(plan)?;
    let mut settled = Settled {
        changes: history.records.len(),
        failed_syncs: history.failed_syncs(),
        ..Settled::default()
    };
    let mut random = SmallRng::seed_from_u64(seed);
    let fates = history.fates(loss, &mut random, &mut settled);
    if loss == Loss::Nothing {
        note(plan, &open_end).map_err(failed)?;
        return Ok(settled);
    }
    history.undo_contents(plan, &fates, &mut random, &mut settled)?;
    history.undo_names(plan, &fates, &mut settled)?;
    let begin = || {
        plan.boot_again(seed)?;
        let create = || File::options().create(true).append(true).open(plan.journal());
        // A process that ended early has not even begun one.
        create()?;
        // The old one stays for whoever wants to know what happened.
        fs::rename(plan.journal(), plan.settled_journal())?;
        create()?;
        fs::remove_dir_all(plan.stash())?;
        fs::create_dir(plan.stash())
    };
    begin().map_err(failed)?;
    Ok(settled)
}

/// Adds to the journal how its last change ended.
fn note(plan: &Plan, records: &[Record]) -> io::Result<()> {
    let mut journal = File::options().create(true).append(true).open(plan.journal())?;
    // What was cut off when the process was killed would make what follows unreadable.
    journal.set_len(journal::length(&plan.journal())?)?;
    records
        .iter()
        .try_for_each(|record| journal.write_all(&record.encode()))
}

/// A journal, and which of its changes are durable.
struct History {
    records: Vec<(Position, Record)>,
    durable: Vec<bool>,
    failed: HashSet<Position>,
}

impl History {
    fn new(records: Vec<(Position, Record)>) -> Result<Self, SettleError> {
        let mut failed = HashSet::new();
        let mut changes = HashMap::<u64, Vec<usize>>::new();
        let mut names = HashMap::<&[u8], Vec<usize>>::new();
        let mut durable = vec![false; records.len()];
        for (number, (_, record)) in records.iter().enumerate() {
            match record {
                Record::Write { inode, .. } | Record::Resize { inode, .. } => {
                    changes.entry(*inode).or_default().push(number);
                }
                Record::Name(change) => names.entry(parent(change.path())).or_default().push(number),
                Record::Sync { inode, upto } | Record::SyncFailed { inode, upto, .. } => {
                    let waiting = changes.entry(*inode).or_default();
                    let covered = waiting.partition_point(|change| records[*change].0 < *upto);
                    // After a failed sync they wait no more: a later one does not make them durable.
                    let synced = matches!(record, Record::Sync { .. });
                    waiting.drain(..covered).for_each(|change| durable[change] = synced);
                }
                Record::SyncNames { path, upto } => {
                    let waiting = names.entry(path).or_default();
                    let covered = waiting.partition_point(|change| records[*change].0 < *upto);
                    waiting.drain(..covered).for_each(|change| durable[change] = true);
                }
                Record::Failed { position } => {
                    failed.insert(*position);
                }
                Record::Unsupported { what } => {
                    return Err(SettleError::Unsupported(String::from_utf8_lossy(what).into_owned()));
                }
                Record::Known { .. } => {}
            }
        }
        Ok(Self {
            records,
            durable,
            failed,
        })
    }

    fn failed_syncs(&self) -> Vec<PathBuf> {
        let failed = self.records.iter().filter_map(|(_, record)| match record {
            Record::SyncFailed { path, .. } => Some(PathBuf::from(OsStr::from_bytes(path))),
            _ => None,
        });
        failed.collect()
    }

    /// The changes that were made, with their numbers.
    fn made(&self) -> impl DoubleEndedIterator<Item = (usize, &Record)> {
        let records = self.records.iter().enumerate();
        records
            .filter(|(_, (position, _))| !self.failed.contains(position))
            .map(|(number, (_, record))| (number, record))
    }

    /// Compares the directory with what the journal says of it. The last change may not have been made, or in part:
    /// returns what a journal that goes on must say of that.
    fn check(&self, plan: &Plan) -> Result<Vec<Record>, SettleError> {
        let Some((position, last)) = self.records.last() else {
            // The process ended before it had the disk, so it has changed nothing; what is there is not known.
            return Ok(Vec::new());
        };
        let mut paths = BTreeSet::<&[u8]>::new();
        let mut sizes = HashMap::new();
        let mut doubtful = BTreeSet::<&[u8]>::new();
        let mut doubtful_inode = None;
        for (number, record) in self.made() {
            let is_last = number + 1 == self.records.len();
            match record {
                Record::Known { path, inode, size } => {
                    paths.insert(path);
                    sizes.insert(*inode, *size);
                }
                Record::Write {
                    inode,
                    offset,
                    length,
                    old_size,
                    ..
                } => {
                    sizes.insert(*inode, (*offset + *length).max(*old_size));
                    doubtful_inode = is_last.then_some(*inode);
                }
                Record::Resize { inode, new_size, .. } => {
                    sizes.insert(*inode, *new_size);
                    doubtful_inode = is_last.then_some(*inode);
                }
                Record::Name(change) => {
                    match change {
                        NameChange::Create { path } => {
                            paths.insert(path);
                        }
                        NameChange::Remove { path, .. } => {
                            paths.remove(&path[..]);
                        }
                        NameChange::Rename { from, to, .. } => {
                            paths.remove(&from[..]);
                            paths.insert(to);
                        }
                        NameChange::CreateDirectory { .. } | NameChange::RemoveDirectory { .. } => {}
                    }
                    if is_last {
                        doubtful.insert(change.path());
                        if let NameChange::Rename { from, .. } = change {
                            doubtful.insert(from);
                        }
                    }
                }
                Record::Sync { .. }
                | Record::SyncFailed { .. }
                | Record::SyncNames { .. }
                | Record::Failed { .. }
                | Record::Unsupported { .. } => {}
            }
        }
        let files = tree::files(&plan.directory).map_err(|source| SettleError::Io {
            path: plan.directory.clone(),
            source,
        })?;
        let found = files.iter().map(|file| &file.path[..]).collect::<BTreeSet<_>>();
        let wrong = paths
            .symmetric_difference(&found)
            .find(|path| !doubtful.contains(*path));
        if let Some(path) = wrong {
            let is_there = if found.contains(path) { "is there" } else { "is missing" };
            return Err(SettleError::Missed(format!(
                "{} {is_there}",
                String::from_utf8_lossy(path)
            )));
        }
        let wrong = files.iter().find(|file| {
            let expected = sizes.get(&file.inode).copied().unwrap_or(0);
            expected != file.size && Some(file.inode) != doubtful_inode && !doubtful.contains(&file.path[..])
        });
        if let Some(file) = wrong {
            return Err(SettleError::Missed(format!(
                "{} has {} bytes instead of {:?}",
                String::from_utf8_lossy(&file.path),
                file.size,
                sizes.get(&file.inode)
            )));
        }
        let failed = Record::Failed { position: *position };
        let is_there = |path: &[u8]| plan.directory.join(OsStr::from_bytes(path)).symlink_metadata().is_ok();
        Ok(match last {
            Record::Write { inode, .. } | Record::Resize { inode, .. } => {
                let found = files.iter().find(|file| file.inode == *inode).map(|file| file.size);
                match (found, sizes.get(inode)) {
                    // As if it had been made and then cut off.
                    (Some(found), Some(expected)) if found != *expected => vec![Record::Resize {
                        inode: *inode,
                        old_size: *expected,
                        new_size: found,
                        before: Before::Zeros,
                    }],
                    (Some(_) | None, _) => Vec::new(),
                }
            }
            Record::Name(change) => {
                let was_made = match change {
                    NameChange::Create { path } | NameChange::CreateDirectory { path } => is_there(path),
                    NameChange::Remove { path, .. } | NameChange::RemoveDirectory { path } => !is_there(path),
                    NameChange::Rename { from, .. } => !is_there(from),
                };
                if was_made { Vec::new() } else { vec![failed] }
            }
            Record::Known { .. }
            | Record::Sync { .. }
            | Record::SyncFailed { .. }
            | Record::SyncNames { .. }
            | Record::Failed { .. }
            | Record::Unsupported { .. } => Vec::new(),
        })
    }

    /// Decides what becomes of each change.
    fn fates(&self, loss: Loss, random: &mut SmallRng, settled: &mut Settled) -> Vec<Fate> {
        let is_write = |record: &Record| matches!(record, Record::Write { .. } | Record::Resize { .. });
        let open = self
            .made()
            .filter(|(number, record)| {
                !self.durable[*number] && (is_write(record) || matches!(record, Record::Name(_)))
            })
            .collect::<Vec<_>>();
        settled.unsynced_writes = open.iter().filter(|(_, record)| is_write(record)).count();
        settled.unsynced_names = open.len() - settled.unsynced_writes;
        let mut fates = vec![Fate::Stays; self.records.len()];
        match loss {
            Loss::Nothing => {}
            Loss::Unsynced => open.iter().for_each(|(number, _)| fates[*number] = Fate::Lost),
            Loss::Torn => {
                // The last write is the one that a power loss interrupts most often.
                let last = open
                    .iter()
                    .rposition(|(_, record)| matches!(record, Record::Write { .. }));
                let cut = match last {
                    Some(last) if random.random_bool(0.5) => last,
                    Some(_) | None => random.random_range(0..=open.len()),
                };
                for (place, (number, record)) in open.iter().enumerate().skip(cut) {
                    fates[*number] = match record {
                        Record::Write { length, .. } if place == cut => {
                            Fate::Torn(random.random_range(0..=length.div_ceil(SECTOR)))
                        }
                        _ => Fate::Lost,
                    };
                }
            }
            Loss::Scattered => {
                let mut names = BTreeMap::<&[u8], Vec<usize>>::new();
                for (number, record) in open {
                    if let Record::Name(change) = record {
                        names.entry(parent(change.path())).or_default().push(number);
                    } else {
                        fates[number] = Fate::Chance;
                    }
                }
                for changes in names.values() {
                    let kept = random.random_range(0..=changes.len());
                    changes[kept..].iter().for_each(|number| fates[*number] = Fate::Lost);
                }
            }
        }
        fates
    }

    fn undo_contents(
        &self,
        plan: &Plan,
        fates: &[Fate],
        random: &mut SmallRng,
        settled: &mut Settled,
    ) -> Result<(), SettleError> {
        let mut changes = BTreeMap::<u64, Vec<usize>>::new();
        for (number, record) in self.made() {
            if let Record::Write { inode, .. } | Record::Resize { inode, .. } = record {
                changes.entry(*inode).or_default().push(number);
            }
        }
        changes.retain(|_, numbers| numbers.iter().any(|number| !matches!(fates[*number], Fate::Stays)));
        if changes.is_empty() {
            return Ok(());
        }
        let mut paths = HashMap::new();
        for directory in [&plan.directory, &plan.stash()] {
            let files = tree::files(directory).map_err(|source| SettleError::Io {
                path: directory.clone(),
                source,
            })?;
            for file in files {
                paths.insert(file.inode, directory.join(OsStr::from_bytes(&file.path)));
            }
        }
        for (inode, numbers) in changes {
            let Some(path) = paths.get(&inode) else {
                return Err(SettleError::Missed(format!("the file with inode {inode} is gone")));
            };
            let undone = self.undo_file(path, &numbers, fates, random, settled);
            undone.map_err(|source| SettleError::Io {
                path: path.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// Undoes the changes of one file, the newest first. What a later change left durable, or kept, stays.
    fn undo_file(
        &self,
        path: &std::path::Path,
        numbers: &[usize],
        fates: &[Fate],
        random: &mut SmallRng,
        settled: &mut Settled,
    ) -> io::Result<()> {
        let file = File::options().read(true).write(true).open(path)?;
        let mut size = file.metadata()?.len();
        let mut size_stays = false;
        let mut staying = HashSet::new();
        for number in numbers.iter().rev() {
            let fate = fates[*number];
            let (from, to, old_size, new_size, before) = match &self.records[*number].1 {
                Record::Write {
                    offset,
                    length,
                    old_size,
                    before,
                    ..
                } => (
                    *offset,
                    offset + length,
                    *old_size,
                    (*offset + *length).max(*old_size),
                    before,
                ),
                Record::Resize {
                    old_size,
                    new_size,
                    before,
                    ..
                } => (*new_size, (*old_size).max(*new_size), *old_size, *new_size, before),
                _ => continue,
            };
            let first = from / SECTOR;
            for sector in first..to.div_ceil(SECTOR) {
                let stays = match fate {
                    Fate::Stays => true,
                    Fate::Lost => false,
                    Fate::Torn(kept) => sector - first < kept,
                    Fate::Chance => random.random_bool(0.5),
                };
                if stays {
                    staying.insert(sector);
                } else if !staying.contains(&sector) {
                    let (start, end) = ((sector * SECTOR).max(from), ((sector + 1) * SECTOR).min(to));
                    file.write_all_at(&bytes_of(before, start, end), start)?;
                    settled.lost_sectors += 1;
                }
            }
            if !size_stays {
                match fate {
                    Fate::Stays => size_stays = true,
                    Fate::Lost => size = old_size,
                    Fate::Torn(kept) => {
                        size = old_size.max(new_size.min((first + kept) * SECTOR));
                        size_stays = true;
                    }
                    Fate::Chance if random.random_bool(0.5) => size_stays = true,
                    Fate::Chance => size = old_size,
                }
            }
        }
        file.set_len(size)
    }

    fn undo_names(&self, plan: &Plan, fates: &[Fate], settled: &mut Settled) -> Result<(), SettleError> {
        // Directories that are removed for good at this point of the history: what was in them is gone with them.
        let mut gone = HashSet::new();
        for (number, record) in self.made().rev() {
            let Record::Name(change) = record else { continue };
            let mut above = std::iter::successors(Some(parent(change.path())), |path| {
                (!path.is_empty()).then(|| parent(path))
            });
            if above.any(|path| gone.contains(path)) {
                continue;
            }
            match (change, fates[number]) {
                (_, Fate::Lost) => {}
                (NameChange::RemoveDirectory { path }, _) => {
                    gone.insert(&path[..]);
                    continue;
                }
                (NameChange::CreateDirectory { path }, _) => {
                    gone.remove(&path[..]);
                    continue;
                }
                (NameChange::Create { .. } | NameChange::Remove { .. } | NameChange::Rename { .. }, _) => continue,
            }
            let whole = |path: &[u8]| plan.directory.join(OsStr::from_bytes(path));
            let kept = |stash: u64| plan.stash().join(stash.to_string());
            let undone = match change {
                NameChange::Create { path } => fs::remove_file(whole(path)),
                NameChange::CreateDirectory { path } => fs::remove_dir_all(whole(path)),
                NameChange::Remove { path, stash } => fs::hard_link(kept(*stash), whole(path)),
                NameChange::RemoveDirectory { path } => fs::create_dir(whole(path)),
                NameChange::Rename { from, to, stash } => match fs::rename(whole(to), whole(from)) {
                    Ok(()) => stash.map_or(Ok(()), |stash| fs::hard_link(kept(stash), whole(to))),
                    error => error,
                },
            };
            // The last change may have been noted and not made.
            let is_last = number + 1 == self.records.len();
            match undone {
                Ok(()) => settled.lost_names += 1,
                Err(_) if is_last => {}
                Err(source) => {
                    return Err(SettleError::Io {
                        path: whole(change.path()),
                        source,
                    });
                }
            }
        }
        Ok(())
    }
}

/// What a change replaced in a range.
fn bytes_of(before: &Before, start: u64, end: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(0)];
    if let Before::Bytes(parts) = before {
        for (offset, part) in parts {
            let (from, to) = (start.max(*offset), end.min(offset + part.len() as u64));
            if from < to {
                bytes[(from - start) as usize..(to - start) as usize]
                    .copy_from_slice(&part[(from - offset) as usize..(to - offset) as usize]);
            }
        }
    }
    bytes
}
