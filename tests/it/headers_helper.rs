//! The setting `otelHeadersHelper` is a command of the user that prints headers. Nothing is sent before its first
//! success, and its headers never appear in any output.
#![cfg(all(unix, any(feature = "grpc", feature = "http")))]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::host::{
    Diagnostics, ENABLE_TRACES, PATIENCE, Protocol, config_builder, environment, otlp, service,
    session, start_with_diagnostics, wait_for_health, wait_until, within,
};
use crate::reconfigure::block_responses;
use crate::support;
use crate::support::{Answer, Receiver, Request};
use claude_code_telemetry::{ApiRequest, Config, ExporterState, Signal, Telemetry};
use tempfile::TempDir;
use tonic::Code;

/// The variable with the interval between two runs of the helper, in milliseconds.
const DEBOUNCE: &str = "CLAUDE_CODE_OTEL_HEADERS_HELPER_DEBOUNCE_MS";

/// A helper script that counts its runs and then runs a second script, which a test can replace.
struct Helper {
    folder: TempDir,
}

impl Helper {
    /// Creates a helper. In `body`, `$n` is the number of the run, counted from 1, and `$folder` is the helper's
    /// folder.
    fn new(body: &str) -> Self {
        let helper = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let folder = helper.folder.path().display();
        let start = format!(
            "folder='{folder}'\necho >> \"$folder/runs\"\nn=$(($(wc -l < \"$folder/runs\")))\n"
        );
        fs::write(helper.file("start"), start + ". \"$folder/body\"\n").unwrap();
        helper.replace_body(body);
        helper
    }

    /// Creates a helper that returns the number of its run as the header `x-run`.
    fn counting() -> Self {
        Self::new(r#"printf '{"X-Run":"%s"}' $n"#)
    }

    /// Replaces the body for all further runs.
    fn replace_body(&self, body: &str) {
        fs::write(self.file("next"), body).unwrap();
        fs::rename(self.file("next"), self.file("body")).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the shell command that runs the helper.
    fn command(&self) -> String {
        format!("sh '{}'", self.file("start").display())
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.file("runs")).map_or(0, |runs| runs.lines().count())
    }
}

fn config(endpoint: &str, protocol: Protocol, command: &str, extra: &[(&str, &str)]) -> Config {
    let extra = [&ENABLE_TRACES[..], extra].concat();
    config_builder(environment(endpoint, protocol, &extra))
        .set("otelHeadersHelper", command)
        .build()
}

/// Starts telemetry with a helper. Returns it with the list of diagnostics.
fn start(
    receiver: &Receiver,
    protocol: Protocol,
    command: &str,
    extra: &[(&str, &str)],
) -> (Telemetry, Diagnostics) {
    let config = config(&receiver.endpoint(), protocol, command, extra);
    assert_eq!(config.warnings(), []);
    start_with_diagnostics(Telemetry::builder(config, service()))
}

/// Records data for every signal.
fn record(telemetry: &Telemetry) {
    let session = telemetry.session(session("helped"));
    let prompt = session.prompt("Fix the bug");
    prompt.record_api_request(ApiRequest::new("sonnet").cost_usd(0.5));
    prompt.end();
}

fn signal(request: &Request) -> &'static str {
    use support::Message;
    match &request.message {
        Message::Metrics(_) => "metrics",
        Message::Logs(_) => "logs",
        Message::Traces(_) => "traces",
        Message::Unreadable(why) => panic!("{why}"),
    }
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.headers.get(name).map(String::as_str)
}

fn signals(requests: &[Request]) -> BTreeSet<&'static str> {
    requests.iter().map(signal).collect()
}

/// Returns the two responses of a protocol that reject the credentials.
fn refusals(protocol: Protocol) -> [Answer; 2] {
    match protocol {
        Protocol::Grpc => [Code::Unauthenticated, Code::PermissionDenied]
            .map(|code| Answer::code(code, "token expired")),
        _ => [401, 403].map(|code| Answer::status(code).body("text/plain", "token expired")),
    }
}

/// Returns true if the process whose id is in `file` is running. A zombie process is not running.
fn is_running(file: &Path) -> bool {
    let pid = fs::read_to_string(file).unwrap();
    let pid = pid.trim();
    assert!(!pid.is_empty());
    if Path::new("/proc/self/stat").exists() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        return stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim().starts_with('Z'));
    }
    let output = Command::new("ps").args(["-o", "stat=", "-p", pid]).output();
    let state = String::from_utf8(output.unwrap().stdout).unwrap();
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

