//! Tests of the helper as its clients use it, with real commands.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;
use crate::config::secret::Secret;

/// The time limit of a run that must not reach it.
const LONG: Duration = Duration::from_secs(20);
/// The interval of a helper whose next regular run no test reaches.
const NEVER: Duration = Duration::from_secs(3600);

/// A running helper and the reports about it.
struct Fixture {
    runtime: Runtime,
    helper: Arc<Helper>,
    commands: mpsc::UnboundedSender<Command>,
    task: JoinHandle<()>,
    reports: Arc<Mutex<Vec<String>>>,
    known: AtomicU64,
}

impl Fixture {
    fn new(command: &str, interval: Duration, limit: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let reports = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&reports);
        let diagnostics = Diagnostics::new(
            Some(Arc::new(move |diagnostic| {
                keep.lock().unwrap().push(diagnostic.to_string());
            })),
            false,
        );
        let config = HeadersHelper {
            command: Secret::new(command),
            interval,
            grpc: true,
        };
        let (helper, commands, job) = Helper::with_limit(&config, limit, Arc::new(diagnostics));
        let task = runtime.spawn(job());
        Self {
            runtime,
            helper,
            commands,
            task,
            reports,
            known: AtomicU64::new(0),
        }
    }

    fn headers(&self) -> Result<Current, String> {
        let headers = async {
            self.helper
                .headers(&self.known, Instant::now() + LONG)
                .await
        };
        self.runtime.block_on(headers)
    }

    /// Returns the reason why there are no headers.
    fn failure(&self) -> String {
        self.headers().err().expect("there are headers")
    }

    fn renewed(&self, refused: &Current) -> Result<Current, String> {
        let renewed = async { self.helper.renewed(refused, Instant::now() + LONG).await };
        self.runtime.block_on(renewed)
    }

    fn runs(&self) -> u64 {
        self.helper.state.borrow().runs
    }

    fn wait_for_run(&self, run: u64) {
        self.wait(async {
            let mut state = self.helper.state.subscribe();
            state.wait_for(|state| state.runs >= run).await.unwrap();
        });
    }

    fn wait(&self, what: impl Future<Output = ()>) {
        let within = async { timeout_at(Instant::now() + LONG, what).await };
        self.runtime.block_on(within).expect("in time");
    }

    /// Waits until there are `count` reports, which another thread delivers, and returns all reports.
    fn wait_for_reports(&self, count: usize) -> Vec<String> {
        self.wait(async {
            while self.reports().len() < count {
                sleep(Duration::from_millis(2)).await;
            }
        });
        self.reports()
    }

    fn reports(&self) -> Vec<String> {
        self.reports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn value(current: &Current, name: &str) -> String {
    let mut headers = current.headers.iter();
    let found = headers.find(|header| header.name == name);
    found.expect("the header").text().to_owned()
}

/// Returns a shell line that counts its runs in a file and prints the count as the header `x-run`.
fn counting(folder: &Path) -> String {
    let file = folder.join("runs");
    let file = file.display();
    format!("echo >> '{file}'; n=$(($(wc -l < '{file}'))); printf '{{\"x-run\":\"%s\"}}' $n")
}

/// Returns true if the process whose number is in the file is running. A zombie is not running.
fn lives(file: &Path) -> bool {
    let pid = std::fs::read_to_string(file).unwrap();
    let pid = pid.trim();
    assert!(!pid.is_empty());
    let state = match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(')').next().unwrap().to_owned(),
        Err(_) if Path::new("/proc/self/stat").exists() => String::new(),
        Err(_) => {
            let mut ps = std::process::Command::new("ps");
            let output = ps.args(["-o", "stat=", "-p", pid]).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        }
    };
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

/// Waits until a line was written to the file.
async fn written(file: &Path) {
    let is_written = || std::fs::read_to_string(file).is_ok_and(|text| text.ends_with('\n'));
    while !is_written() {
        sleep(Duration::from_millis(2)).await;
    }
}

async fn dead(file: &Path) {
    while lives(file) {
        sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn output_of_a_run_becomes_the_headers() {
    let fixture = Fixture::new(r#"printf '{"X-A":"1 2"}'"#, NEVER, LONG);
    assert_eq!(value(&fixture.headers().unwrap(), "x-a"), "1 2");
    assert_eq!(fixture.reports(), [""; 0]);
}

#[test]
fn headers_that_cannot_be_sent_are_reported_once_while_the_others_are_used() {
    let line = r#"printf '{"Host":"CANARY","x-a":"1"}'"#;
    let fixture = Fixture::new(line, Duration::from_millis(10), LONG);
    fixture.wait_for_run(3);
    let reports = fixture.wait_for_reports(1);
    assert_eq!(value(&fixture.headers().unwrap(), "x-a"), "1");
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("the header at position 1 is one that the protocol sets itself"));
    assert!(!reports[0].contains("CANARY"), "{reports:?}");
}

#[test]
fn hanging_run_is_killed_with_the_processes_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let (helper_pid, child) = (folder.path().join("pid"), folder.path().join("child"));
    // Only the first run hangs.
    let line = format!(
        "[ ! -e '{helper_pid}' ] || exit 1; sleep 600 & echo $! > '{child}'; echo $$ > '{helper_pid}'; exec > /dev/null; wait",
        child = child.display(),
        helper_pid = helper_pid.display()
    );
    let fixture = Fixture::new(&line, NEVER, Duration::from_secs(10));
    fixture.wait(async {
        written(&helper_pid).await;
        assert!(lives(&helper_pid) && lives(&child));
    });
    let failure = fixture.failure();
    assert!(
        failure.contains("did not end within 10 s and was killed"),
        "{failure}"
    );
    fixture.wait(async {
        dead(&helper_pid).await;
        dead(&child).await;
    });
}

#[test]
fn failed_run_is_reported_with_its_reason_and_without_its_output() {
    for (line, reason) in [
        ("echo '{\"a\":\"CANARY\"}'; exit 3", "exit status 3"),
        ("echo CANARY >&2; kill -9 $$", "by a signal"),
        ("CANARY-is-no-command", "exit status 127"),
        ("exit 0", "printed nothing"),
        ("printf CANARY", "not JSON"),
        ("printf '[\"CANARY\"]'", "no object"),
        ("printf '{\"CANARY\":1}'", "at position 1 is not a string"),
        ("printf '{\"CANARY x\":\"\"}'", "is not an HTTP header name"),
        ("printf '{\"a\":\"CANARY\\\\n\"}'", "HTTP does not allow"),
        (
            "head -c 1000000 /dev/zero | tr '\\0' C; sleep 600",
            "more than 64 KiB",
        ),
        ("printf x; head -c 60000 /dev/urandom", "not JSON"),
        // A path that is not a file.
        ("/", "exit status 126"),
    ] {
        let fixture = Fixture::new(line, NEVER, LONG);
        let failure = fixture.failure();
        assert!(failure.contains(reason), "{line}: {failure}");
        let reports = fixture.wait_for_reports(1);
        assert!(
            reports[0].starts_with("otelHeadersHelper failed: ") && reports[0].contains(reason),
            "{reports:?}"
        );
        assert!(
            !format!("{failure} {reports:?}").contains("CANARY"),
            "{reports:?}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("CANARY");
    std::fs::write(&file, "").unwrap();
    let fixture = Fixture::new(file.to_str().unwrap(), NEVER, LONG);
    let failure = fixture.failure();
    assert!(failure.contains("cannot be started"), "{failure}");
    assert!(!failure.contains("CANARY"), "{failure}");
}

#[test]
fn long_standard_error_and_output_up_to_the_limit_are_accepted() {
    let line = r#"head -c 1000000 /dev/zero >&2; printf '{"a":"'; head -c 65000 /dev/zero | tr '\0' x; printf '"}'"#;
    let fixture = Fixture::new(line, NEVER, LONG);
    assert_eq!(value(&fixture.headers().unwrap(), "a").len(), 65_000);
}

#[test]
fn standard_input_of_the_helper_is_empty() {
    let fixture = Fixture::new(r#"cat; printf '{"a":"b"}'"#, NEVER, LONG);
    assert_eq!(value(&fixture.headers().unwrap(), "a"), "b");
}

#[test]
fn background_process_of_a_run_is_neither_waited_for_nor_killed() {
    let folder = tempfile::tempdir().unwrap();
    let child = folder.path().join("child");
    let line = format!(
        "sleep 600 & echo $! > '{}'; printf '{{\"a\":\"b\"}}'",
        child.display()
    );
    let fixture = Fixture::new(&line, NEVER, LONG);
    let started = Instant::now();
    assert_eq!(value(&fixture.headers().unwrap(), "a"), "b");
    assert!(started.elapsed() < LONG / 2);
    assert!(lives(&child));
    let pid = std::fs::read_to_string(&child).unwrap();
    std::process::Command::new("kill")
        .arg(pid.trim())
        .status()
        .unwrap();
}

#[test]
fn failure_and_recovery_are_each_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs");
    let file = file.display();
    let line = format!(
        "echo >> '{file}'; [ $(wc -l < '{file}') -gt 2 ] || exit 5; printf '{{\"a\":\"b\"}}'"
    );
    let fixture = Fixture::new(&line, NEVER, LONG);
    // Each call waits for a run that is new to the caller.
    assert!(fixture.failure().contains("exit status 5"));
    assert!(fixture.failure().contains("exit status 5"));
    assert_eq!(value(&fixture.headers().unwrap(), "a"), "b");
    let reports = fixture.wait_for_reports(2);
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(reports[0].ends_with("(nothing is sent until it succeeds)"));
    assert_eq!(reports[1], "otelHeadersHelper works again");
}

#[test]
fn helper_runs_at_the_interval_and_keeps_the_headers_after_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs");
    let file = file.display();
    let line = format!(
        "echo >> '{file}'; [ $(wc -l < '{file}') -lt 2 ] || exit 5; printf '{{\"a\":\"b\"}}'"
    );
    let fixture = Fixture::new(&line, Duration::from_millis(20), LONG);
    fixture.wait_for_run(4);
    assert_eq!(value(&fixture.headers().unwrap(), "a"), "b");
    let reports = fixture.wait_for_reports(1);
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].ends_with("(its last good headers stay in use)"));
}

#[test]
fn simultaneous_rejections_cause_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(&counting(folder.path()), NEVER, LONG);
    let refused = fixture.headers().unwrap();
    let deadline = || Instant::now() + LONG;
    let (a, b, c) = fixture.runtime.block_on(async {
        tokio::join!(
            fixture.helper.renewed(&refused, deadline()),
            fixture.helper.renewed(&refused, deadline()),
            fixture.helper.renewed(&refused, deadline()),
        )
    });
    for current in [a, b, c] {
        assert_eq!(value(&current.unwrap(), "x-run"), "2");
    }
    // Run 2 ended after the refused headers were obtained, so a later caller gets its headers without another run.
    assert_eq!(value(&fixture.renewed(&refused).unwrap(), "x-run"), "2");
    assert_eq!(fixture.runs(), 2);
}

