//! The run that a transcript describes: the telemetry, the sessions, and which step makes which call.

use std::io::{self, Write};
use std::rc::Rc;
use std::time::SystemTime;

use claude_code_telemetry::{ChildEnv, Config, PromptEnd, Recorder, Service, Telemetry};
use serde::Deserialize;
use serde_json::{Map, json};

use crate::body::{ApiRequestBodyStep, ApiResponseBodyStep};
use crate::complain;
use crate::events::{PluginInstalledStep, SkillActivatedStep, ToolDecisionStep, ToolResultStep};
use crate::field::{At, Int, read};
use crate::hook::HookStep;
use crate::nesting::Nesting;
use crate::prompt::{PromptEndStep, PromptStep, end_at};
use crate::request::{ApiErrorStep, ApiRequestStep};
use crate::scope::Scope;
use crate::session::SessionStep;
use crate::tool::ToolStep;
use crate::usage::{
    ActiveTimeStep, CodeEditDecisionStep, CostStep, CountStep, LinesOfCodeStep, TokensStep,
};

/// What every step has.
#[derive(Deserialize)]
struct Step {
    step: String,
    at: Option<At>,
}

#[derive(Deserialize)]
struct SleepStep {
    ms: Int,
}

/// The state between two lines.
pub(crate) struct Run {
    started: Option<Started>,
    /// The open sessions. Steps belong to the newest, which is the last one.
    open: Vec<Scope>,
    nesting: Rc<Nesting>,
}

/// The telemetry, and the version that it was started with.
struct Started {
    telemetry: Telemetry,
    version: String,
}

impl Run {
    pub(crate) fn new(nesting: Nesting) -> Self {
        Self {
            started: None,
            open: Vec::new(),
            nesting: Rc::new(nesting),
        }
    }

    /// Replays one line. An error is a reason to report; unless it says otherwise, nothing of the line was recorded.
    pub(crate) fn step(&mut self, line: &str) -> Result<(), String> {
        let Step { step, at } = read(line)?;
        let at = at.map(|At(time)| time);
        // A step that lasts tells each of its times, counted from this one, so that its durations are exact.
        let end = at.unwrap_or_else(SystemTime::now);
        match step.as_str() {
            "session" => self.start_session(read(line)?)?,
            "session_end" => self.end_session(at)?,

            "prompt" => read::<PromptStep>(line)?.begin(self.scope()?, at),
            "prompt_end" => read::<PromptEndStep>(line)?.end(self.scope()?, at)?,
            "api_request" => read::<ApiRequestStep>(line)?.record(self.scope()?, end),
            "api_error" => read::<ApiErrorStep>(line)?.record(self.scope()?, end),
            "api_request_body" => read::<ApiRequestBodyStep>(line)?.record(self.recorder()?, at),
            "api_response_body" => read::<ApiResponseBodyStep>(line)?.record(self.recorder()?, at),
            "tool" => read::<ToolStep>(line)?.record(self.scope()?, end)?,
            "hook" => read::<HookStep>(line)?.record(self.recorder()?, end),

            "tool_decision" => read::<ToolDecisionStep>(line)?.record(self.recorder()?, at),
            "tool_result" => read::<ToolResultStep>(line)?.record(self.recorder()?, at)?,
            "plugin_installed" => read::<PluginInstalledStep>(line)?.record(self.recorder()?, at),
            "skill_activated" => read::<SkillActivatedStep>(line)?.record(self.recorder()?, at),

            "lines_of_code" => read::<LinesOfCodeStep>(line)?.record(self.recorder()?),
            "commit" => read::<CountStep>(line)?.record_commits(self.recorder()?),
            "pull_request" => read::<CountStep>(line)?.record_pull_requests(self.recorder()?),
            "active_time" => read::<ActiveTimeStep>(line)?.record(self.recorder()?),
            "code_edit_tool_decision" => {
                read::<CodeEditDecisionStep>(line)?.record(self.recorder()?);
            }
            "cost" => read::<CostStep>(line)?.record(self.recorder()?),
            "tokens" => read::<TokensStep>(line)?.record(self.recorder()?),

            "flush" => {
                if let Some(Started { telemetry, .. }) = &self.started {
                    telemetry.flush();
                }
            }
            "sleep" => std::thread::sleep(read::<SleepStep>(line)?.ms.ms()),
            "child_env" => print(&self.scope()?.child_env()),
            _ => return Err(format!("unknown step {step:?}")),
        }
        Ok(())
    }

    /// Ends what is open, delivers it, and tells of what was lost.
    pub(crate) fn finish(mut self) {
        for scope in self.open.drain(..).rev() {
            scope.end(PromptEnd::new());
        }
        // A transcript without any session still shows what is wrong with the configuration.
        let telemetry = self.started.unwrap_or_else(|| Started::new(None)).telemetry;
        telemetry.flush();
        let report = telemetry.shutdown();
        if !report.is_complete() {
            complain(report);
        }
    }

    /// The first session starts the telemetry: its version is that of the service.
    fn start_session(&mut self, step: SessionStep) -> Result<(), String> {
        let started = self
            .started
            .get_or_insert_with(|| Started::new(step.app_version.clone()));
        let other_version = step
            .app_version
            .clone()
            .filter(|version| *version != started.version);
        let session = started.telemetry.session(step.options());
        self.open
            .push(Scope::new(session, Rc::clone(&self.nesting)));
        match other_version {
            None => Ok(()),
            Some(version) => Err(format!(
                "app_version {version:?} is left out, the session goes on: the service's is {:?}",
                started.version
            )),
        }
    }

    fn end_session(&mut self, at: Option<SystemTime>) -> Result<(), String> {
        let scope = self.open.pop().ok_or_else(no_open_session)?;
        scope.end(end_at(at));
        Ok(())
    }

    fn scope(&mut self) -> Result<&mut Scope, String> {
        self.open.last_mut().ok_or_else(no_open_session)
    }

    fn recorder(&mut self) -> Result<&Recorder, String> {
        self.scope().map(|scope| scope.recorder())
    }
}

/// Prints the environment of a subprocess. Standard output that is closed is no reason to stop.
fn print(env: &ChildEnv) {
    let set: Map<_, _> = env
        .set
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
        .collect();
    let line = json!({ "set": set, "remove": env.remove });
    let _ = writeln!(io::stdout(), "{line}");
}

fn no_open_session() -> String {
    "no session is open".to_owned()
}

impl Started {
    fn new(version: Option<String>) -> Self {
        let version = version.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
        let service = Service::new("claude-code", version.clone());
        let telemetry = Telemetry::builder(Config::load(), service)
            .on_diagnostic(|diagnostic| complain(diagnostic))
            .start();
        Self { telemetry, version }
    }
}