fn is_written(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.ends_with('\n'))
}

#[test]
fn helper_headers_override_static_headers_on_every_signal() {
    let helper = Helper::new(
        r#"printf '{"Authorization":"Bearer helper","X-BOTH":"helper","X-New":"helper","content-type":"x"}'"#,
    );
    let specific = "x-both=signal,x-signal=signal";
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let extra = [
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "authorization=general,X-General=general,x-both=general",
            ),
            ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", specific),
            ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", specific),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", specific),
        ];
        let (telemetry, diagnostics) = start(&receiver, protocol, &helper.command(), &extra);
        record(&telemetry);
        let report = telemetry.shutdown();
        assert!(report.is_complete(), "{report}");
        // The helper returned a header that belongs to the protocol. It is omitted, which causes the only diagnostic.
        wait_until(|| !diagnostics.all().is_empty());
        let messages = diagnostics.all();
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(
            messages[0].contains("the header at position 4"),
            "{messages:?}"
        );
        let requests = receiver.received().requests;
        assert_eq!(signals(&requests).len(), 3, "{requests:?}");
        for request in &requests {
            assert!(request.answer.is_success(), "{request:?}");
            for (name, value) in [
                ("authorization", "Bearer helper"),
                ("x-general", "general"),
                ("x-signal", "signal"),
                ("x-both", "helper"),
                ("x-new", "helper"),
            ] {
                assert_eq!(header(request, name), Some(value), "{name} of {request:?}");
            }
        }
    }
    assert_eq!(
        helper.runs(),
        Protocol::all().len(),
        "one run for all signals"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn helper_starts_with_an_empty_signal_mask() {
    let helper = Helper::new(
        r#"printf '{"X-Blocked":"%s"}' "$(sed -n 's/^SigBlk:[[:space:]]*//p' /proc/self/status)""#,
    );
    let receiver = Protocol::any().receiver();
    let (telemetry, _) = start(&receiver, Protocol::any(), &helper.command(), &[]);
    record(&telemetry);
    assert!(telemetry.shutdown().is_complete());
    for request in &receiver.received().requests {
        assert_eq!(header(request, "x-blocked"), Some("0000000000000000"));
    }
}

#[test]
fn helper_path_may_contain_spaces_and_shell_characters() {
    let helper = Helper::counting();
    let folder = helper.file("a folder; exit 9 #");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("my helper $(exit 9).sh");
    let script = format!("#!/bin/sh\nexec {}\n", helper.command());
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let (telemetry, _) = start(&receiver, protocol, path.to_str().unwrap(), &[]);
    record(&telemetry);
    assert!(telemetry.shutdown().is_complete());
    for request in receiver.received().requests {
        assert!(header(&request, "x-run").is_some(), "{request:?}");
    }
}

#[test]
fn helper_runs_again_at_the_interval() {
    let helper = Helper::counting();
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let (telemetry, diagnostics) =
            start(&receiver, protocol, &helper.command(), &[(DEBOUNCE, "100")]);
        let mut seen = BTreeSet::new();
        let deadline = Instant::now() + PATIENCE;
        while seen.len() < 3 {
            assert!(Instant::now() < deadline, "{seen:?}");
            record(&telemetry);
            assert!(telemetry.flush().is_complete());
            for request in receiver.received().requests {
                seen.insert(header(&request, "x-run").unwrap().to_owned());
            }
        }
        telemetry.shutdown();
        assert_eq!(diagnostics.all(), [""; 0]);
    }
}

#[test]
fn helper_runs_once_after_rejected_credentials_and_data_is_resent() {
    for protocol in Protocol::all() {
        for refusal in refusals(protocol) {
            let helper = Helper::counting();
            let receiver = protocol.receiver();
            let (telemetry, diagnostics) = start(&receiver, protocol, &helper.command(), &[]);
            receiver.answer_by(move |_, request| match header(request, "x-run") {
                Some("1") => refusal.clone(),
                Some("2") => Answer::Ok,
                other => panic!("{other:?}"),
            });
            record(&telemetry);
            let report = telemetry.shutdown();
            assert!(report.is_complete(), "{report}");
            let received = receiver.received();
            assert_eq!(signals(&received.accepted().requests).len(), 3);
            for request in &received.accepted().requests {
                // The rejected bytes are resent unchanged. A signal that got its headers after the second run was not
                // rejected at all.
                let same = |other: &&Request| signal(other) == signal(request);
                assert!(
                    received
                        .requests
                        .iter()
                        .filter(same)
                        .all(|other| other.body == request.body)
                );
            }
            assert_eq!(helper.runs(), 2, "{protocol:?}");
            assert_eq!(diagnostics.all(), [""; 0]);
        }
    }
}

