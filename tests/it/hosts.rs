//! The programs `examples/hosts/agent.py` and `agent.ts`, which pipe their steps into `claude-code-telemetry replay`:
//! every subprocess continues the trace of its tool, and problems of the telemetry never make the host fail.
//!
//! A test whose interpreter is missing prints that it did not run. With `REQUIRE_HOSTS` it fails instead: `.ci/hosts`
//! sets it, and compiles the TypeScript program to the file that `COMPILED_HOST` names.
#![cfg(all(feature = "cli", feature = "http", unix))]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::example;
use crate::host::ENABLE_TRACES;
use crate::replay::variables;
use crate::support::Receiver;
use crate::traces::Spans;

const PYTHON: &str = include_str!("../../examples/hosts/agent.py");
const TYPESCRIPT: &str = include_str!("../../examples/hosts/agent.ts");

/// Returns true if an interpreter can be run. Otherwise prints a message that the test is skipped, or fails if the
/// hosts are required.
fn is_there(interpreter: &str) -> bool {
    let there = example::is_installed(interpreter);
    let required = std::env::var_os("REQUIRE_HOSTS").is_some();
    assert!(
        there || !required,
        "there is no {interpreter} on this machine"
    );
    there
}

/// Returns a command that runs a program with its interpreter.
fn host(interpreter: &str, path: PathBuf) -> Command {
    let mut host = Command::new(interpreter);
    host.arg(path);
    host
}

fn python(folder: &Path, source: &str) -> Command {
    let path = folder.join("agent.py");
    fs::write(&path, source).unwrap();
    host("python3", path)
}

/// Removes the types, which leaves JavaScript, because not every version of node removes them itself.
fn javascript(folder: &Path, source: &str) -> Command {
    const TYPES: [&str; 22] = [
        ": \"inherit\" | \"ignore\"",
        ": ((answer: Answer) => void)[]",
        ": Promise<Record<string, string>>",
        ": Promise<NodeJS.ProcessEnv>",
        ": Promise<Answer>",
        ": Promise<number>",
        ": Promise<void>",
        ": Record<string, string>",
        "<Answer>",
        " as Readable | null",
        " as const",
        " as Failure",
        "private ",
        ": Telemetry",
        ": unknown[]",
        ": unknown",
        ": string",
        ": Block",
        ": Model",
        ": Call",
        ": Step",
        "import type { Readable } from \"node:stream\";",
    ];
    let lines = source.lines().filter(|line| !line.starts_with("type "));
    let script = lines.collect::<Vec<_>>().join("\n");
    let script = TYPES.iter().fold(script, |script, annotation| {
        assert!(script.contains(annotation), "{annotation}");
        script.replace(annotation, "")
    });
    let path = folder.join("agent.mjs");
    fs::write(&path, script).unwrap();
    host("node", path)
}

