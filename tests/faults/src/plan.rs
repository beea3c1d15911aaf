//! What is to go wrong.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

const DIRECTORY: &str = "FAULTS_DIRECTORY";
const RECORDS: &str = "FAULTS_RECORDS";
const SEED: &str = "FAULTS_SEED";
const KILL_AT: &str = "FAULTS_KILL_AT";
const SYNC_ERROR_AT: &str = "FAULTS_SYNC_ERROR_AT";
const SYNC_DELAY_MICROS: &str = "FAULTS_SYNC_DELAY_MICROS";
const SPACE_BYTES: &str = "FAULTS_SPACE_BYTES";
const SYNC: &str = "FAULTS_SYNC";

/// What is to go wrong in one process, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Directory whose files are watched.
    pub directory: PathBuf,
    /// Directory for the journal of changes; on the same file system, but not below `directory`.
    pub records: PathBuf,
    /// Seed of what is drawn while the process runs.
    pub seed: u64,
    /// Kills the process before its n-th change or sync, counted from 1.
    pub kill_at: Option<u64>,
    /// Fails the n-th sync, counted from 1; what it should have made durable stays lost, as it does on Linux.
    pub sync_error_at: Option<u64>,
    /// Longest extra time of a sync.
    pub sync_delay: Duration,
    /// Bytes that may be written before the disk is full.
    pub space_bytes: Option<u64>,
    /// What a sync does.
    pub sync: SyncMode,
}

/// What a sync does, unless it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncMode {
    /// It is noted; the real disk is not troubled.
    #[default]
    Noted,
    /// It is noted, and done as well.
    Done,
    /// It is reported as done, but nothing becomes durable.
    Ignored,
}

/// Why a plan in the environment cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// One setting is there, the other is not.
    #[error("{DIRECTORY} needs {RECORDS}")]
    NoRecords,
    /// A setting cannot be read.
    #[error("{name} is {value:?}, which is not one of its values")]
    Value {
        /// The setting.
        name: &'static str,
        /// What it is.
        value: OsString,
    },
}

