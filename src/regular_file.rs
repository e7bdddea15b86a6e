//! The reader of files whose paths come from the configuration.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// The size limit of a file, in bytes: far more than a hand-written file or a bundle of authorities has.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Reads a regular file without blocking, and at most [`MAX_BYTES`] bytes. Reading a pipe, for example, could block
/// forever.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    check_is_file(&fs::metadata(path)?)?;
    let file = open(path)?;
    // The path may refer to another file by now.
    check_is_file(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("larger than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

fn check_is_file(metadata: &fs::Metadata) -> io::Result<()> {
    match metadata.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("not a regular file")),
    }
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