/// Runs a host, and asserts that its telemetry is complete and that each subprocess got the context of its own tool.
#[track_caller]
fn assert_traced(host: Command) {
    let receiver = Receiver::http();
    let home = tempfile::tempdir().unwrap();
    let output = sending_to(host, &receiver, home.path()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "");

    let received = receiver.received().accepted();
    let spans = Spans(received.spans());
    let tool = "  tool Bash\n    tool.blocked_on_user\n    tool.execution\n";
    let request = "  llm_request claude-sonnet-4-6\n";
    assert_eq!(
        spans.outline(),
        format!("interaction\n{request}{tool}{tool}{request}")
    );
    let mut expected = BTreeMap::new();
    let mut executions = Vec::new();
    for tool in spans.named("tool") {
        let execution = spans.child(tool, "tool.execution");
        let context = format!("00-{}-{}-01", execution.trace_id, execution.span_id);
        let id = tool.attributes["tool_use_id"].as_str().unwrap();
        assert_eq!(execution.attributes["success"], true);
        expected.insert(id.to_owned(), context);
        executions.push(execution);
    }
    // Each subprocess prints its variable TRACEPARENT.
    let printed = String::from_utf8(output.stdout).unwrap();
    let lines = printed.lines().map(|line| line.split_once(' ').unwrap());
    let printed: BTreeMap<_, _> = lines
        .map(|(id, context)| (id.to_owned(), context.to_owned()))
        .collect();
    assert_eq!(printed, expected);
    assert_eq!(printed.len(), 2);
    // The tools run at the same time.
    assert!(executions[0].start < executions[1].end && executions[1].start < executions[0].end);

    let mut requests = spans.named("llm_request");
    requests.sort_by_key(|request| request.start);
    // The model of the hosts rejects the first attempt.
    assert_eq!(requests[0].attributes["attempt"], 2);
    assert_eq!(requests[0].attributes["stop_reason"], "tool_use");
    assert_eq!(requests[1].attributes["attempt"], 1);

    let interaction = spans.one("interaction");
    let logs = received.logs();
    assert!(logs.iter().all(|log| log.trace_id == interaction.trace_id));
    let mut names: Vec<_> = logs
        .iter()
        .map(|log| log.attributes["event.name"].as_str().unwrap())
        .collect();
    // The events of the two tools have no fixed order.
    names[2..6].sort_unstable();
    assert_eq!(names.remove(0), "user_prompt");
    assert_eq!(
        names,
        [
            "api_request",
            "tool_decision",
            "tool_decision",
            "tool_result",
            "tool_result",
            "api_request"
        ]
    );
    // Two requests with 1,200 input tokens each.
    let tokens = received.points().into_iter().filter(|point| {
        point.name == "claude_code.token.usage" && point.attributes["type"] == "input"
    });
    assert_eq!(tokens.map(|point| point.value).sum::<f64>(), 2_400.0);
}

