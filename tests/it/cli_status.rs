//! The exit statuses of the command `replay`, and that signals do not change them.
#![cfg(all(feature = "cli", unix))]

use crate::example;
use crate::host::{PATIENCE, wait_until};
use crate::replay::{Replay, SESSION, SHORT, names, skill, unavailable};
use crate::support::{Answer, Receiver};
use rustix::process::Signal;

const SIGNALS: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::HUP];

const OFF: &str = "telemetry is off, so nothing is sent: set CLAUDE_CODE_ENABLE_TELEMETRY=1";

#[test]
fn status_is_0_if_everything_was_delivered() {
    let receiver = Receiver::http();
    let mut replay = Replay::start(&receiver, &[]);
    replay.line(SESSION);
    replay.line(&skill("s"));
    assert_eq!(replay.end(), (0, Vec::new()));
    assert_eq!(names(&receiver), ["skill_activated"]);
}

#[test]
fn status_is_1_if_the_input_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.jsonl");
    let missing = missing.to_str().unwrap();
    let (status, errors) = Replay::spawn(&[missing], []).end();
    assert_eq!(status, 1);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].starts_with(&format!("cannot open {missing}: ")));

    // A folder can be opened but not read. This error takes precedence over the status of disabled telemetry.
    let folder = folder.path().to_str().unwrap();
    let (status, errors) = Replay::spawn(&[folder], []).end();
    assert_eq!(status, 1);
    let last = errors.last().unwrap();
    assert!(last.starts_with("cannot read the transcript: "), "{last}");
}

/// Runs a replay that can open `descriptors` files at a time. Returns its exit status and standard error.
fn with_descriptors(descriptors: u32, file: &std::path::Path) -> (Option<i32>, String) {
    let home = tempfile::tempdir().unwrap();
    let program = example::program("replay", home.path());
    // Descriptors that the test inherited count too.
    let script = format!(
        "exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; ulimit -n {descriptors} && exec \"$0\" \"$@\""
    );
    let mut shell = std::process::Command::new("sh");
    example::clean(&mut shell, home.path());
    let output = shell
        .args(["-c".as_ref(), script.as_ref(), program.get_program()])
        .args(program.get_args())
        .arg(file)
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), errors)
}

#[test]
fn status_is_1_without_descriptors_for_the_signals() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (descriptors, problem) in [
        (4, "cannot wait for signals: "),
        // Enough for the signals, but not for a thread that opens the input.
        (5, "cannot open the input: "),
    ] {
        let (status, errors) = with_descriptors(descriptors, file.path());
        assert_eq!(status, Some(1), "{errors}");
        assert!(errors.starts_with(problem), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

#[test]
fn status_is_2_if_a_line_was_invalid_also_if_telemetry_was_lost_or_is_off() {
    let receiver = Receiver::http();
    let mut replay = Replay::start(&receiver, &[]);
    replay.line("{");
    assert_eq!(replay.end().0, 2);

    // The receiver accepts nothing, and the timeouts are short.
    let receiver = unavailable();
    let mut replay = Replay::start(&receiver, &SHORT);
    replay.line(SESSION);
    replay.line("{");
    let (status, errors) = replay.end();
    assert_eq!(status, 2);
    assert!(errors.iter().any(|line| line.contains("not everything")));

    let mut replay = Replay::spawn(&[], []);
    replay.line("{");
    let (status, errors) = replay.end();
    assert_eq!(status, 2);
    assert!(errors[1].starts_with(OFF), "{errors:#?}");
}

#[test]
fn status_is_3_if_telemetry_was_lost() {
    let receiver = unavailable();
    let mut replay = Replay::start(&receiver, &SHORT);
    replay.line(SESSION);
    let (status, errors) = replay.end();
    assert_eq!(status, 3);
    assert!(errors.iter().any(|line| line.contains("not everything")));

    // Everything was sent in time, and the receiver rejected it.
    let receiver = Receiver::http();
    receiver.answer(|_| Answer::status(400));
    let mut replay = Replay::start(&receiver, &[]);
    replay.line(SESSION);
    replay.line(&skill("s"));
    let (status, errors) = replay.end();
    assert_eq!(status, 3);
    assert!(errors.iter().any(|line| line.contains("1 lost")));
}

#[test]
fn warnings_are_written_once_also_if_telemetry_was_lost() {
    let receiver = unavailable();
    let misspelled = ("OTEL_EXPORTER_OLTP_ENDPOINT", "http://collector:4318");
    let mut replay = Replay::start(&receiver, &[SHORT[0], SHORT[1], misspelled]);
    replay.line(SESSION);
    replay.line(&skill("s"));
    let (status, errors) = replay.end();
    assert_eq!(status, 3);
    let warnings = errors.iter().filter(|line| line.contains(misspelled.0));
    assert_eq!(warnings.count(), 1, "{errors:#?}");
}

#[test]
fn status_is_4_if_telemetry_is_off_which_is_reported_once() {
    let mut replay = Replay::spawn(&["-"], []);
    replay.line(SESSION);
    replay.line(SESSION);
    replay.line(&skill("s"));
    let (status, errors) = replay.end();
    assert_eq!(status, 4);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].starts_with(OFF), "{errors:#?}");
    assert!(errors[0].contains("`claude-code-telemetry explain`"));
    // An empty input has the same status and message.
    assert_eq!(Replay::spawn(&["-"], []).end(), (4, errors));
}