#[test]
fn data_is_kept_until_the_helper_returns_accepted_credentials() {
    for protocol in Protocol::all() {
        for refusal in refusals(protocol) {
            let helper = Helper::counting();
            let receiver = protocol.receiver();
            let accepts = Arc::new(AtomicBool::new(false));
            let (telemetry, diagnostics) = start(&receiver, protocol, &helper.command(), &[]);
            let receiver_accepts = Arc::clone(&accepts);
            receiver.answer(move |_| {
                if receiver_accepts.load(Ordering::SeqCst) {
                    Answer::Ok
                } else {
                    refusal.clone()
                }
            });
            record(&telemetry);
            let start = Instant::now();
            assert!(
                !telemetry
                    .flush_within(Duration::from_millis(700))
                    .is_complete()
            );
            wait_for_health(&telemetry, |health| {
                let mut exporters = health.exporters.iter();
                exporters.all(|exporter| exporter.state == ExporterState::Failing)
            });
            let health = telemetry.health();
            for signal in [Signal::Metrics, Signal::Logs, Signal::Traces] {
                let health = otlp(&health, signal);
                assert_eq!(health.dropped.total(), 0, "{health:?}");
                let error = health.last_error.unwrap().message;
                assert!(
                    error.contains("token expired") && error.contains("otelHeadersHelper"),
                    "{error}"
                );
            }
            let (runs, time) = (helper.runs() as u128, start.elapsed());
            // Rejections cause runs at least 250 ms apart: half of the first back-off of 500 ms, which has jitter. The
            // bound is generous: five runs for each 700 ms that have begun.
            let most = 5 * (1 + time.as_millis() / 700);
            assert!((2..=most).contains(&runs), "{runs} runs in {time:?}");
            accepts.store(true, Ordering::SeqCst);
            let report = telemetry.shutdown();
            assert!(report.is_complete(), "{report}");
            assert_eq!(signals(&receiver.received().accepted().requests).len(), 3);
            wait_until(|| diagnostics.all().len() >= 3);
            assert_eq!(
                diagnostics.all().len(),
                3,
                "one diagnostic for each signal: {:?}",
                diagnostics.all()
            );
        }
    }
}

#[test]
fn rejected_credentials_drop_the_data_without_a_helper() {
    for protocol in Protocol::all() {
        for refusal in refusals(protocol) {
            let receiver = protocol.receiver();
            receiver.answer(move |_| refusal.clone());
            let (telemetry, _) = start(&receiver, protocol, "", &[]);
            record(&telemetry);
            telemetry.flush();
            let health = telemetry.health();
            let health = otlp(&health, Signal::Logs);
            assert!(
                health.dropped.refused > 0 && health.queued == 0,
                "{health:?}"
            );
        }
    }
}

#[test]
fn no_data_is_sent_before_the_helper_succeeds() {
    for protocol in Protocol::all() {
        let helper = Helper::new(
            r#"[ -e "$folder/good" ] || { echo '{"x-run":"bad"}'; exit 4; }; printf '{"x-run":"good"}'"#,
        );
        let receiver = protocol.receiver();
        let (telemetry, diagnostics) = start(&receiver, protocol, &helper.command(), &[]);
        record(&telemetry);
        let failed = error_of_queued_events(&telemetry);
        assert!(
            failed.contains("otelHeadersHelper has given no headers yet")
                && failed.contains("exit status 4"),
            "{failed}"
        );
        fs::write(helper.file("good"), "").unwrap();
        let report = telemetry.shutdown();
        assert!(report.is_complete(), "{report}");
        let received = receiver.received();
        assert_eq!(signals(&received.requests).len(), 3);
        for request in &received.requests {
            assert_eq!(header(request, "x-run"), Some("good"), "{request:?}");
        }
        assert!(helper.runs() >= 2);
        wait_until(|| diagnostics.count("otelHeadersHelper works again") == 1);
        assert_eq!(
            diagnostics.count("otelHeadersHelper failed"),
            1,
            "{:?}",
            diagnostics.all()
        );
        assert_eq!(diagnostics.count("otelHeadersHelper works again"), 1);
        // Besides these two, there is at most one for each signal.
        assert!(diagnostics.all().len() <= 5, "{:?}", diagnostics.all());
    }
}

