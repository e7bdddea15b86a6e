//! The streams for the answers of the command `replay`.
//!
//! Telemetry is off unless a test turns it on. The exit status of a replay without telemetry and without errors is 4.
#![cfg(all(feature = "cli", unix))]

use std::fs::{File, read_to_string};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cli::assert_answer;
use crate::example;
use crate::replay::{Replay, SESSION, variables};
use crate::support::Receiver;
use serde_json::{Value, json};
use tempfile::TempDir;

const ASK: &str = r#"{"step":"child_env"}"#;

/// Variables with which metrics and events go to standard output.
const CONSOLE: [(&str, &str); 4] = [
    ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
    ("OTEL_METRICS_EXPORTER", "console"),
    ("OTEL_LOGS_EXPORTER", "console"),
    ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000"),
];

/// Returns the home directory and the input of a replay that gives one answer.
fn prepared() -> (TempDir, File) {
    let home = tempfile::tempdir().unwrap();
    let input = home.path().join("input");
    std::fs::write(&input, format!("{SESSION}\n{ASK}\n")).unwrap();
    let input = File::open(input).unwrap();
    (home, input)
}

#[test]
fn answers_go_to_standard_error_while_the_console_exporter_is_on() {
    let (home, input) = prepared();
    let output = example::program("replay", home.path())
        .envs(CONSOLE)
        .stdin(input)
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_answer(&String::from_utf8(output.stderr).unwrap());
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.lines().count() > 0);
    for line in out.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["signal"].is_string(), "{line}");
    }
}

#[test]
fn answers_replace_the_content_of_a_named_file() {
    let (home, input) = prepared();
    let file = home.path().join("answers");
    std::fs::write(&file, "earlier\n").unwrap();
    let output = example::program("replay", home.path())
        .args(["-", "--answers"])
        .arg(&file)
        .stdin(input)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(output.stdout, b"");
    assert_answer(&read_to_string(file).unwrap());
}

/// Runs a replay whose answers go to the descriptor 3, which the shell opens with `redirection`. The standard output of
/// the shell is `out`, and that of the replay is a file with the same name.
fn replay_with_descriptor(home: &Path, input: File, redirection: &str, out: Stdio) {
    let script = format!(r#"exec "$0" replay --answers 3 {redirection} >out 2>errors"#);
    let mut command = Command::new("sh");
    example::clean(&mut command, home);
    command
        .args(["-c", &script, example::PROGRAM])
        .current_dir(home)
        .stdin(input)
        .stdout(out);
    let status = command.status().unwrap();
    // The command holds a copy of `out`. A reader sees the end of the stream only after all copies are closed.
    drop(command);
    let errors = read_to_string(home.join("errors")).unwrap();
    assert_eq!(status.code(), Some(4), "{errors}");
    assert_eq!(read_to_string(home.join("out")).unwrap(), "");
}

#[test]
fn answers_go_to_an_inherited_pipe() {
    let (home, input) = prepared();
    let (reader, writer) = std::io::pipe().unwrap();
    replay_with_descriptor(home.path(), input, "3>&1", writer.into());
    assert_answer(&std::io::read_to_string(reader).unwrap());
}

#[test]
fn answers_go_to_an_inherited_file_which_keeps_its_content() {
    let (home, input) = prepared();
    let file = home.path().join("answers");
    std::fs::write(&file, "earlier\n").unwrap();
    replay_with_descriptor(home.path(), input, "3>>answers", Stdio::null());
    let text = read_to_string(file).unwrap();
    assert_answer(text.strip_prefix("earlier\n").unwrap());
}

#[test]
fn answers_go_to_an_inherited_socket() {
    let (home, input) = prepared();
    let (reader, writer) = UnixStream::pair().unwrap();
    replay_with_descriptor(home.path(), input, "3>&1", OwnedFd::from(writer).into());
    assert_answer(&std::io::read_to_string(reader).unwrap());
}

/// Run by the superuser, whom permissions do not stop, this test proves nothing. The test with a socket, which no user
/// can open again, does.
#[test]
fn answers_go_to_an_inherited_file_that_cannot_be_opened_again() {
    let (home, input) = prepared();
    let path = home.path().join("answers");
    let file = File::create(&path).unwrap();
    let reader = File::open(&path).unwrap();
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o000))
        .unwrap();
    replay_with_descriptor(home.path(), input, "3>&1", file.into());
    assert_answer(&std::io::read_to_string(reader).unwrap());
}

/// The host would otherwise wait for the end of the answers until the last process of the helper exits.
#[test]
fn headers_helper_does_not_inherit_the_descriptor_for_answers() {
    let receiver = Receiver::http();
    let (home, input) = prepared();
    let helper = r#"echo inherited >&3; printf '{"x-helper":"1"}'"#;
    std::fs::create_dir(home.path().join(".claude")).unwrap();
    std::fs::write(
        home.path().join(".claude/settings.json"),
        json!({ "otelHeadersHelper": helper }).to_string(),
    )
    .unwrap();
    let script = r#"exec "$0" replay --answers 3 3>answers"#;
    let mut command = Command::new("sh");
    example::clean(&mut command, home.path());
    command
        .args(["-c", script, example::PROGRAM])
        .envs(variables(&receiver.endpoint()))
        .current_dir(home.path())
        .stdin(input);
    assert!(command.status().unwrap().success());
    let received = receiver.received();
    assert!(!received.requests.is_empty());
    for request in &received.requests {
        assert_eq!(request.headers["x-helper"], "1");
    }
    assert_answer(&read_to_string(home.path().join("answers")).unwrap());
}

