//! A driver of the host program: it writes to the program's standard input and reads from its standard output. The
//! program is the example `limited_host` (`host.rs`), or another build of it that the variable `LIMITED_HOST` names.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::example::example;
use super::host::PATIENCE;

/// A running host program.
pub(crate) struct Driver {
    child: Child,
    commands: Option<ChildStdin>,
    responses: BufReader<ChildStdout>,
    home: TempDir,
}

impl Driver {
    /// Starts the program with only these variables.
    pub(crate) fn new(environment: BTreeMap<String, String>) -> Self {
        Self::with_files(environment, &[])
    }

    /// Like [`new`](Self::new), with these files in the home directory of the program.
    pub(crate) fn with_files(
        environment: BTreeMap<String, String>,
        files: &[(&str, String)],
    ) -> Self {
        let program =
            std::env::var_os("LIMITED_HOST").map_or_else(|| example("limited_host"), Into::into);
        let home = TempDir::new().unwrap();
        // The program may become another user, who has to be able to write the installation id here.
        let mut mode = std::fs::metadata(home.path()).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o777);
        std::fs::set_permissions(home.path(), mode).unwrap();
        for (name, content) in files {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let mut child = Command::new(program)
            .env_clear()
            .env("HOME", home.path())
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            commands: child.stdin.take(),
            responses: BufReader::new(child.stdout.take().unwrap()),
            child,
            home,
        }
    }

    /// Switches the program to an unprivileged user that runs no other threads, so that the thread limit counts only
    /// the program's. Returns false and prints a message if this process has no right to do that.
    pub(crate) fn become_unprivileged_user(&mut self) -> bool {
        if !nix::unistd::Uid::effective().is_root() {
            eprintln!("skipped: only the superuser can become a user whose threads are limited");
            return false;
        }
        self.ask(&format!("user {}", 200_000 + self.child.id()));
        true
    }

    /// Sends a command and returns its response. Panics if the program exits instead.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> Value {
        let sent = writeln!(self.commands.as_mut().unwrap(), "{command}");
        match sent.ok().and_then(|()| self.response()) {
            Some(response) => response,
            None => panic!(
                "the host ended at {command:?}: {}",
                self.child.wait().unwrap()
            ),
        }
    }

    /// Returns the next response, or `None` when the program has exited.
    pub(crate) fn response(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.responses.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }

    /// Repeats a command until the response satisfies `wanted`, and returns that response.
    #[track_caller]
    pub(crate) fn ask_until(&mut self, command: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let response = self.ask(command);
            if wanted(&response) {
                return response;
            }
            assert!(Instant::now() < end, "{command}: {response}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns the health of an exporter.
    #[track_caller]
    pub(crate) fn health(&mut self, signal: &str, exporter: &str) -> Value {
        let health = self.ask("health");
        let mut all = health.as_array().unwrap().iter();
        let found = all.find(|one| one["signal"] == signal && one["exporter"] == exporter);
        found.unwrap_or_else(|| panic!("{health}")).clone()
    }

    /// Returns the content of a file in the home directory.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.home.path().join(name)).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Closes the program's standard input, and returns the exit status.
    pub(crate) fn end(mut self) -> ExitStatus {
        drop(self.commands.take());
        self.child.wait().unwrap()
    }
}

/// Kills the program, so that a failed test leaves no process behind.
impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
