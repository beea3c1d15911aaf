//! The classes there are, as a function of the migrations that were applied.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fate, Migration, MigrationError, Renamed, Transferred};
use crate::id::ClassUid;

/// Longest name of a class, in bytes.
const NAME_LIMIT: usize = 64;

/// The classes there are, and were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Registry {
    live: BTreeMap<String, Entry>,
    /// In the order in which they were deleted.
    deleted: Vec<(String, Entry)>,
    /// What became of the class that had a name last.
    fates: BTreeMap<String, Fate>,
}

/// A class by its lasting identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) uid: ClassUid,
    pub(crate) application: String,
    /// The migration that made, named or deleted it.
    pub(crate) since: String,
}

impl Registry {
    /// Classes that have actors, by name.
    pub(crate) fn live(&self) -> &BTreeMap<String, Entry> {
        &self.live
    }

    /// Classes that were deleted, by the names they had.
    pub(crate) fn deleted(&self) -> &[(String, Entry)] {
        &self.deleted
    }

    pub(super) fn fate(&self, class: &str) -> Option<&Fate> {
        self.fates.get(class)
    }

    /// The classes after one more migration.
    pub(super) fn after(&self, application: &str, migration: &Migration) -> Result<Self, MigrationError> {
        check(migration)?;
        let mut next = self.clone();
        let tag = &migration.tag;
        for class in &migration.deleted_classes {
            let mut entry = next.take(tag, application, class)?;
            entry.since.clone_from(tag);
            next.deleted.push((class.clone(), entry));
            next.fates.insert(class.clone(), Fate::Deleted { tag: tag.clone() });
        }

        // All leave their names before any takes a new one, so that names can be swapped.
        let mut moving = Vec::new();
        for Renamed { from, to } in &migration.renamed_classes {
            moving.push((next.take(tag, application, from)?, to));
            let (tag, to) = (tag.clone(), to.clone());
            next.fates.insert(from.clone(), Fate::Renamed { tag, to });
        }
        for Transferred {
            from_application,
            from,
            to,
        } in &migration.transferred_classes
        {
            moving.push((next.take(tag, from_application, from)?, to));
            let fate = Fate::Transferred {
                tag: tag.clone(),
                application: application.to_owned(),
                to: to.clone(),
            };
            next.fates.insert(from.clone(), fate);
        }
        for (entry, to) in moving {
            next.give(tag, application, to, entry.uid)?;
        }

        for class in &migration.new_classes {
            let uid = next.fresh_uid(class);
            next.give(tag, application, class, uid)?;
        }
        Ok(next)
    }

    fn take(&mut self, tag: &str, application: &str, class: &str) -> Result<Entry, MigrationError> {
        match self.live.remove(class) {
            Some(entry) if entry.application == application => Ok(entry),
            Some(_) | None => Err(MigrationError::NoClass {
                tag: tag.to_owned(),
                application: application.to_owned(),
                class: class.to_owned(),
                fate: self.fates.get(class).cloned().map(Box::new),
            }),
        }
    }

    fn give(&mut self, tag: &str, application: &str, class: &str, uid: ClassUid) -> Result<(), MigrationError> {
        if let Some(owner) = self.live.get(class) {
            return Err(MigrationError::Taken {
                tag: tag.to_owned(),
                class: class.to_owned(),
                since: owner.since.clone(),
            });
        }
        let entry = Entry {
            uid,
            application: application.to_owned(),
            since: tag.to_owned(),
        };
        self.live.insert(class.to_owned(), entry);
        self.fates.remove(class);
        Ok(())
    }

    /// An identity that no class has or had, so that a name that is used again never finds old rows.
    fn fresh_uid(&self, class: &str) -> ClassUid {
        let deleted = self.deleted.iter().map(|(_, entry)| entry.uid);
        let used: BTreeSet<_> = self.live.values().map(|entry| entry.uid).chain(deleted).collect();
        (0..)
            .map(|use_before| ClassUid::of_name(class, use_before))
            .find(|uid| !used.contains(uid))
            .expect("there are more numbers than classes")
    }
}

/// Checks what a migration says by itself.
fn check(migration: &Migration) -> Result<(), MigrationError> {
    let tag = || migration.tag.clone();
    if migration.is_empty() {
        return Err(MigrationError::Empty(tag()));
    }
    let renamed = &migration.renamed_classes;
    let transferred = &migration.transferred_classes;
    let given_up = migration.deleted_classes.iter();
    let given_up = given_up.chain(renamed.iter().map(|Renamed { from, .. }| from));
    let given_up = given_up.chain(transferred.iter().map(|Transferred { from, .. }| from));
    let taken = migration.new_classes.iter();
    let taken = taken.chain(renamed.iter().map(|Renamed { to, .. }| to));
    let taken = taken.chain(transferred.iter().map(|Transferred { to, .. }| to));
    let sides: [Vec<&String>; 2] = [given_up.collect(), taken.collect()];
    for side in &sides {
        let mut seen = BTreeSet::new();
        for class in side {
            let lawful = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            if class.is_empty() || class.len() > NAME_LIMIT || !class.bytes().all(lawful) {
                return Err(MigrationError::ClassName {
                    tag: tag(),
                    class: (*class).clone(),
                });
            }
            if !seen.insert(*class) {
                return Err(MigrationError::Contradiction {
                    tag: tag(),
                    class: (*class).clone(),
                });
            }
        }
    }
    match renamed.iter().find(|Renamed { from, to }| from == to) {
        Some(Renamed { from, .. }) => Err(MigrationError::Contradiction {
            tag: tag(),
            class: from.clone(),
        }),
        None => Ok(()),
    }
}