/// Flushes with a short timeout, and returns the reason why the events stay in the queue.
fn error_of_queued_events(telemetry: &Telemetry) -> String {
    telemetry.flush_within(Duration::from_millis(1));
    let health = wait_for_health(telemetry, |health| {
        otlp(health, Signal::Logs).last_error.is_some()
    });
    let events = otlp(&health, Signal::Logs);
    assert!(events.queued > 0 && events.dropped.total() == 0);
    events.last_error.unwrap().message
}

#[test]
fn last_valid_headers_are_used_after_a_failed_run() {
    let helper = Helper::counting();
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let (telemetry, diagnostics) =
        start(&receiver, protocol, &helper.command(), &[(DEBOUNCE, "100")]);
    record(&telemetry);
    assert!(telemetry.flush().is_complete());
    for body in ["echo garbage", "exit 3", "printf '{\"x-run\":1}'"] {
        helper.replace_body(body);
        // No later run returns valid headers.
        let last = helper.runs();
        wait_until(|| helper.runs() >= last + 3);
        receiver.clear();
        record(&telemetry);
        assert!(telemetry.flush().is_complete());
        for request in receiver.received().requests {
            let run: usize = header(&request, "x-run").unwrap().parse().unwrap();
            assert!(run <= last, "{request:?}");
        }
    }
    wait_until(|| diagnostics.count("otelHeadersHelper failed") >= 3);
    assert_eq!(
        diagnostics.count("otelHeadersHelper failed"),
        3,
        "{:?}",
        diagnostics.all()
    );
    helper.replace_body("printf '{\"x-run\":\"new\"}'");
    wait_until(|| diagnostics.count("otelHeadersHelper works again") == 1);
    receiver.clear();
    record(&telemetry);
    assert!(telemetry.shutdown().is_complete());
    for request in receiver.received().requests {
        assert_eq!(header(&request, "x-run"), Some("new"));
    }
}

#[test]
fn invalid_helper_output_is_reported_and_delays_the_export() {
    let protocol = Protocol::any();
    for body in [
        "head -c 20000 /dev/urandom",
        "head -c 1000000 /dev/zero | tr '\\0' x",
        "printf '{\"a\":\"'; head -c 1000000 /dev/zero | tr '\\0' x; printf '\"}'",
        "printf '{\"x-run\":1}'",
        "printf '{\"not a name\":\"x\"}'",
        "printf '{\"x-run\":\"line\\\\nbreak\"}'",
        "printf '[]'",
        "printf '{}{}'",
        "exit 0",
        "kill -9 $$",
    ] {
        let helper = Helper::new(body);
        let receiver = protocol.receiver();
        let (telemetry, diagnostics) = start(&receiver, protocol, &helper.command(), &[]);
        record(&telemetry);
        wait_until(|| diagnostics.count("otelHeadersHelper failed") == 1);
        let error = error_of_queued_events(&telemetry);
        assert!(error.contains("otelHeadersHelper"), "{error}");
        assert!(receiver.received().is_empty(), "{body}");
        helper.replace_body("printf '{\"x-run\":\"good\"}'");
        let report = telemetry.shutdown();
        assert!(report.is_complete(), "{body}: {report}");
        for request in receiver.received().requests {
            assert_eq!(header(&request, "x-run"), Some("good"));
        }
    }
}

