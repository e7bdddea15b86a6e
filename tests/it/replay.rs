//! The command `replay`, into which hosts in any language can pipe a transcript.
#![cfg(all(
    feature = "grpc",
    feature = "http",
    feature = "console",
    feature = "serde"
))]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::example;
use crate::host::{ENABLE_TRACES, PATIENCE};
use crate::support::{Answer, Receiver};
use serde_json::json;
use tempfile::TempDir;

/// Returns the variables of a replay that exports metrics and events to an endpoint.
pub(crate) fn variables(endpoint: &str) -> [(&str, &str); 7] {
    [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "60000"),
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000"),
    ]
}

/// Short timeouts, for tests with a receiver that accepts nothing.
pub(crate) const SHORT: [(&str, &str); 2] = [
    ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "300"),
    ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "300"),
];

/// Starts a receiver that accepts nothing.
pub(crate) fn unavailable() -> Receiver {
    let receiver = Receiver::http();
    receiver.answer(|_| Answer::status(503));
    receiver
}

/// A running replay that reads the lines that the test writes.
pub(crate) struct Replay {
    child: Child,
    input: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// The lines of its standard error, as they are written.
    errors: mpsc::Receiver<String>,
    /// The lines that were already taken from `errors`.
    seen: Vec<String>,
    _home: TempDir,
}

impl Replay {
    /// Starts a replay that exports metrics and events to a receiver.
    pub(crate) fn start(receiver: &Receiver, extra: &[(&str, &str)]) -> Self {
        let endpoint = receiver.endpoint();
        Self::spawn(&["-"], variables(&endpoint).iter().chain(extra).copied())
    }