#[test]
fn python_host_gives_each_subprocess_the_context_of_its_tool() {
    if !is_there("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    assert_traced(python(folder.path(), PYTHON));
}

#[test]
fn typescript_host_gives_each_subprocess_the_context_of_its_tool() {
    if !is_there("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    assert_traced(javascript(folder.path(), TYPESCRIPT));
}

#[test]
fn compiled_typescript_host_gives_each_subprocess_the_context_of_its_tool() {
    match std::env::var_os("COMPILED_HOST") {
        Some(path) => assert_traced(host("node", path.into())),
        None => eprintln!("not run: COMPILED_HOST names no compiled program"),
    }
}

/// Starts a host that sends to a receiver, in a process group of its own.
fn sending_to(mut host: Command, receiver: &Receiver, home: &Path) -> Command {
    example::clean(&mut host, home);
    host.arg(example::PROGRAM)
        .process_group(0)
        .envs(variables(&receiver.endpoint()))
        .envs(ENABLE_TRACES);
    host
}

/// Runs a host that prints the variable TRACEPARENT for the tool `B`, and asserts that it names the span of this tool.
/// Returns the standard error.
#[track_caller]
fn assert_prints_context_of_second_tool(host: Command) -> String {
    let receiver = Receiver::http();
    let home = tempfile::tempdir().unwrap();
    let output = sending_to(host, &receiver, home.path()).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    let spans = Spans(receiver.received().accepted().spans());
    let tools = spans.named("tool");
    let tool = tools
        .iter()
        .find(|tool| tool.attributes["tool_use_id"] == "B");
    let tool = tool.unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("00-{}-{}-01\n", tool.trace_id, tool.span_id)
    );
    errors
}

/// Replaces the lines of a host after the start of its session.
fn with_main(source: &str, main: &str) -> String {
    let session = source
        .lines()
        .find(|line| line.contains("app_version"))
        .unwrap();
    let (before, _) = source.split_once(session).unwrap();
    format!("{before}{session}\n{main}\n")
}

const PYTHON_SECOND_TOOL: &str = "
telemetry.record('prompt', text='2')
telemetry.record('tool_begin', tool_use_id='B', tool_name='Bash')
print(telemetry.child_env('B')['TRACEPARENT'])
telemetry.record('tool_end', tool_use_id='B')
sys.exit(telemetry.close())";

const TYPESCRIPT_SECOND_TOOL: &str = "
telemetry.record({ step: 'prompt', text: '2' });
telemetry.record({ step: 'tool_begin', tool_use_id: 'B', tool_name: 'Bash' });
console.log((await telemetry.childEnv({ tool_use_id: 'B' })).TRACEPARENT);
telemetry.record({ step: 'tool_end', tool_use_id: 'B' });
process.exitCode = await telemetry.close();";

/// The program is stopped until the alarm has interrupted the wait for the answer to `child_env('A')`. The step `sleep`
/// then delays that answer until `child_env('B')` is asked, whose answer it must not become.
#[test]
fn python_host_gives_no_tool_the_answer_of_an_interrupted_question() {
    if !is_there("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let interrupted = "
import signal
def interrupt(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
telemetry.record('prompt', text='1')
telemetry.record('tool_begin', tool_use_id='A', tool_name='Bash')
telemetry.process.send_signal(signal.SIGSTOP)  # It cannot answer before the interruption.
telemetry.record('sleep', ms=800)
try:
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    telemetry.child_env('A')
    print('not interrupted')
except KeyboardInterrupt:
    pass
finally:
    telemetry.process.send_signal(signal.SIGCONT)
# As if an interrupt had prevented the writing of this question, which then gets no answer.
telemetry.waiting.append(({'tool_use_id': 'C'}, Future()))
telemetry.record('prompt_end')";
    let source = with_main(PYTHON, &format!("{interrupted}{PYTHON_SECOND_TOOL}"));
    let errors = assert_prints_context_of_second_tool(python(folder.path(), &source));
    assert!(
        errors.contains("live calls that ended without an outcome"),
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

/// Ctrl-C sends SIGINT to the process group of the host. The host handles it, and `claude-code-telemetry` must not end.
#[test]
fn python_host_records_after_ctrl_c() {
    if !is_there("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let interrupted = "
import signal, time
signal.signal(signal.SIGINT, lambda *_: None)
telemetry.trace_headers()  # Waits until the program runs.
os.killpg(0, signal.SIGINT)
time.sleep(0.3)";
    let source = with_main(PYTHON, &format!("{interrupted}{PYTHON_SECOND_TOOL}"));
    let errors = assert_prints_context_of_second_tool(python(folder.path(), &source));
    assert_eq!(errors, "");
}

/// The same as in [`python_host_records_after_ctrl_c`].
#[test]
fn typescript_host_records_after_ctrl_c() {
    if !is_there("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let interrupted = "
process.on('SIGINT', () => {});
await telemetry.traceHeaders({});
process.kill(0, 'SIGINT');
await new Promise((resolve) => setTimeout(resolve, 300));";
    let source = with_main(
        TYPESCRIPT,
        &format!("{interrupted}{TYPESCRIPT_SECOND_TOOL}"),
    );
    let errors = assert_prints_context_of_second_tool(javascript(folder.path(), &source));
    assert_eq!(errors, "");
}

/// Runs a host whose model or tool fails. Asserts which error is recorded, and that the host ends every call itself.
#[track_caller]
fn assert_records_failure(host: Command, event: &str, error: &str) {
    let receiver = Receiver::http();
    let home = tempfile::tempdir().unwrap();
    let output = sending_to(host, &receiver, home.path())
        .env("OTEL_LOG_TOOL_DETAILS", "1")
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!errors.contains("ended without an outcome"), "{errors}");
    let logs = receiver.received().accepted().logs();
    let failed: Vec<_> = logs
        .iter()
        .filter(|log| log.attributes["event.name"] == event)
        .map(|log| &log.attributes["error"])
        .collect();
    assert!(
        !failed.is_empty() && failed.iter().all(|failed| *failed == error),
        "{failed:?} {errors}"
    );
}

#[test]
fn python_host_records_failures_of_model_and_tool() {
    if !is_there("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let raise = "            raise Overloaded(\"Overloaded\")";
    assert!(PYTHON.contains(raise));
    let source = PYTHON.replace(raise, "            raise ConnectionError('secret')");
    assert_records_failure(
        python(folder.path(), &source),
        "api_error",
        "ConnectionError",
    );
    let run = "stdout=subprocess.PIPE, text=True)";
    assert!(PYTHON.contains(run));
    let source = PYTHON.replace(run, "stdout=subprocess.PIPE, text=True, timeout=0.1)");
    assert_records_failure(
        python(folder.path(), &source),
        "tool_result",
        "TimeoutExpired",
    );
}

#[test]
fn typescript_host_records_failures_of_model_and_tool() {
    if !is_there("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let throw = "throw new Overloaded();";
    assert!(TYPESCRIPT.contains(throw));
    let source = TYPESCRIPT.replace(throw, "throw new TypeError('secret');");
    assert_records_failure(javascript(folder.path(), &source), "api_error", "TypeError");
    let shell = "(\"sh\", [";
    assert!(TYPESCRIPT.contains(shell));
    let source = TYPESCRIPT.replace(shell, "(\"no-such-shell\", [");
    assert_records_failure(javascript(folder.path(), &source), "tool_result", "Error");
}

/// Asserts that a host succeeds while telemetry is off, without the program `claude-code-telemetry`, and with a program
/// that exits at once (`true`).
#[track_caller]
fn assert_succeeds_without_telemetry(mut program: impl FnMut() -> Command) {
    for telemetry in [example::PROGRAM, "no-such-program", "true"] {
        let home = tempfile::tempdir().unwrap();
        let mut host = program();
        example::clean(&mut host, home.path());
        let output = host.arg(telemetry).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{telemetry}: {errors}");
        let messages = errors
            .lines()
            .filter(|error| error.contains("telemetry is off"));
        assert_eq!(
            messages.count(),
            usize::from(telemetry == example::PROGRAM),
            "{errors}"
        );
        assert!(errors.lines().count() <= 1, "{telemetry}: {errors}");
    }
}

#[test]
fn python_host_succeeds_without_telemetry() {
    if !is_there("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    assert_succeeds_without_telemetry(|| python(folder.path(), PYTHON));
}

#[test]
fn typescript_host_succeeds_without_telemetry() {
    if !is_there("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    assert_succeeds_without_telemetry(|| javascript(folder.path(), TYPESCRIPT));
}

/// Runs a host whose first step contains itself and is lost, and whose other steps contain values that JSON does not
/// have and are sent. Asserts that only the exit status, 1, reports the loss.
#[track_caller]
fn assert_survives_odd_values(host: Command) {
    let receiver = Receiver::http();
    let home = tempfile::tempdir().unwrap();
    let output = sending_to(host, &receiver, home.path()).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*errors), (Some(1), ""));
    let logs = receiver.received().accepted().logs();
    let names: Vec<_> = logs
        .iter()
        .map(|log| log.attributes["event.name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["user_prompt", "tool_result"]);
}

#[test]
fn python_host_survives_values_that_json_does_not_have() {
    if !is_there("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let main = "
import pathlib, uuid
cycle = {}
cycle['cycle'] = cycle
telemetry.record('prompt', text='1', cycle=cycle)
telemetry.record('prompt', text='2')
tool = uuid.uuid4()
telemetry.record('tool_begin', tool_use_id=tool, tool_name='Read', input={'file_path': pathlib.Path('/x')})
assert 'TRACEPARENT' in telemetry.child_env(tool)
telemetry.record('tool_end', tool_use_id=tool)
sys.exit(telemetry.close())";
    let source = with_main(PYTHON, main);
    assert_survives_odd_values(python(folder.path(), &source));
}

#[test]
fn typescript_host_survives_values_that_json_does_not_have() {
    if !is_there("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let main = "
const cycle = {};
cycle.cycle = cycle;
telemetry.record({ step: 'prompt', text: '1', cycle });
telemetry.record({ step: 'prompt', text: '2' });
telemetry.record({ step: 'tool_begin', tool_use_id: 't', tool_name: 'Read', input: { size: 5n } });
if (!(await telemetry.childEnv({ tool_use_id: 't' })).TRACEPARENT) throw new Error('no context');
telemetry.record({ step: 'tool_end', tool_use_id: 't' });
process.exitCode = await telemetry.close();";
    let source = with_main(TYPESCRIPT, main);
    assert_survives_odd_values(javascript(folder.path(), &source));
}

/// Runs a host whose session is invalid, because `my-session` is not a UUID, and which asks two questions. Asserts that
/// all three lines are reported as invalid, and that the host does not wait for an answer.
#[track_caller]
fn assert_does_not_wait_without_a_session(host: Command) {
    let receiver = Receiver::http();
    let home = tempfile::tempdir().unwrap();
    let output = sending_to(host, &receiver, home.path()).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert_eq!(errors.lines().count(), 3, "{errors}");
}

#[test]
fn python_host_does_not_wait_without_a_session() {
    if !is_there("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = with_main(
        &PYTHON.replace("user_id=\"kim\"", "session_id='my-session'"),
        "telemetry.child_env(None)\ntelemetry.trace_headers()\nsys.exit(telemetry.close())",
    );
    assert_does_not_wait_without_a_session(python(folder.path(), &source));
}

#[test]
fn typescript_host_does_not_wait_without_a_session() {
    if !is_there("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = with_main(
        &TYPESCRIPT.replace("user_id: \"kim\"", "session_id: 'my-session'"),
        "await telemetry.childEnv({ tool_use_id: undefined });\nawait telemetry.traceHeaders({});\n\
         process.exitCode = await telemetry.close();",
    );
    assert_does_not_wait_without_a_session(javascript(folder.path(), &source));
}

/// Asserts that a host that records more than a pipe can hold continues without an error when
/// `claude-code-telemetry` is missing, and when it exits immediately (`true`).
#[track_caller]
fn assert_continues_without_telemetry(mut program: impl FnMut() -> Command) {
    for telemetry in ["no-such-program", "true"] {
        let output = program().arg(telemetry).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(
            printed.contains("the agent went on"),
            "{telemetry}: {printed}{errors}"
        );
        for trace in ["Traceback", "Error", "Warning"] {
            assert!(!errors.contains(trace), "{telemetry}: {errors}");
        }
    }
}

#[test]
fn python_host_continues_when_telemetry_fails() {
    if !is_there("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let end = "    telemetry.close()";
    assert!(PYTHON.contains(end));
    let much = "    for _ in range(100):\n        telemetry.record('prompt', text='x' * 100000)\n    \
                assert telemetry.close() == 1\n    print('the agent went on')";
    let source = PYTHON.replace(end, much);
    assert_continues_without_telemetry(|| python(folder.path(), &source));
}

#[test]
fn typescript_host_continues_when_telemetry_fails() {
    if !is_there("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let end = "await telemetry.close();";
    assert!(TYPESCRIPT.contains(end));
    let much = "for (let n = 0; n < 100; n++) {\n\
                await telemetry.record({ step: 'prompt', text: 'x'.repeat(100000) });\n}\n\
                if ((await telemetry.close()) === 1) console.log('the agent went on');";
    let source = TYPESCRIPT.replace(end, much);
    assert_continues_without_telemetry(|| javascript(folder.path(), &source));
}
