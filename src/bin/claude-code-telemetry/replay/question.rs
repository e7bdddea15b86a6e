//! The steps `child_env` and `trace_context`, which the host asks and which are answered.

use claude_code_telemetry::{ChildEnv, LlmRequest};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::field::{Id, read};
use super::run::no_open_session;
use super::scope::{OpenRequest, OpenTool, Scope};
use super::transcript::short;

/// The members of an answer.
type Answer = Map<String, Value>;

/// The answer of a step, if it has one, and the reason why the step is invalid.
pub(crate) type Answered = (Option<Answer>, Result<(), String>);

/// The call that a question names.
#[derive(Default, Deserialize)]
struct Named {
    #[serde(default, deserialize_with = "not_null")]
    tool_use_id: Option<Id>,
    #[serde(default, deserialize_with = "not_null")]
    request: Option<Id>,
    /// Names no call, but can be mistaken for `request`.
    #[serde(default, deserialize_with = "not_null")]
    request_id: Option<IgnoredAny>,
}

/// Parses a member that may be absent, but not `null` instead: a host that gives `null` has lost the id, and must not get
/// the answer to a question without an id.
fn not_null<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// The subject of a question.
enum Subject<'a> {
    Tool(&'a OpenTool),
    Request(&'a LlmRequest),
    /// The question names no call.
    Unnamed(&'a Scope),
}

impl Named {
    /// Returns the open call that the question names.
    fn find<'a>(&self, scope: &'a Scope) -> Result<Subject<'a>, String> {
        if self.request_id.is_some() {
            return Err("name a request by `request`, not by `request_id`".to_owned());
        }
        match (&self.tool_use_id, &self.request) {
            (Some(Id(id)), None) => scope.open_tools.get(id).map(Subject::Tool),
            (None, Some(Id(id))) => {
                let OpenRequest { request, .. } = scope.open_requests.get(id)?;
                Ok(Subject::Request(request))
            }
            (None, None) => Ok(Subject::Unnamed(scope)),
            (Some(_), Some(_)) => Err("name a tool_use_id or a request, not both".to_owned()),
        }
    }
}

/// Answers with the environment of a subprocess. An invalid question is answered with an environment without a trace
/// context.
pub(crate) fn child_env(line: &str, scope: Option<&Scope>) -> Answered {
    // This is the only invalid question without an answer: a host that names no call reads answers to valid steps only.
    if scope.is_none()
        && let Ok(Named {
            tool_use_id: None,
            request: None,
            ..
        }) = read(line)
    {
        return (None, Err(no_open_session()));
    }
    let (named, subject) = read_question(line, scope);
    let env = match subject {
        Ok(Subject::Tool(tool)) => tool.call.child_env(),
        Ok(Subject::Request(request)) => request.child_env(),
        Ok(Subject::Unnamed(scope)) => scope.child_env(),
        Err(_) => scope.map_or_else(ChildEnv::default, |scope| {
            scope.session_recorder().child_env()
        }),
    };
    answer(named, environment(&env), subject.map(drop))
}

/// Answers with the headers of a trace context. Without a named call, it is that of the open prompt. An invalid question is
/// answered without headers.
pub(crate) fn trace_context(line: &str, scope: Option<&Scope>) -> Answered {
    let (named, subject) = read_question(line, scope);
    let mut headers = Answer::new();
    let add = |name: &str, value: &str| headers.insert(name.to_owned(), value.into());
    match subject {
        Ok(Subject::Tool(tool)) => tool.call.inject(add),
        Ok(Subject::Request(request)) => request.inject(add),
        Ok(Subject::Unnamed(scope)) => scope.recorder().inject(add),
        Err(_) => {}
    }
    answer(named, headers, subject.map(drop))
}

/// Returns the ids in a question, and its subject or the reason why the question is invalid.
fn read_question<'a>(line: &str, scope: Option<&'a Scope>) -> (Named, Result<Subject<'a>, String>) {
    match read::<Named>(line) {
        Ok(named) => {
            let subject = scope
                .ok_or_else(no_open_session)
                .and_then(|scope| named.find(scope));
            (named, subject)
        }
        Err(reason) => (Named::default(), Err(reason)),
    }
}

/// Adds the ids of the question to an answer, and the reason why the question is invalid. An invalid question has an
/// answer too, because the host may wait for it.
fn answer(named: Named, mut members: Answer, valid: Result<(), String>) -> Answered {
    if let Err(reason) = &valid {
        members.insert("error".to_owned(), short(reason).into());
    }
    for (name, id) in [
        ("tool_use_id", named.tool_use_id),
        ("request", named.request),
    ] {
        if let Some(Id(id)) = id {
            members.insert(name.to_owned(), id.into());
        }
    }
    (Some(members), valid)
}

/// Returns the members of an answer with the environment of a subprocess.
fn environment(env: &ChildEnv) -> Answer {
    let set: Map<_, _> = env
        .set
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
        .collect();
    let remove = env.remove.iter().cloned().collect();
    Answer::from_iter([
        ("set".to_owned(), Value::Object(set)),
        ("remove".to_owned(), remove),
    ])
}