    /// Starts a replay with these arguments and variables.
    pub(crate) fn spawn<'a>(
        arguments: &[&str],
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut child = example::program("replay", home.path())
            .args(arguments)
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (line, errors) = mpsc::channel();
        std::thread::spawn(move || {
            stderr
                .lines()
                .for_each(|error| line.send(error.unwrap()).unwrap());
        });
        Self {
            input: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            errors,
            seen: Vec::new(),
            child,
            _home: home,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn line(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
        self.input.flush().unwrap();
    }

    /// Writes a step that has an answer, and returns the line of the answer.
    pub(crate) fn ask(&mut self, step: &str) -> String {
        self.line(step);
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer
    }

    /// Waits until a line of standard error contains a text.
    pub(crate) fn wait_for_error(&mut self, text: &str) {
        while !self.seen.last().is_some_and(|line| line.contains(text)) {
            let line = self.errors.recv_timeout(PATIENCE);
            self.seen.push(line.unwrap());
        }
    }

    /// Closes the input, and asserts that no answer is left. Returns the exit status and the lines of standard error.
    /// The status is 0 if everything was delivered, 2 after an invalid line, 3 after a loss, and 4 if
    /// telemetry is off.
    pub(crate) fn end(mut self) -> (i32, Vec<String>) {
        drop(self.input);
        let status = self.child.wait().unwrap();
        assert_eq!(std::io::read_to_string(self.answers).unwrap(), "");
        self.seen.extend(self.errors);
        (status.code().unwrap(), self.seen)
    }

    /// Closes the input, and kills the program, which may still wait for its exports.
    pub(crate) fn kill(mut self) {
        drop(self.input);
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[cfg(unix)]
impl Replay {
    /// Sends a signal while the input stays open. Returns the exit status and the lines of standard error.
    pub(crate) fn signalled(mut self, signal: rustix::process::Signal) -> (i32, Vec<String>) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, signal).unwrap();
        let (exited, status) = mpsc::channel();
        std::thread::spawn(move || exited.send(self.child.wait().unwrap()));
        let Ok(status) = status.recv_timeout(PATIENCE) else {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
            panic!("the replay continues after {signal:?}");
        };
        drop(self.input);
        let code = status.code().unwrap_or_else(|| panic!("{status}"));
        self.seen.extend(self.errors);
        (code, self.seen)
    }
}

/// Returns the names of the events that a receiver accepted.
pub(crate) fn names(receiver: &Receiver) -> Vec<String> {
    let logs = receiver.received().accepted().logs();
    logs.iter()
        .map(|log| log.attributes["event.name"].as_str().unwrap().to_owned())
        .collect()
}

pub(crate) const SESSION: &str = r#"{"step":"session","user_id":"u"}"#;

pub(crate) fn skill(name: &str) -> String {
    format!(r#"{{"step":"skill_activated","skill_name":"{name}","skill_source":"bundled"}}"#)
}

#[test]
fn open_stream_is_exported_at_the_interval() {
    let receiver = Receiver::http();
    let mut replay = Replay::start(&receiver, &[("OTEL_LOGS_EXPORT_INTERVAL", "20")]);
    replay.line(SESSION);
    // Each line is exported although the input stays open and no other line follows.
    for n in 1..=3 {
        let before = SystemTime::now();
        replay.line(&skill(&format!("s{n}")));
        let received = receiver.wait_until(PATIENCE, |received| received.logs().len() == n);
        // The record has the time when the line was read: after it was written, and before it arrived.
        let time = UNIX_EPOCH + Duration::from_nanos(received.logs()[n - 1].time);
        assert!(time >= before && time <= SystemTime::now());
    }
    assert_eq!(replay.end(), (0, Vec::new()));
}

#[test]
fn end_of_input_flushes_everything() {
    let receiver = Receiver::http();
    let hourly = [
        ("OTEL_LOGS_EXPORT_INTERVAL", "3600000"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "3600000"),
    ];
    let mut replay = Replay::start(&receiver, &hourly);
    replay.line(SESSION);
    replay.line(&skill("s"));
    // The last line needs no line feed.
    write!(replay.input, r#"{{"step":"commit","count":2}}"#).unwrap();
    assert_eq!(replay.end(), (0, Vec::new()));
    assert_eq!(names(&receiver), ["skill_activated"]);
    let points = receiver.received().accepted().points();
    let commits = points
        .iter()
        .find(|point| point.name == "claude_code.commit.count");
    assert_eq!(commits.unwrap().value, 2.0);
}

#[test]
fn invalid_lines_are_reported_with_their_number_and_skipped() {
    let receiver = Receiver::http();
    let mut replay = Replay::start(&receiver, &[]);
    let lines = [
        SESSION,
        "",
        "# a comment",
        "[]",
        "{",
        r#"{"step":"nonsense"}"#,
        r#"{"step":"cost","model":"m","usd":-1}"#,
        r#"{"step":"cost","model":"m"}"#,
        r#"{"step":"tool_decision","tool_name":"Bash","decision":"maybe","source":"config"}"#,
        r#"{"step":"prompt_end"}"#,
        r#"{"step":"prompt","text":"hi","at":"yesterday"}"#,
        r#"{"step":"tool","tool_name":"Bash","decision":"accept"}"#,
        r#"{"step":"tool","tool_name":"Bash","input":[1]}"#,
        r#"{"step":"session","session_id":"not-a-uuid"}"#,
        r#"{"step":"tokens","model":"m","type":"input","count":9223372036854775808}"#,
        r#"{"step":"skill_activated","skill_name":"good","skill_source":"bundled","new":1}"#,
    ];
    for line in lines {
        replay.line(line);
    }
    // This line is not valid UTF-8.
    replay.input.write_all(b"{\"step\": \"\xff\"}\n").unwrap();
    let (status, errors) = replay.end();
    assert_eq!(status, 2);
    let expected = [
        "line 4: not a JSON object",
        "line 5: EOF while parsing an object (column 1)",
        r#"line 6: unknown step "nonsense""#,
        "line 7: the value must be a finite number that is not negative (column 36)",
        "line 8: missing field `usd`",
        r#"line 9: unknown value "maybe": expected one of accept, reject"#,
        "line 10: no prompt is open",
        r#"line 11: "yesterday" is not a time in UTC such as 2026-04-20T09:00:01.5Z"#,
        "line 12: a decision without its source",
        "line 13: expected a JSON object",
        r#"line 14: "not-a-uuid" is not a UUID with hyphens"#,
        "line 15: the number is too large",
        "line 17: invalid utf-8 sequence",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!(names(&receiver), ["skill_activated"]);
}

#[test]
fn byte_order_mark_is_ignored_only_at_the_beginning() {
    let receiver = Receiver::http();
    let mut replay = Replay::start(&receiver, &[]);
    replay.line(&format!("\u{feff}{SESSION}"));
    replay.line(&skill("first"));
    replay.line(&format!("\u{feff}{}", skill("second")));
    let errors = vec!["line 3: not a JSON object".to_owned()];
    assert_eq!(replay.end(), (2, errors));
    assert_eq!(names(&receiver), ["skill_activated"]);
}

#[test]
fn overlong_line_is_skipped_within_a_memory_limit() {
    let receiver = Receiver::http();
    let mut replay = Replay::start(&receiver, &[]);
    replay.line(SESSION);
    let chunk = vec![b'x'; 1024 * 1024];
    for _ in 0..40 {
        replay.input.write_all(&chunk).unwrap();
    }
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string(format!("/proc/{}/status", replay.id())).unwrap();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        // The limit covers 16 MiB of the line, in a buffer that grows by doubling, and the program itself.
        assert!(peak < 80 * 1024, "{peak} kB");
    }
    replay.line("");
    replay.line(&skill("after"));
    let (status, errors) = replay.end();
    assert_eq!(status, 2);
    assert_eq!(errors, ["line 2: longer than 16777216 bytes"]);
    assert_eq!(names(&receiver), ["skill_activated"]);
}

#[test]
fn oldest_session_is_ended_when_too_many_are_open() {
    let receiver = Receiver::http();
    let mut replay = Replay::start(&receiver, &[]);
    let other_version = r#"{"step":"session","user_id":"u","app_version":"other"}"#;
    replay.line(&format!("{SESSION}\n").repeat(1_026));
    replay.line(&format!("{other_version}\n{}", skill("newest")));
    // There is one session end more than open sessions.
    replay.line(&format!("{}\n", r#"{"step":"session_end"}"#).repeat(1_025));
    let (status, errors) = replay.end();
    assert_eq!(status, 2);
    let full = "more than 1024 sessions are open: this one is started, the oldest is ended";
    assert_eq!(
        errors,
        [
            format!("line 1025: {full}"),
            format!("line 1026: {full}"),
            format!(
                r#"line 1028: {full}; app_version "other" is left out, the session goes on: the service's is "{}""#,
                env!("CARGO_PKG_VERSION")
            ),
            "line 2054: no session is open".to_owned(),
        ]
    );
    assert_eq!(names(&receiver), ["skill_activated"]);
}

#[test]
fn no_data_is_lost_when_the_transcript_is_faster_than_the_receiver() {
    let receiver = Receiver::http();
    let mut replay = Replay::start(&receiver, &[]);
    replay.line(SESSION);
    // More lines than the queue of an exporter holds.
    const LINES: usize = 40_000;
    let line = skill("s");
    let mut many = String::new();
    for _ in 0..LINES {
        many.push_str(&line);
        many.push('\n');
    }
    replay.input.write_all(many.as_bytes()).unwrap();
    assert_eq!(replay.end(), (0, Vec::new()));
    assert_eq!(receiver.received().accepted().logs().len(), LINES);
}

#[test]
fn replay_exits_and_reports_losses_when_the_receiver_is_unavailable() {
    let receiver = unavailable();
    let mut replay = Replay::start(&receiver, &SHORT);
    replay.line(SESSION);
    for n in 0..30_000 {
        replay.line(&skill(&n.to_string()));
    }
    let (status, errors) = replay.end();
    assert_eq!(status, 3);
    assert!(
        errors.iter().any(|line| line.contains(" lost")),
        "{errors:#?}"
    );
}

#[test]
fn empty_strings_in_a_line_are_omitted() {
    let receiver = Receiver::http();
    let mut replay = Replay::start(&receiver, &ENABLE_TRACES);
    for line in [
        r#"{"step":"session","session_id":"","app_version":"","user_id":"u","email":""}"#,
        r#"{"step":"prompt","text":"hi","prompt_id":""}"#,
        r#"{"step":"api_request","model":"m","metric_model":"","cost_usd":0,"duration_ms":0,"parent_tool":""}"#,
        r#"{"step":"tool","tool_name":"Bash","tool_use_id":"","parent_tool":"","error":""}"#,
    ] {
        replay.line(line);
    }
    assert_eq!(replay.end(), (0, Vec::new()));
    let received = receiver.received().accepted();
    let mut texts = Vec::new();
    texts.extend(received.logs().into_iter().map(|log| log.attributes));
    texts.extend(received.points().into_iter().map(|point| point.attributes));
    texts.extend(received.spans().into_iter().map(|span| span.attributes));
    for attributes in texts {
        assert!(
            !attributes.values().any(|value| value == ""),
            "{attributes:?}"
        );
    }
    let spans = received.spans();
    // With an empty `parent_tool`, the request and the tool are children of the prompt.
    let interaction = spans.iter().find(|span| span.parent_span_id.is_empty());
    let parent = interaction.unwrap().span_id.clone();
    let children = spans.iter().filter(|span| span.parent_span_id == parent);
    assert_eq!(children.count(), 2);
}

#[cfg(unix)]
#[test]
fn signal_ends_the_input_after_the_lines_in_the_pipe() {
    use rustix::process::Signal;
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let receiver = Receiver::http();
        let intervals = [
            ("OTEL_LOGS_EXPORT_INTERVAL", "20"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "3600000"),
        ];
        let mut replay = Replay::start(&receiver, &intervals);
        replay.line(SESSION);
        replay.line(r#"{"step":"commit"}"#);
        replay.line(&skill("first"));
        receiver.wait_until(PATIENCE, |received| received.logs().len() == 1);
        // Lines that are in the pipe when the signal arrives are still read.
        replay.line(&[skill("s").as_str(); 100].join("\n"));
        assert_eq!(replay.signalled(signal), (0, Vec::new()));
        let received = receiver.received().accepted();
        assert_eq!(received.logs().len(), 101, "{signal:?}");
        let commits = received
            .points()
            .into_iter()
            .filter(|point| point.name == "claude_code.commit.count");
        assert_eq!(commits.map(|point| point.value).sum::<f64>(), 1.0);
    }
}

#[cfg(unix)]
#[test]
fn signal_ends_a_sleep_step() {
    let receiver = Receiver::http();
    let mut replay = Replay::start(&receiver, &[("OTEL_LOGS_EXPORT_INTERVAL", "20")]);
    replay.line(SESSION);
    replay.line(&skill("before"));
    replay.line(r#"{"step":"sleep","ms":3600000}"#);
    replay.line(&skill("after"));
    receiver.wait_until(PATIENCE, |received| received.logs().len() == 1);
    let ended = replay.signalled(rustix::process::Signal::TERM);
    assert_eq!(ended, (0, Vec::new()));
    assert_eq!(names(&receiver).len(), 2);
}

#[cfg(unix)]
#[test]
fn signal_ends_the_wait_for_an_unavailable_receiver() {
    let receiver = unavailable();
    // The step `flush` waits for an hour. After the signal, only the timeout of the shutdown applies.
    let limits = [
        ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "3600000"),
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "300"),
    ];
    let mut replay = Replay::start(&receiver, &limits);
    replay.line(SESSION);
    replay.line(r#"{"step":"flush"}"#);
    receiver.wait_until(PATIENCE, |received| !received.requests.is_empty());
    let (status, errors) = replay.signalled(rustix::process::Signal::TERM);
    assert_eq!(status, 3);
    assert!(
        errors.iter().any(|line| line.contains(" lost")),
        "{errors:#?}"
    );
}

#[test]
fn lone_surrogates_in_a_line_become_u_fffd() {
    let receiver = Receiver::http();
    let content = [
        ("OTEL_LOG_USER_PROMPTS", "1"),
        ("OTEL_LOG_TOOL_DETAILS", "1"),
        ("OTEL_LOG_RAW_API_BODIES", "1"),
    ];
    let mut replay = Replay::start(&receiver, &content);
    for line in [
        SESSION,
        r#"{"step":"prompt","text":"cut \ud83d, whole \ud83d\ude00, no escape \\ud83d"}"#,
        r#"{"step":"tool_result","tool_name":"Bash\uDE00","input":{"command":"echo \ud800"}}"#,
        r#"{"step":"api_request_body","model":"m","body":{"\udfff":"a\ud83d\ud83d\ude00"}}"#,
    ] {
        replay.line(line);
    }
    assert_eq!(replay.end(), (0, Vec::new()));
    let logs = receiver.received().accepted().logs();
    let sent = |log: usize, key: &str| logs[log].attributes[key].clone();
    assert_eq!(
        sent(0, "prompt"),
        json!("cut \u{fffd}, whole \u{1f600}, no escape \\ud83d")
    );
    assert_eq!(sent(1, "tool_name"), json!("Bash\u{fffd}"));
    assert_eq!(
        sent(1, "tool_input"),
        json!("{\"command\":\"echo \u{fffd}\"}")
    );
    assert_eq!(
        sent(2, "body"),
        json!("{\"\u{fffd}\":\"a\u{fffd}\u{1f600}\"}")
    );
}
