//! The reader of the files that a configuration names.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// The size limit of a file, in bytes: far more than a hand-written file or a bundle of authorities has.
pub(super) const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// A reason why a file is not read.
pub(super) enum FileProblem {
    Unreadable(io::Error),
    NotRegular,
    TooLarge,
}

impl From<io::Error> for FileProblem {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// Reads a regular file without blocking, and at most [`MAX_BYTES`] bytes. Reading a pipe, for example, could block
/// forever.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, FileProblem> {
    if !fs::metadata(path)?.is_file() {
        return Err(FileProblem::NotRegular);
    }
    let file = open(path)?;
    // The path may refer to another file by now.
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(FileProblem::NotRegular);
    }
    let mut bytes = Vec::new();
    if metadata.len() <= MAX_BYTES {
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 <= MAX_BYTES {
            return Ok(bytes);
        }
    }
    Err(FileProblem::TooLarge)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Without this flag, opening a pipe would block until a process opens its other end for writing.
        options.custom_flags(libc::O_NONBLOCK);
    }
    options.open(path)
}