impl Plan {
    /// Nothing goes wrong; what is lost is decided when it settles.
    pub fn new(directory: impl Into<PathBuf>, records: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            records: records.into(),
            seed: 0,
            kill_at: None,
            sync_error_at: None,
            sync_delay: Duration::ZERO,
            space_bytes: None,
            sync: SyncMode::default(),
        }
    }

    /// Creates both directories, and a boot of the kernel for the process to see.
    ///
    /// # Errors
    /// If they cannot be created.
    pub fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        fs::create_dir_all(self.stash())?;
        if !self.boot().exists() {
            self.boot_again(0)?;
        }
        Ok(())
    }

    /// The plan as environment variables of the process that follows it.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let number = |value: u64| OsString::from(value.to_string());
        let sync = match self.sync {
            SyncMode::Noted => "noted",
            SyncMode::Done => "done",
            SyncMode::Ignored => "ignored",
        };
        let delay = u64::try_from(self.sync_delay.as_micros()).unwrap_or(u64::MAX);
        let mut variables = vec![
            (DIRECTORY, self.directory.clone().into()),
            (RECORDS, self.records.clone().into()),
            (SEED, number(self.seed)),
            (SYNC_DELAY_MICROS, number(delay)),
            (SYNC, sync.into()),
        ];
        variables.extend(self.kill_at.map(|at| (KILL_AT, number(at))));
        variables.extend(self.sync_error_at.map(|at| (SYNC_ERROR_AT, number(at))));
        variables.extend(self.space_bytes.map(|bytes| (SPACE_BYTES, number(bytes))));
        variables
    }

    /// The plan in the environment of this process, if there is one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn from_environment() -> Result<Option<Self>, PlanError> {
        Self::read(std::env::var_os)
    }

    fn read(variable: impl Fn(&'static str) -> Option<OsString>) -> Result<Option<Self>, PlanError> {
        let Some(directory) = variable(DIRECTORY) else {
            return Ok(None);
        };
        let records = variable(RECORDS).ok_or(PlanError::NoRecords)?;
        let number = |name| {
            let Some(value) = variable(name) else { return Ok(None) };
            match value.to_str().and_then(|value| value.parse::<u64>().ok()) {
                Some(number) => Ok(Some(number)),
                None => Err(PlanError::Value { name, value }),
            }
        };
        let sync = match variable(SYNC) {
            None => SyncMode::default(),
            Some(value) => match value.to_str() {
                Some("noted") => SyncMode::Noted,
                Some("done") => SyncMode::Done,
                Some("ignored") => SyncMode::Ignored,
                Some(_) | None => return Err(PlanError::Value { name: SYNC, value }),
            },
        };
        Ok(Some(Self {
            seed: number(SEED)?.unwrap_or(0),
            kill_at: number(KILL_AT)?,
            sync_error_at: number(SYNC_ERROR_AT)?,
            sync_delay: Duration::from_micros(number(SYNC_DELAY_MICROS)?.unwrap_or(0)),
            space_bytes: number(SPACE_BYTES)?,
            sync,
            ..Self::new(directory, records)
        }))
    }

    /// The journal.
    pub(crate) fn journal(&self) -> PathBuf {
        self.records.join("journal")
    }

    /// The journal that was settled last.
    pub(crate) fn settled_journal(&self) -> PathBuf {
        self.records.join("journal.settled")
    }

    /// Files that were removed or replaced, so that this can be undone.
    pub(crate) fn stash(&self) -> PathBuf {
        self.records.join("stash")
    }

    /// What the process reads as the identity of the kernel's boot.
    pub(crate) fn boot(&self) -> PathBuf {
        self.records.join("boot")
    }

    /// Gives the kernel another boot.
    pub(crate) fn boot_again(&self, seed: u64) -> io::Result<()> {
        let before = fs::read_to_string(self.boot()).unwrap_or_default();
        let boots = before.lines().count() as u64 + 1;
        fs::write(self.boot(), format!("{}boot-{boots}-{seed:016x}\n", before))
    }

    /// The ways in which the process may name the directory.
    pub(crate) fn roots(&self) -> Vec<PathBuf> {
        let mut roots = vec![self.directory.clone()];
        roots.extend(
            fs::canonicalize(&self.directory)
                .ok()
                .filter(|root| *root != self.directory),
        );
        roots
    }
}

/// Where a preloaded library of this crate lies, for a test binary that was built beside it.
#[must_use]
pub(crate) fn library_beside(executable: &Path) -> Option<PathBuf> {
    let directory = executable.parent()?;
    let name = OsStr::new("libfaults.so");
    [
        directory.join(name),
        directory.join("deps").join(name),
        directory.parent()?.join(name),
    ]
    .into_iter()
    .find(|path| path.exists())
}

impl Plan {
    /// Where the library to preload lies, if this program was built together with it.
    #[must_use]
    pub fn library() -> Option<PathBuf> {
        library_beside(&std::env::current_exe().ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_the_environment() {
        let plan = Plan {
            seed: 7,
            kill_at: Some(3),
            sync_error_at: Some(4),
            sync_delay: Duration::from_micros(50),
            space_bytes: Some(1 << 20),
            sync: SyncMode::Ignored,
            ..Plan::new("/a/b", "/a/c")
        };
        let variables = plan.environment();
        let find = |name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.clone())
        };
        assert_eq!(Plan::read(find).unwrap(), Some(plan));
        assert_eq!(Plan::read(|_| None).unwrap(), None);
    }

    #[test]
    fn a_setting_that_is_not_a_number_is_refused_by_name() {
        let error = Plan::read(|name| Some(name.into())).unwrap_err();
        assert!(
            error.to_string().contains(SEED) || error.to_string().contains(SYNC),
            "{error}"
        );
    }
}