#[test]
fn second_rejection_in_a_row_causes_no_run_until_the_back_off_ends() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(&counting(folder.path()), NEVER, LONG);
    let first = fixture.headers().unwrap();
    let second = fixture.renewed(&first).unwrap();
    // The next run is too early, however slow the machine is.
    fixture.helper.state.send_modify(|state| {
        assert!(state.next_renewal.is_some());
        state.next_renewal = Some(Instant::now() + LONG);
    });
    let why = fixture.renewed(&second).err().unwrap();
    assert!(why.contains("a moment ago"), "{why}");
    assert_eq!(fixture.runs(), 2);
    // Headers that were accepted in the meantime reset the back-off.
    fixture.helper.accepted();
    assert_eq!(value(&fixture.renewed(&second).unwrap(), "x-run"), "3");
    // The back-off also ends after some time: the first one lasts at most 500 ms.
    let third = fixture.headers().unwrap();
    fixture.wait(async { sleep(Duration::from_millis(600)).await });
    assert_eq!(value(&fixture.renewed(&third).unwrap(), "x-run"), "4");
}

#[test]
fn failed_run_after_a_rejection_gives_no_new_headers() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("{}; [ $n -lt 2 ]", counting(folder.path()));
    let fixture = Fixture::new(&line, NEVER, LONG);
    let first = fixture.headers().unwrap();
    let why = fixture.renewed(&first).err().unwrap();
    assert!(why.contains("ran again and failed"), "{why}");
    assert_eq!(value(&fixture.headers().unwrap(), "x-run"), "1");
}

