//! The examples as programs.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::Command;

/// The path of an example. All are built with all tests; for a test alone it may be missing, and is built then.
pub fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.ancestors().nth(2).unwrap();
    let path = profile
        .join("examples")
        .join(name)
        .with_extension(std::env::consts::EXE_EXTENSION);
    if !path.exists() {
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

/// The example with an environment of its own: these variables, and what a program needs to run at all.
pub fn command(name: &str, home: &std::path::Path) -> Command {
    let mut command = Command::new(example(name));
    command
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| {
            ["PATH", "SYSTEMROOT", "LLVM_PROFILE_FILE"].contains(&&*name.to_string_lossy())
        }))
        .env("HOME", home)
        .env("USERPROFILE", home);
    command
}
