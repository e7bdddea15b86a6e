//! The end of the input on systems without Unix signals: only the end of the stream.

use std::fs::File;
use std::io::{self, Read, Write};
use std::time::Duration;

pub(crate) struct Stop;

impl Stop {
    pub(crate) fn on_signals() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn input(&self, input: impl Read) -> impl Read {
        input
    }

    pub(crate) fn write(&self, mut output: impl Write, line: &str) {
        let _ = output.write_all(line.as_bytes());
    }

    pub(crate) fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    pub(crate) fn run<T>(&self, work: impl FnOnce() -> T) -> io::Result<Option<T>> {
        Ok(Some(work()))
    }
}

#[cfg(windows)]
pub(crate) fn stdin() -> io::Result<File> {
    use std::os::windows::io::AsHandle;

    let handle = io::stdin().as_handle().try_clone_to_owned()?;
    Ok(File::from(handle))
}

#[cfg(not(windows))]
pub(crate) fn stdin() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}
