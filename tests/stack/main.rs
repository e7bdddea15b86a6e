//! `examples/stack`: its files are accepted by the programs that read them, and its dashboards and rules find what they
//! ask for. So are the examples of `docs/BACKENDS.md`.
//!
//! The programs are `prometheus` and `promtool`, `docker-compose`, and a Collector (found as in `collector.rs`). A test
//! whose program is missing says that it is skipped. The queries of Loki and Tempo are parsed by `queries.mjs`.
#![cfg(all(unix, feature = "grpc", feature = "http", feature = "console"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

#[path = "../support/example.rs"]
mod example;
#[path = "../support/port.rs"]
mod port;
#[path = "../support/mod.rs"]
mod support;

mod backends;
mod compose;
mod dashboards;
mod fields;
mod files;
mod live;
mod page;
mod prometheus;
mod size;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of the stack.
fn stack(path: &str) -> PathBuf {
    repository("examples/stack").join(path)
}

/// The text of a file of the stack.
#[track_caller]
fn text(path: &str) -> String {
    std::fs::read_to_string(stack(path)).unwrap()
}

/// Whether a program can be run; says so when a test is skipped for it.
fn have(program: &str) -> bool {
    let status = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let there = status.is_ok_and(|status| status.success());
    if !there {
        eprintln!("skipped: there is no {program}");
    }
    there
}

/// Runs a command that must succeed.
#[track_caller]
fn succeeds(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{out}\n{error}");
}
