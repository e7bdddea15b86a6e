//! `examples/stack`: the programs that read its files accept them, and the queries of its dashboards and rules return
//! data. The same applies to the examples in `docs/BACKENDS.md`.
//!
//! The programs are `prometheus`, `promtool`, `docker-compose` and a Collector, which `collector.py` in the folder that
//! the variable `COLLECTOR_TOOLS` names runs. A test whose program is missing prints a message and is skipped.
//! `queries.mjs` parses the queries of Loki and Tempo.
//!
//! The harness starts tests in the order of their names. The name of this module begins with an `a`, so that its
//! longest test, which waits up to a minute for the next evaluation of the recording rules, starts among the first.

mod backends;
mod compose;
mod dashboards;
mod exposition;
mod fields;
mod files;
mod live;
pub(crate) mod prometheus;
mod size;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::example::is_installed;

/// Returns the path of a file in the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns the path of a file in the stack.
fn stack(path: &str) -> PathBuf {
    repository("examples/stack").join(path)
}

/// Returns the text of a file in the stack.
#[track_caller]
fn text(path: &str) -> String {
    std::fs::read_to_string(stack(path)).unwrap()
}

/// Runs a command, and asserts that it succeeds.
#[track_caller]
fn assert_succeeds(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{out}\n{error}");
}
