//! The folder of a backup: written whole or not at all, read only if every byte is as it was written.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    BackupError, Contents, Manifest,
    manifest::{FORMAT, Version, hex},
};
use crate::{
    consensus,
    store::{Image, create_directory, sync_parent},
};

const MANIFEST: &str = "manifest.json";
const SUMS: &str = "SHA256SUMS";

/// A folder beside its final place; it is removed unless it is finished.
pub(super) struct Draft {
    path: PathBuf,
    into: PathBuf,
}

impl Draft {
    /// Begins a folder that will be `into`.
    pub(super) fn begin(into: &Path) -> Result<Self, BackupError> {
        refuse_full(into)?;
        let name = into
            .file_name()
            .ok_or_else(|| BackupError::NotEmpty { path: into.to_owned() })?;
        let parent = parent(into);
        create_directory(&parent).map_err(BackupError::io(&parent))?;
        let path = parent.join(format!(".{}.{}", name.to_string_lossy(), Uuid::new_v4().simple()));
        fs::create_dir(&path).map_err(BackupError::io(&path))?;
        Ok(Self {
            path,
            into: into.to_owned(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds manifest and sums to the images, and gives the folder its name.
    pub(super) fn seal(self, manifest: &Manifest) -> Result<(), BackupError> {
        let text = serde_json::to_vec_pretty(manifest)
            .map_err(|error| BackupError::io(&self.into)(io::Error::other(error)))?;
        let sums = sums(manifest, &text);
        for (name, bytes) in [(MANIFEST, &text[..]), (SUMS, sums.as_bytes())] {
            let path = self.path.join(name);
            write_new(&path, bytes).map_err(BackupError::io(&path))?;
        }
        self.finish()
    }

    /// Gives the folder its name. Its files must be synced.
    pub(super) fn finish(self) -> Result<(), BackupError> {
        File::open(&self.path)
            .and_then(|folder| folder.sync_all())
            .map_err(BackupError::io(&self.path))?;
        // An empty directory is replaced; anything else makes this fail.
        fs::rename(&self.path, &self.into).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                BackupError::NotEmpty {
                    path: self.into.clone(),
                }
            }
            _ => BackupError::io(&self.into)(error),
        })?;
        sync_parent(&self.into).map_err(BackupError::io(&self.into))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a success there is nothing of this name; after a failure what stays only takes room.
        fs::remove_dir_all(&self.path).ok();
    }
}

/// Refuses a place where something is.
pub(super) fn refuse_full(path: &Path) -> Result<(), BackupError> {
    match fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(BackupError::NotEmpty { path: path.to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(BackupError::NotEmpty { path: path.to_owned() })
        }
        Err(error) => Err(BackupError::io(path)(error)),
    }
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A backup that was checked.
#[derive(Debug, Clone)]
pub struct Backup {
    path: PathBuf,
    manifest: Manifest,
}

impl Backup {
    /// Opens a backup and checks every byte of it. Blocks.
    ///
    /// # Errors
    /// Names the file that is missing, damaged or newer than this program.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, BackupError> {
        let path = path.into();
        let manifest = read(&path)?;
        Ok(Self { path, manifest })
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Copies it to a folder that must not exist or be empty, where it appears whole or not at all. Blocks.
    ///
    /// # Errors
    /// [`BackupError::NotEmpty`], or the file that cannot be used.
    pub fn copy_to(&self, folder: impl AsRef<Path>) -> Result<(), BackupError> {
        let draft = Draft::begin(folder.as_ref())?;
        let images = self.manifest.files.iter().map(|file| file.name.as_str());
        for name in images.chain([MANIFEST, SUMS]) {
            let (from, to) = (self.path.join(name), draft.path().join(name));
            fs::copy(&from, &to)
                .and_then(|_| File::open(&to)?.sync_all())
                .map_err(BackupError::io(&to))?;
        }
        draft.finish()
    }

    /// Moves it to a folder that must not exist or be empty; to another file system by a copy. Blocks.
    ///
    /// # Errors
    /// As [`copy_to`](Self::copy_to).
    pub fn move_to(self, folder: impl AsRef<Path>) -> Result<(), BackupError> {
        let folder = folder.as_ref();
        refuse_full(folder)?;
        let parent = parent(folder);
        create_directory(&parent).map_err(BackupError::io(&parent))?;
        match fs::rename(&self.path, folder) {
            Ok(()) => sync_parent(folder).map_err(BackupError::io(folder)),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                self.copy_to(folder)?;
                fs::remove_dir_all(&self.path).map_err(BackupError::io(&self.path))
            }
            Err(error) => Err(BackupError::io(folder)(error)),
        }
    }

    /// Makes the data directory of a node from it: a cluster of one, whose configuration must name the shards of the
    /// manifest. The directory must not exist or be empty, and appears whole or not at all. Blocks.
    ///
    /// # Errors
    /// [`BackupError::NotEmpty`], [`BackupError::Other`] if the backup is not one of a node, or whatever else is wrong.
    pub fn restore_node(&self, directory: impl AsRef<Path>) -> Result<(), BackupError> {
        if self.manifest.contents != Contents::Node {
            return Err(self.other());
        }
        let draft = Draft::begin(directory.as_ref())?;
        let copies = self.manifest.files.iter().map(|file| {
            let group = file.shard.map_or(0, |shard| u32::from(shard) + 1);
            (group, self.path.join(&file.name))
        });
        let copies = copies.collect::<Vec<_>>();
        if copies.len() != usize::from(self.manifest.shards) + 1 {
            let path = self.path.join(MANIFEST);
            return Err(BackupError::damaged(&path, "it does not name every shard"));
        }
        consensus::found(draft.path(), self.manifest.shards, &copies)
            .map_err(|error| BackupError::read(&self.path, error))?;
        draft.finish()
    }

    pub(super) fn other(&self) -> BackupError {
        BackupError::Other {
            path: self.path.clone(),
            contents: self.manifest.contents.clone(),
        }
    }
}

fn read(folder: &Path) -> Result<Manifest, BackupError> {
    let missing = |reason| BackupError::NotABackup {
        path: folder.to_owned(),
        reason,
    };
    let open = |name: &str, reason| match fs::read(folder.join(name)) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing(reason)),
        Err(error) => Err(BackupError::io(&folder.join(name))(error)),
    };
    let path = folder.join(MANIFEST);
    let text = open(MANIFEST, "it has no manifest.json")?;
    let sums = open(SUMS, "it has no SHA256SUMS")?;
    // A newer layout may have other sums, so the version comes first.
    if let Ok(version) = serde_json::from_slice::<Version>(&text) {
        for (version, known) in [(version.format, FORMAT), (version.data_format, consensus::VERSION)] {
            if version > known {
                return Err(BackupError::Newer { path, version, known });
            }
        }
    }
    let listed = parse(&folder.join(SUMS), &sums)?;
    if listed.get(MANIFEST) != Some(&hex(&Sha256::digest(&text))) {
        return Err(BackupError::damaged(
            &path,
            "it has another checksum than SHA256SUMS says",
        ));
    }
    let manifest =
        serde_json::from_slice::<Manifest>(&text).map_err(|error| BackupError::damaged(&path, error.to_string()))?;
    if self::sums(&manifest, &text).as_bytes() != sums {
        return Err(BackupError::damaged(
            &folder.join(SUMS),
            format!("it does not fit {MANIFEST}"),
        ));
    }
    for file in &manifest.files {
        if Path::new(&file.name).components().count() != 1 {
            return Err(BackupError::damaged(&path, "it names a file elsewhere"));
        }
        let path = folder.join(&file.name);
        check(&path, file.bytes, &file.sha256)?;
        Image::File(path.clone())
            .verify()
            .map_err(|error| BackupError::read(&path, error.into()))?;
    }
    Ok(manifest)
}

