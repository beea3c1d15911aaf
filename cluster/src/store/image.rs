//! Snapshot files: everything a shard holds, in one checksummed file.
//!
//! `FNDIMG01 | head | block... | end`, where the head is opaque to the store, a block is rows of about 256 KiB, and the
//! end counts rows and carries a checksum over the checksums of all blocks, so that neither a block nor the tail can
//! be missing unnoticed. All integers are big-endian, each part is `length u32 | crc u32 | bytes`, and the end has
//! length zero.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use parking_lot::Mutex;

use super::shard::ShardState;
use super::tree::RESERVED;
use super::{Row, file};

const MAGIC: &[u8; 8] = b"FNDIMG01";
const BLOCK: usize = 256 * 1024;
/// Rows read from the state at once while an image is built; a row may have megabytes.
const PAGE: usize = 64;
/// The end of an image without its prefix: a number of rows and a sum.
pub(super) const END_BYTES: u64 = 12;
/// A part larger than this is not ours: a block ends with the row that fills it, and rows are bounded to megabytes.
const PART_MAX: u32 = 1 << 30;

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    #[error("failed to read the snapshot: {0}")]
    Io(#[from] io::Error),
    #[error("the snapshot is damaged: {0}")]
    Damaged(&'static str),
}

impl From<ImageError> for io::Error {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Io(error) => error,
            ImageError::Damaged(_) => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

/// A finished snapshot, wherever it lies.
#[derive(Debug, Clone)]
pub(crate) enum Image {
    /// A file that is synced.
    File(PathBuf),
    /// Bytes of an in-memory store.
    Memory(Bytes),
}

impl Image {
    /// Opens the image from its beginning.
    pub(crate) fn read(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::File(path) => Box::new(BufReader::with_capacity(BLOCK, File::open(path)?)),
            Self::Memory(bytes) => Box::new(bytes.clone().reader()),
        })
    }

    /// The opaque head.
    pub(crate) fn head(&self) -> Result<Bytes, ImageError> {
        Ok(ImageReader::open(self.read()?)?.head)
    }

    /// What to call it in an error.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Memory(_) => PathBuf::from("snapshot in memory"),
        }
    }

    /// How many bytes it takes.
    pub(crate) fn bytes(&self) -> io::Result<u64> {
        Ok(match self {
            Self::File(path) => fs::metadata(path)?.len(),
            Self::Memory(bytes) => bytes.len() as u64,
        })
    }

    /// Reads all of it.
    pub(crate) fn verify(&self) -> Result<(), ImageError> {
        let mut reader = ImageReader::open(self.read()?)?;
        while reader.next_rows()?.is_some() {}
        Ok(())
    }
}

/// The current snapshot of each group of a node.
#[derive(Debug, Clone)]
pub(crate) enum Images {
    /// A directory with one file per group.
    Disk(PathBuf),
    /// A map that outlives the engine.
    Memory(Arc<Mutex<BTreeMap<u32, Bytes>>>),
}

impl Images {
    /// The last finished snapshot of a group.
    pub(crate) fn current(&self, group: u32) -> io::Result<Option<Image>> {
        Ok(match self {
            Self::Disk(directory) => {
                let path = directory.join(name(group));
                path.try_exists()?.then_some(Image::File(path))
            }
            Self::Memory(images) => images.lock().get(&group).cloned().map(Image::Memory),
        })
    }

    /// Writes the state of a group, as it is while it is read, and makes it current. Blocks on a disk.
    pub(crate) fn build(&self, group: u32, head: &[u8], state: &ShardState) -> io::Result<Image> {
        match self {
            Self::Disk(directory) => {
                let path = directory.join(name(group));
                let draft = path.with_extension("draft");
                let mut out = BufWriter::with_capacity(BLOCK, File::create(&draft)?);
                write(&mut out, head, state)?;
                out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
                file::adopt(&draft, &path)?;
                Ok(Image::File(path))
            }
            Self::Memory(images) => {
                let mut out = Vec::new();
                write(&mut out, head, state)?;
                let image = Bytes::from(out);
                images.lock().insert(group, image.clone());
                Ok(Image::Memory(image))
            }
        }
    }