#[test]
fn hanging_helper_does_not_block_and_is_killed_with_its_children() {
    for protocol in Protocol::all() {
        let helper = Helper::new(
            "sleep 600 & echo $! > \"$folder/child\"; echo $$ > \"$folder/pid\"; trap '' TERM INT; wait",
        );
        let (helper_pid, child_pid) = (helper.file("pid"), helper.file("child"));
        let receiver = protocol.receiver();
        let (telemetry, _) = within(Duration::from_millis(200), || {
            let started = start(&receiver, protocol, &helper.command(), &[]);
            record(&started.0);
            started
        });
        wait_until(|| is_written(&helper_pid));
        assert!(is_running(&helper_pid) && is_running(&child_pid));
        let limit = Duration::from_millis(300);
        within(limit, || telemetry.flush_within(limit));
        wait_for_health(&telemetry, |health| {
            health.exporters.iter().all(|exporter| exporter.queued > 0)
        });
        let report = within(limit, || telemetry.shutdown_within(limit));
        for exporter in &report.exporters {
            assert!(exporter.dropped.shutdown > 0, "{report}");
            // The helper is killed shortly before the deadline. On a busy machine both happen at the same time, and
            // there is no error.
            if let Some(error) = &exporter.last_error {
                let words = ["otelHeadersHelper", "shutdown"];
                assert!(
                    words.iter().all(|word| error.message.contains(word)),
                    "{error:?}"
                );
            }
        }
        wait_until(|| !is_running(&helper_pid) && !is_running(&child_pid));
        assert!(receiver.received().is_empty());
        assert_eq!(helper.runs(), 1);
    }
}

#[test]
fn shutdown_without_data_does_not_wait_for_the_helper() {
    let helper = Helper::new("echo $$ > \"$folder/pid\"; sleep 600");
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let command = helper.command();
    let (telemetry, diagnostics) = start(&receiver, protocol, &command, &[]);
    wait_until(|| is_written(&helper.file("pid")));
    let report = within(Duration::from_secs(2), || telemetry.shutdown());
    assert!(report.is_complete(), "{report}");
    wait_until(|| !is_running(&helper.file("pid")));
    assert_eq!(diagnostics.all(), [""; 0]);
}

/// The variable with the endpoint of a child process.
const ENDPOINT: &str = "HEADERS_HELPER_ENDPOINT";
/// The variable with the helper command of a child process.
const COMMAND: &str = "HEADERS_HELPER_COMMAND";
/// The variable with the shutdown timeout of a child process, in milliseconds.
const LIMIT: &str = "HEADERS_HELPER_LIMIT";
/// The variable with a file that the helper writes when it runs. The child process waits for it before its shutdown.
const STARTED: &str = "HEADERS_HELPER_STARTED";

/// The body of the child process, which runs this test binary again. Without the variables the test returns at once.
#[test]
fn child() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else {
        return;
    };
    let variable = |name| std::env::var(name).unwrap();
    let config = config(&endpoint, Protocol::any(), &variable(COMMAND), &[]);
    let telemetry = Telemetry::start(config, service());
    record(&telemetry);
    if let Ok(started) = std::env::var(STARTED) {
        wait_until(|| is_written(Path::new(&started)));
    }
    telemetry.shutdown_within(Duration::from_millis(variable(LIMIT).parse().unwrap()));
    std::process::exit(0);
}

fn run_child(receiver: &Receiver, variables: &[(&str, &str)]) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "headers_helper::child", "--nocapture"])
        .env(ENDPOINT, receiver.endpoint())
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn helper_does_not_inherit_exporter_variables() {
    let line =
        r#"printf '{"x-otel":"%s","x-other":"%s"}' "$(env | grep -c ^OTEL_)" "$OTHER_OTEL_X""#;
    let receiver = Protocol::any().receiver();
    let variables = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=CANARY"),
        ("OTEL_SOMETHING", "1"),
        ("OTHER_OTEL_X", "stays"),
        (COMMAND, line),
        (LIMIT, "60000"),
    ];
    run_child(&receiver, &variables);
    let requests = receiver.received().requests;
    assert_eq!(signals(&requests).len(), 3);
    for request in requests {
        assert_eq!(header(&request, "x-otel"), Some("0"));
        assert_eq!(header(&request, "x-other"), Some("stays"));
    }
}

#[test]
fn helper_is_killed_when_the_process_shuts_down_and_exits() {
    let helper = Helper::new("echo $$ > \"$folder/pid\"; sleep 600");
    let helper_pid = helper.file("pid");
    let receiver = Protocol::any().receiver();
    let variables = [
        (STARTED, helper_pid.to_str().unwrap()),
        (COMMAND, &helper.command()),
        (LIMIT, "2000"),
    ];
    run_child(&receiver, &variables);
    wait_until(|| !is_running(&helper_pid));
    assert!(receiver.received().is_empty());
}