#[test]
fn status_is_4_if_telemetry_has_no_exporter() {
    let none = [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("OTEL_LOGS_EXPORTER", "none"),
    ];
    let mut replay = Replay::spawn(&["-"], none);
    replay.line(SESSION);
    let (status, errors) = replay.end();
    assert_eq!(status, 4);
    let last = errors.last().unwrap();
    let problem = "telemetry has no exporter, so nothing is sent: set ";
    assert!(last.starts_with(problem), "{errors:#?}");
}

#[test]
fn signal_leaves_each_status_as_it_is() {
    for signal in SIGNALS {
        let receiver = Receiver::http();
        let often = [("OTEL_LOGS_EXPORT_INTERVAL", "20")];
        let mut replay = Replay::start(&receiver, &often);
        replay.line(SESSION);
        replay.line(&skill("s"));
        receiver.wait_until(PATIENCE, |received| received.logs().len() == 1);
        assert_eq!(replay.signalled(signal), (0, Vec::new()), "{signal:?}");

        let mut replay = Replay::start(&receiver, &[]);
        replay.line(SESSION);
        replay.line("{");
        replay.wait_for_error("line 2: ");
        assert_eq!(replay.signalled(signal).0, 2, "{signal:?}");

        let receiver = unavailable();
        let mut replay = Replay::start(&receiver, &[SHORT[0], SHORT[1], often[0]]);
        replay.line(SESSION);
        replay.line(&skill("s"));
        receiver.wait_until(PATIENCE, |received| !received.requests.is_empty());
        assert_eq!(replay.signalled(signal).0, 3, "{signal:?}");

        let mut replay = Replay::spawn(&["-"], []);
        replay.line(SESSION);
        replay.wait_for_error(OFF);
        assert_eq!(replay.signalled(signal).0, 4, "{signal:?}");
    }
}

/// The program blocks signals before it opens the pipe: its signal mask shows when the test may send one.
#[cfg(target_os = "linux")]
#[test]
fn signal_ends_the_wait_for_the_writer_of_a_named_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("steps");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let replay = Replay::spawn(&[path.to_str().unwrap()], []);
    let blocks_signals = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", replay.id())).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
        u64::from_str_radix(mask.unwrap().trim(), 16).unwrap() != 0
    };
    wait_until(blocks_signals);
    assert_eq!(replay.signalled(Signal::TERM).0, 4);
}

/// Each `flush` waits on another thread, with a pair of descriptors. The message about the invalid line that follows
/// shows that the flush is over.
#[cfg(target_os = "linux")]
#[test]
fn open_descriptors_do_not_grow_with_the_number_of_steps() {
    let receiver = Receiver::http();
    let mut replay = Replay::start(&receiver, &[]);
    let folder = format!("/proc/{}/fd", replay.id());
    let open = || std::fs::read_dir(&folder).unwrap().count();
    replay.line(SESSION);
    let mut counts = Vec::new();
    for n in 1..=20 {
        replay.line(&skill("s"));
        replay.line(r#"{"step":"flush"}"#);
        replay.line(&format!("bad {n}"));
        replay.wait_for_error(&format!("line {}: ", 1 + 3 * n));
        counts.push(open());
    }
    assert!(counts[19] <= counts[0] + 1, "{counts:?}");
    assert_eq!(replay.end().0, 2);
}
