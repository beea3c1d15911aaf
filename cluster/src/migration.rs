//! Class migrations: how the set of classes changes over time.
//!
//! The stored actors of a class belong to its lasting identity, not to its name. What names there are, and which
//! identity each has, follows from the migrations that were applied: they are entries of the meta group, in one order
//! for the whole cluster. Everything here but the list itself is a function of values; [`plan()`](plan::plan) decides,
//! the node applies.

mod error;
mod plan;
mod registry;
mod tag;

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::error::{Fate, MigrationError};
pub(crate) use self::{
    plan::{Plan, plan},
    registry::{Entry, Registry},
};
use crate::Timestamp;

/// Application of a program that has only one.
pub const MAIN: &str = "main";

/// The migrations of one application: a set of classes whose names change together, under one numbering.
///
/// A program has one application unless it puts several together, for instance its own actors and those of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrations {
    application: String,
    list: Vec<Migration>,
}

impl Migrations {
    /// The migrations of an application, in any order; they are sorted by their numbers.
    pub fn new(application: impl Into<String>, list: impl IntoIterator<Item = Migration>) -> Self {
        Self {
            application: application.into(),
            list: list.into_iter().collect(),
        }
    }

    /// What a program means that registers classes and lists no migrations: one that makes exactly these.
    pub(crate) fn implied(classes: impl IntoIterator<Item = &'static str>) -> Self {
        let new = Migration {
            tag: "0001_classes".to_owned(),
            new_classes: classes.into_iter().map(str::to_owned).collect(),
            ..Migration::default()
        };
        Self::new(MAIN, (!new.is_empty()).then_some(new))
    }

    /// Name of the application.
    pub fn application(&self) -> &str {
        &self.application
    }

    /// The migrations.
    pub fn list(&self) -> &[Migration] {
        &self.list
    }
}

/// One change of the set of classes. Once applied it is never edited.
///
/// Deletions come first, then renames and transfers, all at once, so that two classes may swap names, then new classes:
/// a name that is given up may be taken again by another class within one migration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Migration {
    /// Four digits, counted from 0001 without gaps, `_`, and a word: `0002_drafts`.
    pub tag: String,
    /// Classes that begin, with no actors.
    pub new_classes: Vec<String>,
    /// Classes that go on under another name, with all their actors.
    pub renamed_classes: Vec<Renamed>,
    /// Classes that end; everything their actors stored is removed.
    pub deleted_classes: Vec<String>,
    /// Classes of another application of this cluster that go on in this one, with all their actors.
    pub transferred_classes: Vec<Transferred>,
}

/// A class that goes on under another name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Renamed {
    /// Its name so far.
    pub from: String,
    /// Its name from here on.
    pub to: String,
}

/// A class of another application that goes on in this one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Transferred {
    /// The application that has it so far.
    pub from_application: String,
    /// Its name there.
    pub from: String,
    /// Its name from here on; it may be the same.
    pub to: String,
}

impl Migration {
    fn is_empty(&self) -> bool {
        self.new_classes.is_empty()
            && self.renamed_classes.is_empty()
            && self.deleted_classes.is_empty()
            && self.transferred_classes.is_empty()
    }

    /// SHA-256 of what it says. Order, spaces and comments of its file do not count.
    pub fn checksum(&self) -> Checksum {
        let text = format!("{}\n{}", self.tag, self.lines().join("\n"));
        Checksum(Sha256::digest(text.as_bytes()).into())
    }

    /// What it says, one sorted line for each class.
    fn lines(&self) -> Vec<String> {
        let deleted = self.deleted_classes.iter().map(|class| format!("deleted {class}"));
        let renamed = self.renamed_classes.iter();
        let renamed = renamed.map(|Renamed { from, to }| format!("renamed {from} to {to}"));
        let transferred = self.transferred_classes.iter();
        let transferred = transferred.map(|moved| {
            let Transferred {
                from_application,
                from,
                to,
            } = moved;
            format!("transferred {from} of {from_application} to {to}")
        });
        let new = self.new_classes.iter().map(|class| format!("new {class}"));
        let mut lines: Vec<_> = deleted.chain(renamed).chain(transferred).chain(new).collect();
        lines.sort_unstable();
        lines
    }
}

impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join(", "))
    }
}

/// What a migration says, as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum([u8; 32]);

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A migration that was applied, as the meta group keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedMigration {
    /// Application whose classes it changed.
    pub application: String,
    /// When it was applied.
    pub at: Timestamp,
    /// What it said then.
    pub checksum: Checksum,
    /// The migration.
    pub migration: Migration,
}

/// A class, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassStatus {
    /// Its name; that of a deleted class may belong to another one by now.
    pub name: String,
    /// Its application.
    pub application: String,
    /// Its lasting identity, as hexadecimal digits.
    pub uid: String,
    /// Tag of the migration that made, named or deleted it.
    pub migration: String,
    /// What it is.
    pub state: ClassState,
}

/// What a class is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassState {
    /// It has actors.
    Live,
    /// It was deleted, and its rows are being removed.
    Deleting {
        /// Shards that still have some.
        shards_left: usize,
    },
    /// It was deleted, and nothing of it is left.
    Deleted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_of_what_a_migration_says() {
        let one = Migration {
            tag: "0001_first".into(),
            new_classes: vec!["a".into(), "b".into()],
            ..Migration::default()
        };
        let mut other = one.clone();
        other.new_classes.reverse();
        assert_eq!(one.checksum(), other.checksum());
        other.new_classes.push("c".into());
        assert_ne!(one.checksum(), other.checksum());
        assert_eq!(
            one.checksum().to_string(),
            "6494d9883191d6778bf61988529a6d40dc52a80c1cabe160013fefab8a988d26"
        );
    }
}
