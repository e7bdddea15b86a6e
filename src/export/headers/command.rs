//! A single run of the headers helper, which is a command of the user.

use std::io::PipeReader;
#[cfg(unix)]
use std::os::unix::process::CommandExt;
#[cfg(windows)]
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::failure::Failure;
use crate::config::secret::Secret;
use crate::export::blocking::{self, BlockingError};
use crate::thread;

/// The most bytes that a run may print.
pub(super) const MAX_OUTPUT: usize = 64 * 1024;

/// The longest time that the output of an ended run may stay open. A background process that the run started can hold
/// the output open.
const LINGERING: Duration = Duration::from_millis(200);

/// The longest wait for the end of a killed process.
const REAPING: Duration = Duration::from_secs(1);

/// The pauses between two checks whether a process has ended: the first and the longest. The process is polled, because
/// a handler of `SIGCHLD` belongs to the host.
const FIRST_POLL: Duration = Duration::from_millis(1);
const LONGEST_POLL: Duration = Duration::from_millis(50);

/// Runs the helper once and returns its output. After `limit`, or if the future is dropped, a helper that still runs is
/// killed, on Unix with the processes that it started.
pub(super) async fn run(command: Secret, limit: Duration) -> Result<Vec<u8>, Failure> {
    let deadline = Instant::now() + limit;
    // Checking files may block, and so may starting a program.
    let start = blocking::spawn(move || Running::start(command.expose()));
    let (mut running, stdout) = match timeout_at(deadline, start).await {
        Ok(Ok(started)) => started?,
        Ok(Err(BlockingError::Panicked)) => return Err(Failure::Panicked),
        Ok(Err(error)) => return Err(Failure::NoThread(error.to_string())),
        Err(_) => return Err(Failure::Timeout(limit)),
    };
    let output = timeout_at(deadline, running.output(stdout)).await;
    let output = output.unwrap_or(Err(Failure::Timeout(limit)));
    if output.is_err() {
        running.kill();
        let _ = timeout(REAPING, running.wait()).await;
    }
    output
}

/// A running helper, on Unix in a separate process group. It is killed if it is dropped before its end.
struct Running {
    /// `None` after the process has ended and its status was collected.
    child: Option<Child>,
}

impl Running {
    /// Starts the helper, and returns the pipe with its output too. A text that names a file is run as a program,
    /// including any spaces. Every other text is a line for the shell.
    fn start(text: &str) -> Result<(Self, PipeReader), Failure> {
        let failed = |error: std::io::Error| Failure::Start(error.to_string());
        let path = Path::new(text);
        let mut command = if path.is_file() {
            // A bare file name would be searched for in `PATH`.
            Command::new(std::path::absolute(path).map_err(failed)?)
        } else {
            shell(text)
        };
        for (name, _) in std::env::vars_os() {
            if is_otel_variable(name.as_encoded_bytes()) {
                command.env_remove(name);
            }
        }
        let (stdout, writer) = std::io::pipe().map_err(failed)?;
        command
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::null());
        #[cfg(unix)]
        command.process_group(0);
        #[cfg(windows)]
        command.creation_flags(CREATE_NO_WINDOW);
        thread::unblock_signals_in(&mut command);
        let child = Some(command.spawn().map_err(failed)?);
        Ok((Self { child }, stdout))
    }

    /// Returns the output of a run that ends with success.
    async fn output(&mut self, stdout: PipeReader) -> Result<Vec<u8>, Failure> {
        let mut output = Vec::with_capacity(4096);
        let status = {
            let mut reading = std::pin::pin!(read(stdout, &mut output));
            tokio::select! {
                biased;
                read = &mut reading => {
                    read?;
                    self.wait().await?
                }
                status = self.wait() => {
                    // The output of the process itself is complete. Its background processes are not waited for.
                    timeout(LINGERING, reading).await.unwrap_or(Ok(()))?;
                    status?
                }
            }
        };
        match status.code() {
            Some(0) => Ok(output),
            Some(code) => Err(Failure::Exit(code)),
            None => Err(Failure::Signal),
        }
    }

    /// Waits for the end of the process.
    async fn wait(&mut self) -> Result<ExitStatus, Failure> {
        let mut pause = FIRST_POLL;
        loop {
            let Some(child) = &mut self.child else {
                // This cannot happen: no caller waits again after the end.
                return Err(Failure::Panicked);
            };
            match child.try_wait() {
                Ok(None) => sleep(pause).await,
                Ok(Some(status)) => {
                    self.child = None;
                    return Ok(status);
                }
                Err(error) => return Err(Failure::Wait(error.to_string())),
            }
            pause = LONGEST_POLL.min(pause * 2);
        }
    }

    /// Kills the process and, on Unix, all processes of its group. Does nothing after the end of the process, because
    /// its process id may belong to another process by then.
    fn kill(&mut self) {
        let Some(child) = &mut self.child else {
            return;
        };
        #[cfg(unix)]
        if let Some(group) = i32::try_from(child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        #[cfg(not(unix))]
        let _ = child.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        if let Some(mut child) = self.child.take()
            && !matches!(child.try_wait(), Ok(Some(_)) | Err(_))
        {
            // A killed process ends soon, but remains as a zombie until its status is collected.
            blocking::detach(move || drop(child.wait()));
        }
    }
}

/// Reads the whole output, up to the limit. Keeps the bytes that were read if the future is dropped.
#[cfg(unix)]
async fn read(stdout: PipeReader, output: &mut Vec<u8>) -> Result<(), Failure> {
    use tokio::io::AsyncReadExt;
    use tokio::net::unix::pipe::Receiver;

    let mut stdout = Receiver::from_owned_fd(stdout.into())
        .map_err(|error| Failure::Start(error.to_string()))?;
    // An error of the pipe ends the output as usual: the bytes before it are parsed.
    while stdout.read_buf(output).await.is_ok_and(|read| read > 0) {
        if output.len() > MAX_OUTPUT {
            return Err(Failure::TooLong(MAX_OUTPUT));
        }
    }
    Ok(())
}

/// Reads the whole output, up to the limit.
#[cfg(not(unix))]
async fn read(stdout: PipeReader, output: &mut Vec<u8>) -> Result<(), Failure> {
    use std::io::Read;

    let reading = blocking::spawn(move || {
        let mut read = Vec::new();
        // An error of the pipe ends the output as usual: the bytes before it are parsed.
        let _ = stdout.take(MAX_OUTPUT as u64 + 1).read_to_end(&mut read);
        read
    });
    *output = reading
        .await
        .map_err(|error| Failure::NoThread(error.to_string()))?;
    if output.len() > MAX_OUTPUT {
        return Err(Failure::TooLong(MAX_OUTPUT));
    }
    Ok(())
}

/// Returns true for an `OTEL_*` variable. The helper does not inherit these variables, because an instrumented helper
/// would export its own telemetry to the host's receiver.
fn is_otel_variable(name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"OTEL_";
    name.get(..PREFIX.len())
        .is_some_and(|start| start == PREFIX || cfg!(windows) && start.eq_ignore_ascii_case(PREFIX))
}

/// Returns a command that runs `line` in `sh`.
#[cfg(not(windows))]
fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line);
    command
}

/// The flag that prevents a console window from appearing at every run.
#[cfg(windows)]
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// Returns a command that runs `line` in `cmd`, which takes the rest of its command line literally, without one
/// enclosing pair of quotes.
#[cfg(windows)]
fn shell(line: &str) -> Command {
    let mut command = Command::new("cmd");
    command
        .args(["/D", "/S", "/C"])
        .raw_arg(format!("\"{line}\""));
    command
}
