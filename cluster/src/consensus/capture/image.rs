//! The file of a copy, and its sum.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::consensus::codec::{self, Head};
use crate::store::{ImageWriter, Row};

/// Bytes gathered before they are written.
const BUFFER: usize = 256 * 1024;

/// An image that is being written to a file.
pub(super) struct Writing(ImageWriter<BufWriter<Summed>>);

/// What was written to a file.
pub(super) struct Written {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) sha256: [u8; 32],
}

impl Writing {
    /// Begins a file anew.
    pub(super) fn begin(path: &Path, head: &Head) -> io::Result<Self> {
        let file = Summed {
            file: File::create(path)?,
            sum: Sha256::new(),
            bytes: 0,
        };
        let out = BufWriter::with_capacity(BUFFER, file);
        Ok(Self(ImageWriter::begin(out, &codec::head(head))?))
    }

    /// Adds rows, which must come in key order.
    pub(super) fn push(&mut self, rows: impl IntoIterator<Item = Row>) -> io::Result<()> {
        rows.into_iter().try_for_each(|(key, value)| self.0.push(&key, &value))
    }

    /// Ends the file and syncs it.
    pub(super) fn finish(self) -> io::Result<Written> {
        let (out, rows) = self.0.finish()?;
        let Summed { file, sum, bytes } = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(Written {
            rows,
            bytes,
            sha256: sum.finalize().into(),
        })
    }
}

/// A file that knows the sum of what was written to it.
struct Summed {
    file: File,
    sum: Sha256,
    bytes: u64,
}

impl Write for Summed {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        let written = self.file.write(part)?;
        self.sum.update(&part[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
