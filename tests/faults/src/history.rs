//! What a process did to its files, for people.

use std::collections::HashMap;
use std::io;

use crate::Plan;
use crate::journal::{self, NameChange, Record};

/// The changes and syncs in the journal that was settled last, a line each.
///
/// # Errors
/// If there is no such journal, or it cannot be read.
pub fn history(plan: &Plan) -> io::Result<Vec<String>> {
    let records = journal::read(&plan.settled_journal())?;
    let mut names = HashMap::new();
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let mut created = None;
    let mut lines = Vec::new();
    for (position, record) in records {
        if let Record::Write { inode, .. } | Record::Resize { inode, .. } | Record::Sync { inode, .. } = &record
            && let Some(path) = created.take()
        {
            // The journal knows a new file by its name and then by its inode; most are written at once.
            names.entry(*inode).or_insert(path);
        }
        let name = |inode: &u64| names.get(inode).cloned().unwrap_or_else(|| format!("inode {inode}"));
        let line = match &record {
            Record::Known { path, inode, size } => {
                names.insert(*inode, text(path));
                format!("known {} of {size} bytes", text(path))
            }
            Record::Write {
                inode, offset, length, ..
            } => format!("write {} {offset}+{length}", name(inode)),
            Record::Resize {
                inode,
                old_size,
                new_size,
                ..
            } => format!("resize {} {old_size} to {new_size}", name(inode)),
            Record::Sync { inode, upto } => format!("sync {} upto {upto}", name(inode)),
            Record::SyncFailed { path, upto, .. } => format!("sync failed {} upto {upto}", text(path)),
            Record::SyncNames { path, upto } => format!("sync directory {:?} upto {upto}", text(path)),
            Record::Name(change) => {
                if let NameChange::Create { path } = change {
                    created = Some(text(path));
                }
                match change {
                    NameChange::Create { path } => format!("create {}", text(path)),
                    NameChange::CreateDirectory { path } => format!("create directory {}", text(path)),
                    NameChange::Remove { path, .. } => format!("remove {}", text(path)),
                    NameChange::RemoveDirectory { path } => format!("remove directory {}", text(path)),
                    NameChange::Rename { from, to, .. } => format!("rename {} to {}", text(from), text(to)),
                }
            }
            Record::Failed { position } => format!("what was noted at {position} failed"),
            Record::Unsupported { what } => format!("unsupported: {}", text(what)),
        };
        lines.push(format!("{position} {line}"));
    }
    Ok(lines)
}
