//! Runs the examples and the program of the crate as child processes.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Returns the path of an example's program. `cargo test` builds all examples; when a single test binary is run, the
/// program may be missing or older than its sources, and is built here.
pub fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.ancestors().nth(2).unwrap();
    let path = profile
        .join("examples")
        .join(name)
        .with_extension(std::env::consts::EXE_EXTENSION);
    if is_stale(&path) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(["build", "--example", name, "--target-dir"]);
        cargo.arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success());
    }
    path
}

/// Returns true if the program is missing, or older than one of the sources that Cargo lists beside it.
fn is_stale(program: &Path) -> bool {
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    let (Ok(built), Ok(sources)) = (
        modified(program),
        std::fs::read_to_string(program.with_extension("d")),
    ) else {
        return true;
    };
    // PROGRAM: SOURCE SOURCE ...
    let mut sources = sources.split_whitespace().skip(1);
    sources.any(|source| modified(Path::new(source)).map_or(true, |changed| changed > built))
}

/// The path of the program of the crate, which Cargo builds before the tests.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_claude-code-telemetry");

/// Returns a command that runs an example with a clean environment.
pub fn command(name: &str, home: &Path) -> Command {
    let mut command = Command::new(example(name));
    clean(&mut command, home);
    command
}

/// Returns a command that runs a command of the program with a clean environment.
pub fn program(name: &str, home: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    clean(&mut command, home);
    command.arg(name);
    command
}

/// Leaves only the variables that a program needs to run at all, and `home` as the home directory.
pub fn clean(command: &mut Command, home: &Path) {
    command
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| {
            ["PATH", "SYSTEMROOT", "LLVM_PROFILE_FILE"].contains(&&*name.to_string_lossy())
        }))
        .env("HOME", home)
        .env("USERPROFILE", home);
}

/// Runs a command with this standard input to its end.
pub fn run_with_input(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads no input may have exited.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Returns true if a program can be run. Otherwise prints a message that the test is skipped.
pub fn is_installed(program: &str) -> bool {
    let status = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let can_run = status.is_ok_and(|status| status.success());
    if !can_run {
        eprintln!("skipped: there is no {program}");
    }
    can_run
}