#[test]
fn answers_go_to_a_standard_stream_by_its_number() {
    for number in ["1", "2"] {
        let (home, input) = prepared();
        let output = example::program("replay", home.path())
            .args(["--answers", number])
            .stdin(input)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(4));
        let out = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        let (answer, other) = match number {
            "1" => (&*out, &*errors),
            _ => errors
                .split_once('\n')
                .map(|(off, answer)| (answer, off))
                .unwrap(),
        };
        assert_answer(answer);
        assert!(other.starts_with("telemetry is off"), "{other}");
    }
}

#[test]
fn descriptor_that_is_not_inherited_is_an_error() {
    let (home, input) = prepared();
    // The shell closes the descriptors that the test inherited. The descriptors that the program itself opens, which
    // can have the same numbers, do not count as inherited.
    let script = r#"
        for fd in 3 4 5 6 7 8 9; do
            "$0" replay --answers $fd 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
            test $? = 1 || echo "status of $fd"
        done"#;
    let mut command = Command::new("sh");
    example::clean(&mut command, home.path());
    let output = command.args(["-c", script, example::PROGRAM]);
    let output = output.stdin(input).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    let errors = String::from_utf8(output.stderr).unwrap();
    let expected = (3..=9).map(|fd| {
        format!(
            "cannot open {fd} for answers: this process did not inherit descriptor {fd}; \
             pass it (pass_fds in Python, stdio in Node, {fd}> in a shell)\n"
        )
    });
    assert_eq!(errors, expected.collect::<String>());
}

#[test]
fn invalid_value_of_answers_is_an_error() {
    for (value, problem) in [
        (
            "",
            "cannot open a stream for answers: the value of --answers is empty",
        ),
        (
            "0",
            "cannot open 0 for answers: descriptor 0 is standard input",
        ),
        (
            "99999999999",
            "cannot open 99999999999 for answers: this process did not inherit",
        ),
    ] {
        let (status, errors) = Replay::spawn(&["--answers", value], []).end();
        assert_eq!(status, 1);
        assert!(errors[0].starts_with(problem), "{errors:#?}");
        assert!(!Path::new(value).exists());
    }
}

#[test]
fn status_is_1_if_the_stream_for_answers_cannot_be_opened() {
    for target in ["99", "no-such-folder/answers"] {
        let (status, errors) = Replay::spawn(&["--answers", target], []).end();
        assert_eq!(status, 1);
        assert_eq!(errors.len(), 1, "{errors:#?}");
        let problem = format!("cannot open {target} for answers: ");
        assert!(errors[0].starts_with(&problem), "{errors:#?}");
    }
}

#[test]
fn signal_ends_the_wait_for_the_reader_of_answers() {
    // The names of variables that a subprocess must not inherit make an answer long.
    let long = format!("OTEL_{}", "X".repeat(2_000));
    let mut replay = Replay::spawn(&["-"], [(&*long, "1")]);
    replay.line(SESSION);
    replay.wait_for_error("telemetry is off");
    // More answers than the pipe holds, which the test does not read.
    replay.line(&[ASK; 100].join("\n"));
    assert_eq!(replay.signalled(rustix::process::Signal::TERM).0, 4);
}

#[test]
fn signal_ends_the_wait_in_a_long_answer() {
    let names: Vec<_> = (0..50)
        .map(|n| format!("OTEL_{n}_{}", "X".repeat(1_000)))
        .collect();
    let mut replay = Replay::spawn(&["-"], names.iter().map(|name| (&**name, "1")));
    replay.line(SESSION);
    replay.wait_for_error("telemetry is off");
    // The second answer does not fit into the pipe.
    replay.line(&[ASK; 2].join("\n"));
    // Time in which the replay begins to wait for the reader.
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(replay.signalled(rustix::process::Signal::TERM).0, 4);
}

#[test]
fn answer_follows_each_step_at_once() {
    let mut replay = Replay::spawn(&[], []);
    replay.line(SESSION);
    for _ in 0..3 {
        assert_answer(&replay.ask(ASK));
    }
    assert_eq!(replay.end().0, 4);
}

/// A process that shares a stream can make it non-blocking.
#[test]
fn answers_to_a_non_blocking_stream_are_complete() {
    const ANSWERS: usize = 500;
    let home = tempfile::tempdir().unwrap();
    let (mut reader, writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    let mut child = example::program("replay", home.path())
        .env(format!("OTEL_{}", "X".repeat(2_000)), "1")
        .stdin(Stdio::piped())
        .stdout(OwnedFd::from(writer))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // More answers than the stream holds.
    let steps = format!("{ASK}\n").repeat(ANSWERS);
    write!(input, "{SESSION}\n{steps}").unwrap();
    drop(input);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), ANSWERS);
    text.lines().for_each(assert_answer);
    assert_eq!(child.wait().unwrap().code(), Some(4));
}