    /// Makes a received snapshot current. A file is moved, and must be synced and on the same file system.
    pub(crate) fn adopt(&self, group: u32, image: &Image) -> io::Result<Image> {
        match (self, image) {
            (Self::Disk(directory), Image::File(from)) => {
                let path = directory.join(name(group));
                if *from != path {
                    file::adopt(from, &path)?;
                }
                Ok(Image::File(path))
            }
            (Self::Memory(images), Image::Memory(bytes)) => {
                images.lock().insert(group, bytes.clone());
                Ok(image.clone())
            }
            (Self::Disk(_), Image::Memory(_)) | (Self::Memory(_), Image::File(_)) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the snapshot belongs to another kind of store",
            )),
        }
    }
}

pub(super) fn name(group: u32) -> String {
    format!("{group:05}")
}

fn write(out: impl Write, head: &[u8], state: &ShardState) -> io::Result<()> {
    let mut image = ImageWriter::begin(out, head)?;
    // Meta rows are left out: the head says what they said before the first row was read.
    image.scan(
        state,
        (
            Bound::Included(Bytes::from_static(&[1])),
            Bound::Excluded(Bytes::from_static(&[RESERVED])),
        ),
    )?;
    image.finish().map(drop)
}

/// Writes an image row by row. The rows must come in key order.
pub(crate) struct ImageWriter<W> {
    out: W,
    block: Vec<u8>,
    rows: u64,
    sums: crc32fast::Hasher,
}

impl<W: Write> ImageWriter<W> {
    /// Writes the head.
    pub(crate) fn begin(mut out: W, head: &[u8]) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        put_part(&mut out, head)?;
        Ok(Self {
            out,
            block: Vec::with_capacity(BLOCK + BLOCK / 4),
            rows: 0,
            sums: crc32fast::Hasher::new(),
        })
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.rows += 1;
        put_bytes(&mut self.block, key)?;
        put_bytes(&mut self.block, value)?;
        if self.block.len() >= BLOCK {
            self.flush()?;
        }
        Ok(())
    }

    /// Adds the rows of a range, each as it is when it is read.
    pub(crate) fn scan(&mut self, state: &ShardState, range: (Bound<Bytes>, Bound<Bytes>)) -> io::Result<()> {
        let (mut from, to) = range;
        loop {
            let page = state.scan((from, to.clone()), false, PAGE)?;
            for (key, value) in &page {
                self.push(key, value)?;
            }
            match page.into_iter().last() {
                Some((last, _)) => from = Bound::Excluded(last),
                None => return Ok(()),
            }
        }
    }

    /// Ends the image; returns what it was written to, and how many rows there are.
    pub(crate) fn finish(mut self) -> io::Result<(W, u64)> {
        if !self.block.is_empty() {
            self.flush()?;
        }
        let end = [&self.rows.to_be_bytes()[..], &self.sums.finalize().to_be_bytes()].concat();
        self.out.write_all(&0_u32.to_be_bytes())?;
        self.out.write_all(&crc32fast::hash(&end).to_be_bytes())?;
        self.out.write_all(&end)?;
        self.out.flush()?;
        Ok((self.out, self.rows))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sums.update(&put_part(&mut self.out, &self.block)?);
        self.block.clear();
        Ok(())
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    out.extend(length(bytes)?);
    out.extend_from_slice(bytes);
    Ok(())
}

fn put_part(out: &mut impl Write, part: &[u8]) -> io::Result<[u8; 4]> {
    let sum = crc32fast::hash(part).to_be_bytes();
    out.write_all(&length(part)?)?;
    out.write_all(&sum)?;
    out.write_all(part)?;
    Ok(sum)
}