#[test]
fn shutdown_kills_the_run_before_its_deadline_and_then_releases_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let helper_pid = folder.path().join("pid");
    let line = format!("echo $$ > '{}'; sleep 600", helper_pid.display());
    let mut fixture = Fixture::new(&line, NEVER, LONG);
    fixture.wait(written(&helper_pid));
    let (done, mut finished) = mpsc::channel(1);
    let deadline = Instant::now() + Duration::from_millis(600);
    fixture
        .commands
        .send(Command {
            deadline,
            shutdown: true,
            waiter: super::super::Waiter::Task(done),
        })
        .unwrap();
    fixture.runtime.block_on(async {
        finished.recv().await;
        (&mut fixture.task).await.unwrap();
        timeout_at(Instant::now() + LONG, dead(&helper_pid))
            .await
            .unwrap();
        // A caller that waits for headers gets the reason why there are none.
        let why = fixture.helper.headers(&fixture.known, deadline).await;
        let why = why.err().unwrap();
        assert!(why.contains("still ran at the shutdown"), "{why}");
    });
    assert_eq!(fixture.reports(), [""; 0]);
}

#[test]
fn helper_ends_with_the_last_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    let helper_pid = folder.path().join("pid");
    let line = format!("echo $$ > '{}'; sleep 600", helper_pid.display());
    let fixture = Fixture::new(&line, NEVER, LONG);
    fixture.wait(written(&helper_pid));
    drop(fixture.helper);
    fixture.runtime.block_on(async {
        fixture.task.await.unwrap();
        timeout_at(Instant::now() + LONG, dead(&helper_pid))
            .await
            .unwrap();
    });
}