/// The list of checksums, as `sha256sum` writes it.
fn sums(manifest: &Manifest, text: &[u8]) -> String {
    let mut sums = String::new();
    for file in &manifest.files {
        // Writing to a string does not fail.
        writeln!(sums, "{}  {}", file.sha256, file.name).ok();
    }
    writeln!(sums, "{}  {MANIFEST}", hex(&Sha256::digest(text))).ok();
    sums
}

fn parse(path: &Path, sums: &[u8]) -> Result<BTreeMap<String, String>, BackupError> {
    let line = |line: &str| {
        let (sum, name) = line.split_once("  ")?;
        Some((name.to_owned(), sum.to_owned()))
    };
    std::str::from_utf8(sums)
        .ok()
        .and_then(|text| text.lines().map(line).collect())
        .ok_or_else(|| BackupError::damaged(path, "it is no list of checksums"))
}

fn check(path: &Path, bytes: u64, sha256: &str) -> Result<(), BackupError> {
    let io = BackupError::io(path);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(BackupError::damaged(path, "it is missing"));
        }
        Err(error) => return Err(io(error)),
    };
    let length = file.metadata().map_err(&io)?.len();
    if length != bytes {
        return Err(BackupError::damaged(
            path,
            format!("it has {length} bytes instead of {bytes}"),
        ));
    }
    let (mut sum, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => sum.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io(error)),
        }
    }
    if hex(&sum.finalize()) != sha256 {
        return Err(BackupError::damaged(
            path,
            "it has another checksum than the manifest says",
        ));
    }
    Ok(())
}