fn length(bytes: &[u8]) -> io::Result<[u8; 4]> {
    match u32::try_from(bytes.len()) {
        Ok(length) if length <= PART_MAX => Ok(length.to_be_bytes()),
        Ok(_) | Err(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a row is too large for a snapshot",
        )),
    }
}

/// Reads an image part by part, checking every one.
pub(crate) struct ImageReader {
    input: Box<dyn Read + Send>,
    head: Bytes,
    rows: u64,
    sums: crc32fast::Hasher,
}

impl ImageReader {
    pub(crate) fn open(mut input: Box<dyn Read + Send>) -> Result<Self, ImageError> {
        let mut magic = [0; 8];
        fill(&mut *input, &mut magic)?;
        if magic != *MAGIC {
            return Err(ImageError::Damaged("it does not begin like one"));
        }
        let (length, sum) = take_prefix(&mut *input)?;
        let head = take(&mut *input, length, sum)?;
        Ok(Self {
            input,
            head,
            rows: 0,
            sums: crc32fast::Hasher::new(),
        })
    }

    /// The opaque head.
    pub(crate) fn head(&self) -> &Bytes {
        &self.head
    }

    /// The rows one by one; an error, or the end, is the last thing it says.
    pub(crate) fn rows(mut self) -> impl Iterator<Item = Result<Row, ImageError>> {
        let mut block = Vec::new().into_iter();
        let mut ended = false;
        std::iter::from_fn(move || {
            while !ended {
                if let Some(row) = block.next() {
                    return Some(Ok(row));
                }
                match self.next_rows() {
                    Ok(Some(rows)) => block = rows.into_iter(),
                    Ok(None) => ended = true,
                    Err(error) => {
                        ended = true;
                        return Some(Err(error));
                    }
                }
            }
            None
        })
    }

    /// The rows of the next block; `None` after the last, once all of them are known to have been there.
    pub(crate) fn next_rows(&mut self) -> Result<Option<Vec<Row>>, ImageError> {
        let (length, sum) = take_prefix(&mut *self.input)?;
        if length == 0 {
            let mut end = take(&mut *self.input, END_BYTES as u32, sum)?;
            if end.get_u64() != self.rows || end.get_u32() != self.sums.clone().finalize() {
                return Err(ImageError::Damaged("rows are missing"));
            }
            return Ok(None);
        }
        let mut block = take(&mut *self.input, length, sum)?;
        self.sums.update(&sum.to_be_bytes());
        let mut rows = Vec::new();
        while !block.is_empty() {
            rows.push((take_bytes(&mut block)?, take_bytes(&mut block)?));
        }
        self.rows += rows.len() as u64;
        Ok(Some(rows))
    }
}

fn take_prefix(input: &mut dyn Read) -> Result<(u32, u32), ImageError> {
    let mut prefix = [0; 8];
    fill(input, &mut prefix)?;
    let mut prefix = &prefix[..];
    Ok((prefix.get_u32(), prefix.get_u32()))
}

fn take(input: &mut dyn Read, length: u32, sum: u32) -> Result<Bytes, ImageError> {
    if length > PART_MAX {
        return Err(ImageError::Damaged("a part is too long"));
    }
    let mut part = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut part)?;
    if part.len() < length as usize {
        return Err(ImageError::Damaged("it is cut short"));
    }
    if crc32fast::hash(&part) != sum {
        return Err(ImageError::Damaged("a part has a wrong checksum"));
    }
    Ok(part.into())
}

fn fill(input: &mut dyn Read, buffer: &mut [u8]) -> Result<(), ImageError> {
    input.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => ImageError::Damaged("it is cut short"),
        _ => ImageError::Io(error),
    })
}

fn take_bytes(block: &mut Bytes) -> Result<Bytes, ImageError> {
    let short = ImageError::Damaged("a row is cut short");
    let Ok(length) = block.try_get_u32() else {
        return Err(short);
    };
    if block.len() < length as usize {
        return Err(short);
    }
    Ok(block.split_to(length as usize))
}
