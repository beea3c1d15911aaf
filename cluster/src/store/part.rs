//! Snapshots on their way between nodes: read piece by piece here, written piece by piece there.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::image::{END_BYTES, Image, Images, name};

/// What a file that is being received is called.
const EXTENSION: &str = "received";

/// A snapshot that is read in pieces; what takes its place meanwhile does not disturb it.
#[derive(Debug)]
pub(crate) struct ImageSource {
    medium: Source,
    bytes: u64,
    sum: u64,
}

#[derive(Debug)]
enum Source {
    /// Absent while it is being read.
    File(Option<File>),
    Memory(Bytes),
}

impl ImageSource {
    /// Opens a snapshot.
    pub(crate) async fn open(image: &Image) -> io::Result<Self> {
        let mut source = match image {
            Image::File(path) => {
                let path = path.clone();
                let (file, bytes) = blocking(move || {
                    let file = File::open(path)?;
                    let bytes = file.metadata()?.len();
                    Ok((file, bytes))
                })
                .await?;
                Self {
                    medium: Source::File(Some(file)),
                    bytes,
                    sum: 0,
                }
            }
            Image::Memory(image) => Self {
                medium: Source::Memory(image.clone()),
                bytes: image.len() as u64,
                sum: 0,
            },
        };
        // The end of an image is its number of rows and a sum over the sums of all blocks.
        let end = source.part(source.bytes.saturating_sub(END_BYTES), usize::MAX).await?;
        source.sum = end
            .last_chunk()
            .map(|sums| u64::from_be_bytes(*sums))
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the snapshot is cut short"))?;
        Ok(source)
    }

    /// How long it is.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Tells its contents from others.
    pub(crate) fn sum(&self) -> u64 {
        self.sum
    }

    /// Reads up to so many bytes, fewer only at the end.
    pub(crate) async fn part(&mut self, offset: u64, length: usize) -> io::Result<Bytes> {
        let length = (length as u64).min(self.bytes.saturating_sub(offset));
        match &mut self.medium {
            Source::File(kept) => {
                let mut file = kept.take().ok_or_else(|| io::Error::other("a read was cut off"))?;
                let (file, part) = blocking(move || {
                    let mut part = Vec::new();
                    file.seek(SeekFrom::Start(offset))?;
                    (&file).take(length).read_to_end(&mut part)?;
                    Ok((file, part))
                })
                .await?;
                *kept = Some(file);
                Ok(part.into())
            }
            Source::Memory(image) => {
                let start = usize::try_from(offset).map_or(image.len(), |offset| offset.min(image.len()));
                let end = usize::try_from(length).map_or(image.len(), |length| (start + length).min(image.len()));
                Ok(image.slice(start..end))
            }
        }
    }
}

/// A snapshot that is being received.
#[derive(Debug)]
pub(crate) enum ImageDraft {
    /// A file beside the snapshots, not synced yet.
    File(PathBuf, File),
    /// Bytes of an in-memory store.
    Memory(Vec<u8>),
}

impl ImageDraft {
    /// Adds a piece.
    pub(crate) async fn push(self, part: Bytes) -> io::Result<Self> {
        match self {
            Self::File(path, mut file) => {
                blocking(move || {
                    file.write_all(&part)?;
                    Ok(Self::File(path, file))
                })
                .await
            }
            Self::Memory(mut bytes) => {
                bytes.extend_from_slice(&part);
                Ok(Self::Memory(bytes))
            }
        }
    }

    /// Makes all pieces durable.
    pub(crate) async fn finish(self) -> io::Result<Image> {
        match self {
            Self::File(path, file) => {
                blocking(move || {
                    file.sync_all()?;
                    Ok(Image::File(path))
                })
                .await
            }
            Self::Memory(bytes) => Ok(Image::Memory(bytes.into())),
        }
    }
}

impl Images {
    /// Begins to receive a snapshot of a group; what was received of another one is dropped.
    pub(crate) async fn draft(&self, group: u32) -> io::Result<ImageDraft> {
        match self {
            Self::Disk(directory) => {
                let path = received(directory, group);
                blocking(move || Ok(ImageDraft::File(path.clone(), File::create(path)?))).await
            }
            Self::Memory(_) => Ok(ImageDraft::Memory(Vec::new())),
        }
    }

    /// Drops what was received of a snapshot and is not the state of the group by now.
    pub(crate) async fn drop_draft(&self, group: u32) {
        if let Self::Disk(directory) = self {
            let path = received(directory, group);
            if let Err(error) = blocking(move || remove(&path)).await {
                tracing::warn!(%error, group, "failed to remove a snapshot that was not received");
            }
        }
    }

    /// Drops what an earlier run received in vain. Blocks on a disk.
    pub(crate) fn drop_drafts(&self) -> io::Result<()> {
        let Self::Disk(directory) = self else {
            return Ok(());
        };
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// Runs what waits for a disk on a thread for it, and what does not where it is, so that a test with a paused clock
    /// stays on one thread.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        match self {
            Self::Disk(_) => blocking(work).await,
            Self::Memory(_) => work(),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn received(directory: &Path, group: u32) -> PathBuf {
    directory.join(name(group)).with_extension(EXTENSION)
}

/// Not durably: what comes back after a power loss is removed at the next start.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
