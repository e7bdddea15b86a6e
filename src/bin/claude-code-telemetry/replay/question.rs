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

/// Answers with the environment of a subprocess. A subject that is not found gives an environment without a trace context.
pub(crate) fn child_env(line: &str, scope: Option<&Scope>) -> Answered {
    let untraced = scope.map_or_else(ChildEnv::default, |scope| scope.session().child_env());
    let named = read::<Named>(line);
    // Without a session and without an id, the step has no answer: it is invalid, and a host that names no call reads
    // answers to valid steps only.
    let names_a_call = match &named {
        Ok(named) => named.tool_use_id.is_some() || named.request.is_some(),
        Err(_) => true,
    };
    let (answer, result) = answer(named, scope, environment(&untraced), |subject| {
        environment(&match subject {
            Subject::Tool(tool) => tool.call.child_env(),
            Subject::Request(request) => request.child_env(),
            Subject::Unnamed(scope) => scope.child_env(),
        })
    });
    let has_answer = scope.is_some() || names_a_call;
    (has_answer.then_some(answer), result)
}

/// Answers with the headers of a trace context. Without a named call, it is that of the open prompt.
pub(crate) fn trace_context(line: &str, scope: Option<&Scope>) -> Answered {
    let (answer, result) = answer(read(line), scope, Answer::new(), |subject| {
        let mut headers = Answer::new();
        let add = |name: &str, value: &str| headers.insert(name.to_owned(), value.into());
        match subject {
            Subject::Tool(tool) => tool.call.inject(add),
            Subject::Request(request) => request.inject(add),
            Subject::Unnamed(scope) => scope.recorder().inject(add),
        }
        headers
    });
    (Some(answer), result)
}

/// Returns the answer for the subject of a question. An invalid question is answered too, with `otherwise` and the reason,
/// because the host may wait for the answer.
fn answer(
    named: Result<Named, String>,
    scope: Option<&Scope>,
    otherwise: Answer,
    answer: impl FnOnce(Subject<'_>) -> Answer,
) -> (Answer, Result<(), String>) {
    let (named, valid) = match named {
        Ok(named) => (named, Ok(())),
        Err(reason) => (Named::default(), Err(reason)),
    };
    let found = valid.and_then(|()| named.find(scope.ok_or_else(no_open_session)?));
    let (mut members, result) = match found {
        Ok(subject) => (answer(subject), Ok(())),
        Err(reason) => {
            let mut members = otherwise;
            members.insert("error".to_owned(), short(&reason).into());
            (members, Err(reason))
        }
    };
    for (name, id) in [
        ("tool_use_id", named.tool_use_id),
        ("request", named.request),
    ] {
        if let Some(Id(id)) = id {
            members.insert(name.to_owned(), id.into());
        }
    }
    (members, result)
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