#[test]
fn header_values_and_command_and_stderr_never_appear_in_output() {
    for protocol in Protocol::all() {
        let helper = Helper::new(
            r#"echo CANARY-stderr >&2
            case $n in
            1) echo CANARY-garbage; exit 7;;
            2) printf '{"authorization":"CANARY-number","CANARY-name":5}';;
            *) printf '{"authorization":"Bearer CANARY-value-%s"}' $n;;
            esac"#,
        );
        let command = format!("{} CANARY-argument", helper.command());
        let receiver = protocol.receiver();
        // The first six responses reject the credentials, and repeat them in their text.
        receiver.answer_by(move |n, request| {
            let credentials = header(request, "authorization").unwrap().to_owned();
            match (n, protocol) {
                (6.., _) => Answer::Ok,
                (_, Protocol::Grpc) => Answer::code(Code::Unauthenticated, &credentials),
                _ => Answer::status(401).body("text/plain", credentials),
            }
        });
        let extra = [("OTEL_EXPORTER_OTLP_HEADERS", "authorization=CANARY-static")];
        let (telemetry, diagnostics) = start(&receiver, protocol, &command, &extra);
        let config = config(&receiver.endpoint(), protocol, &command, &extra);
        record(&telemetry);
        let mut seen = format!("{config:?} {config:#?} {:?}", config.explain());
        seen += &format!("{} {:?}", telemetry.explain(), telemetry.explain());
        seen += &format!("{telemetry:?}");
        let deadline = Instant::now() + PATIENCE;
        while !telemetry
            .flush_within(Duration::from_millis(50))
            .is_complete()
        {
            assert!(Instant::now() < deadline, "{:?}", diagnostics.all());
            seen += &format!("{:?}", telemetry.health());
        }
        let report = telemetry.shutdown();
        seen += &format!("{report} {report:?} {:?}", telemetry.health());
        wait_until(|| diagnostics.count("otelHeadersHelper works again") == 1);
        seen += &diagnostics.all().join("\n");
        assert!(seen.contains("otelHeadersHelper") && seen.contains("<hidden>"));
        assert!(!seen.contains("CANARY"), "{seen}");
        let requests = receiver.received().requests;
        for request in &requests {
            let sent = header(request, "authorization").unwrap();
            assert!(sent.starts_with("Bearer CANARY-value-"), "{sent}");
        }
    }
}

#[test]
fn helper_stops_after_the_exporters_are_turned_off() {
    let helper = Helper::counting();
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let command = helper.command();
    let (telemetry, _) = start(&receiver, protocol, &command, &[(DEBOUNCE, "100")]);
    wait_until(|| helper.runs() >= 2);
    let none = [
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "none"),
        ("OTEL_TRACES_EXPORTER", "none"),
        (DEBOUNCE, "100"),
    ];
    let without_exporters = config(&receiver.endpoint(), protocol, &command, &none);
    assert!(telemetry.reconfigure(without_exporters));
    let are_off = |health: &claude_code_telemetry::Health| {
        let mut exporters = health.exporters.iter();
        exporters.all(|exporter| exporter.state == ExporterState::ShutDown)
    };
    wait_for_health(&telemetry, are_off);
    // A run that had begun before may still end.
    wait_until(|| {
        let runs = helper.runs();
        std::thread::sleep(Duration::from_millis(500));
        helper.runs() == runs
    });
    let runs = helper.runs();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(helper.runs(), runs);
}

/// A request in flight keeps the first helper while the configuration changes twice.
#[test]
fn helper_that_is_replaced_by_the_same_command_is_killed() {
    let helper = Helper::new(
        r#"case $n in
        2) echo $$ > "$folder/pid"; sleep 600;;
        *) printf '{"x-run":"%s"}' $n;;
        esac"#,
    );
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let (arrivals, allow) = block_responses(&receiver);
    let (command, extra) = (helper.command(), [(DEBOUNCE, "100")]);
    let (telemetry, _) = start(&receiver, protocol, &command, &extra);
    record(&telemetry);
    telemetry.flush_within(Duration::ZERO);
    arrivals.recv_timeout(PATIENCE).unwrap();
    wait_until(|| is_written(&helper.file("pid")));
    for command in ["echo {}", &command] {
        let config = config(&receiver.endpoint(), protocol, command, &extra);
        assert!(telemetry.reconfigure(config));
    }
    drop(allow);
    // Without a replacement, the run ends after its limit of 30 seconds.
    within(Duration::from_secs(15), || {
        wait_until(|| !is_running(&helper.file("pid")));
    });
    assert!(telemetry.shutdown().is_complete());
}
