//! The run that a transcript describes: the telemetry, the sessions, and the call for each step.

use std::rc::Rc;
use std::time::SystemTime;

use claude_code_telemetry::{
    Config, Exporter, HookOutcome, Recorder, Report, Service, SessionOptions, Telemetry,
};
use serde::Deserialize;

use super::answers::Answers;
use super::backpressure::Backpressure;
use super::field::{before, lasting, optional, read};
use super::nesting::Nesting;
use super::scope::Scope;
use super::stop::Stop;
use super::time::{At, Millis};
use super::{live, question, request, tool};
use crate::output::print_to_stderr;
use crate::status::Status;

/// The maximum number of open sessions. A stream that never ends its sessions may be endless itself.
const OPEN_SESSIONS: usize = 1_024;

/// The remedy if nothing is sent.
const REMEDY: &str = "set CLAUDE_CODE_ENABLE_TELEMETRY=1 and an exporter, such as OTEL_METRICS_EXPORTER=otlp and \
                      OTEL_LOGS_EXPORTER=otlp; `claude-code-telemetry explain` shows what is set";

/// The fields of every step.
#[derive(Deserialize)]
struct Step {
    step: String,
    at: Option<At>,
}

/// The fields of the step `session` that are not options of the session.
#[derive(Deserialize)]
struct SessionStep {
    #[serde(default, deserialize_with = "optional")]
    app_version: Option<String>,
}

/// The fields of the step `hook` that do not belong to its outcome.
#[derive(Deserialize)]
struct HookStep {
    hook_event: String,
    hook_name: String,
    duration_ms: Option<Millis>,
}

#[derive(Deserialize)]
struct SleepStep {
    ms: Millis,
}

/// The state of the replay between two lines.
pub(crate) struct Run<'a> {
    stop: &'a Stop,
    started: Option<Started>,
    /// The open sessions. Steps belong to the newest session, which is the last.
    open: Vec<Scope>,
    nesting: Rc<Nesting>,
    answers: Answers,
    backpressure: Backpressure,
    /// The latest `at` that was read. The run of a stored transcript ends then.
    latest: Option<SystemTime>,
    /// True if the beginning of a prompt, or of a call that is reported while it runs, had no `at`. Then the transcript
    /// is not a stored one, and the run ends now.
    is_current: bool,
}

/// The telemetry, and the version with which it was started.
struct Started {
    telemetry: Telemetry,
    version: String,
}

impl<'a> Run<'a> {
    pub(crate) fn new(nesting: Nesting, answers: Answers, stop: &'a Stop) -> Self {
        Self {
            stop,
            started: None,
            open: Vec::new(),
            nesting: Rc::new(nesting),
            answers,
            backpressure: Backpressure::default(),
            latest: None,
            is_current: false,
        }
    }

    /// Replays one line. An error contains the reason to report; unless it says otherwise, no part of the line was
    /// recorded.
    pub(crate) fn step(&mut self, line: &str) -> Result<(), String> {
        let Step { step, at } = read(line)?;
        let at = at.map(|At(time)| time);
        // All times of a step with a duration are derived from this one, so that its durations are exact.
        let end = at.unwrap_or_else(SystemTime::now);
        // The problem of a line that was recorded nevertheless.
        let mut problem = None;
        match step.as_str() {
            "session" => problem = self.start_session(line, at)?,
            "session_end" => {
                let scope = self.open.pop().ok_or_else(no_open_session)?;
                scope.end(at);
            }

            "prompt" => {
                let prompt = read(line)?;
                self.scope()?.begin_prompt(prompt, at);
            }
            "prompt_end" => {
                let end = read(line)?;
                if !self.scope()?.end_prompt(end, at) {
                    return Err("no prompt is open".to_owned());
                }
            }
            "api_request" => request::answered(line, self.scope()?, end)?,
            "api_error" => request::failed(line, self.scope()?, end)?,
            "tool" => tool::called(line, self.scope()?, end)?,
            "hook" => hook(line, self.recorder()?, end)?,

            "request_begin" => problem = live::request_begin(line, self.scope()?, at)?,
            "request_attempt" => live::request_attempt(line, self.scope()?, at)?,
            "request_end" => live::request_end(line, self.scope()?, at)?,
            "tool_begin" => problem = live::tool_begin(line, self.scope()?, at)?,
            "tool_decided" => live::tool_decided(line, self.scope()?)?,
            "tool_executing" => live::tool_executing(line, self.scope()?, at)?,
            "tool_end" => live::tool_end(line, self.scope()?, at)?,

            "api_request_body" => self.recorder()?.record_api_request_body(read(line)?),
            "api_response_body" => self.recorder()?.record_api_response_body(read(line)?),
            "tool_decision" => self.recorder()?.record_tool_decision(read(line)?),
            "tool_result" => self.recorder()?.record_tool_result(read(line)?),
            "plugin_installed" => self.recorder()?.record_plugin_installed(read(line)?),
            "skill_activated" => self.recorder()?.record_skill_activated(read(line)?),

            "lines_of_code" => self.recorder()?.record_lines_of_code(read(line)?),
            "commit" => self.recorder()?.record_commit(read(line)?),
            "pull_request" => self.recorder()?.record_pull_request(read(line)?),
            "active_time" => self.recorder()?.record_active_time(read(line)?),
            "code_edit_tool_decision" => {
                self.recorder()?.record_code_edit_decision(read(line)?);
            }
            "cost" => self.recorder()?.record_cost(read(line)?),
            "tokens" => self.recorder()?.record_tokens(read(line)?),

            "flush" => {
                if let Some(Started { telemetry, .. }) = &self.started {
                    flush(telemetry, self.stop);
                }
            }
            "sleep" => self.stop.sleep(read::<SleepStep>(line)?.ms.0),
            "child_env" => self.write_answer(question::child_env(line, self.open.last()))?,
            "trace_context" => {
                self.write_answer(question::trace_context(line, self.open.last()))?
            }
            _ => return Err(format!("unknown step {step:?}")),
        }
        self.latest = self.latest.max(at);
        self.is_current |=
            at.is_none() && matches!(step.as_str(), "prompt" | "tool_begin" | "request_begin");
        if let Some(Started { telemetry, .. }) = &self.started {
            let delivered = || {
                let exporters = telemetry.health().exporters;
                exporters.iter().map(|exporter| exporter.delivered).sum()
            };
            // After a signal, a flush does not wait, and counts as incomplete.
            let flush = || {
                flush(telemetry, self.stop).is_none_or(|report| {
                    report.exporters.iter().any(|exporter| exporter.queued > 0)
                })
            };
            self.backpressure.line(line.len(), delivered, flush);
        }
        problem.map_or(Ok(()), Err)
    }

    /// Ends open sessions, delivers all data, and reports losses.
    pub(crate) fn finish(mut self) -> Status {
        let end = self.latest.filter(|_| !self.is_current);
        for scope in self.open.drain(..).rev() {
            scope.end(end);
        }
        // A transcript without a session still reports problems of the configuration.
        let telemetry = self.started.unwrap_or_else(|| Started::new(None)).telemetry;
        flush(&telemetry, self.stop);
        let mut report = telemetry.shutdown();
        if report.exporters.is_empty() {
            Status::Off
        } else if report.is_complete() {
            Status::Delivered
        } else {
            // The warnings were written at the start.
            report.warnings = 0;
            print_to_stderr(report);
            Status::Lost
        }
    }

    /// Starts a session. The first session starts the telemetry, with its `app_version` as the version of the service.
    /// Returns the problem to report, if there is one.
    fn start_session(
        &mut self,
        line: &str,
        at: Option<SystemTime>,
    ) -> Result<Option<String>, String> {
        let options: SessionOptions = read(line)?;
        let SessionStep { app_version } = read(line)?;
        let started = self
            .started
            .get_or_insert_with(|| Started::new(app_version.clone()));
        let session = started.telemetry.session(options);
        self.open
            .push(Scope::new(session, Rc::clone(&self.nesting)));
        let mut problems = Vec::new();
        if self.open.len() > OPEN_SESSIONS {
            self.open.remove(0).end(at);
            problems.push(format!(
                "more than {OPEN_SESSIONS} sessions are open: this one is started, the oldest is ended"
            ));
        }
        if let Some(version) = app_version.filter(|version| *version != started.version) {
            problems.push(format!(
                "app_version {version:?} is left out, the session goes on: the service's is {:?}",
                started.version
            ));
        }
        Ok((!problems.is_empty()).then(|| problems.join("; ")))
    }

    /// Writes the answer to a question, and returns the result of its step.
    fn write_answer(&mut self, (answer, result): question::Answered) -> Result<(), String> {
        let Some(answer) = answer else {
            return result;
        };
        let console = self.started.as_ref().is_some_and(|started| {
            let exporters = started.telemetry.health().exporters;
            exporters
                .iter()
                .any(|row| row.exporter == Exporter::Console)
        });
        self.answers.write(&answer.into(), console, self.stop);
        result
    }

    fn scope(&mut self) -> Result<&mut Scope, String> {
        self.open.last_mut().ok_or_else(no_open_session)
    }

    fn recorder(&mut self) -> Result<&Recorder, String> {
        self.scope().map(|scope| scope.recorder())
    }
}

/// Delivers the recorded data within the flush timeout. Returns `None` if a signal ended the input: then only the
/// shutdown, with its own timeout, waits for the delivery. If no thread can be started, a signal does not end this
/// flush.
fn flush(telemetry: &Telemetry, stop: &Stop) -> Option<Report> {
    let flushed = telemetry.clone();
    stop.run(move || flushed.flush())
        .unwrap_or_else(|_| Some(telemetry.flush()))
}

/// Records the hooks of one hook event, which ended at `end`.
fn hook(line: &str, recorder: &Recorder, end: SystemTime) -> Result<(), String> {
    let outcome: HookOutcome = read(line)?;
    let step: HookStep = read(line)?;
    let start = before(end, lasting(step.duration_ms));
    recorder
        .hook_at(step.hook_event, step.hook_name, start)
        .finish(outcome.at(end));
    Ok(())
}

/// Returns the reason why a step without a session is invalid.
pub(crate) fn no_open_session() -> String {
    "no session is open".to_owned()
}

impl Started {
    fn new(version: Option<String>) -> Self {
        let version = version.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
        let service = Service::new("claude-code", version.clone());
        let config = Config::load();
        let problem = match config.is_enabled() {
            true => "telemetry has no exporter",
            false => "telemetry is off",
        };
        let telemetry = Telemetry::builder(config, service)
            .on_diagnostic(|diagnostic| print_to_stderr(diagnostic))
            .start();
        if !telemetry.is_enabled() {
            print_to_stderr(format_args!("{problem}, so nothing is sent: {REMEDY}"));
        }
        Self { telemetry, version }
    }
}
