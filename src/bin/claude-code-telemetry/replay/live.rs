//! The steps of tool calls and model requests that the host reports while they run.
//!
//! The host gives each call an id. A step for an id that is unknown, is used twice or has ended records nothing.

use std::time::SystemTime;

use claude_code_telemetry::{
    ApiError, ApiRequest, Decision, LlmRequest, LlmRequestOptions, Permission, RequestContext,
    ToolOutcome,
};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use super::field::{Id, Object, optional, read};
use super::open_calls::OpenCall;
use super::scope::{OpenRequest, Scope};

#[derive(Deserialize)]
struct ToolBegin {
    tool_use_id: Id,
    #[serde(default, deserialize_with = "optional")]
    parent_tool: Option<String>,
}

#[derive(Deserialize)]
struct ToolDecided {
    tool_use_id: Id,
    decision: Option<Decision>,
}

#[derive(Deserialize)]
struct ToolExecuting {
    tool_use_id: Id,
}

#[derive(Deserialize)]
struct ToolEnd {
    tool_use_id: Id,
    executed: Option<bool>,
}

/// Begins a tool call. Returns the problem to report if the oldest one ended because too many are open.
pub(crate) fn tool_begin(
    line: &str,
    scope: &mut Scope,
    at: Option<SystemTime>,
) -> Result<Option<String>, String> {
    let ToolBegin {
        tool_use_id: Id(id),
        parent_tool,
    } = read(line)?;
    scope.begin_open_tool(id, parent_tool.as_deref(), read(line)?, at)
}

/// Records the decision about a tool call.
pub(crate) fn tool_decided(line: &str, scope: &Scope) -> Result<(), String> {
    let ToolDecided {
        tool_use_id: Id(id),
        decision,
    } = read(line)?;
    let permission: Permission = read(line)?;
    let Some(decision) = decision else {
        return Err("missing field `decision`".to_owned());
    };
    let tool = scope.open_tools.get(&id)?;
    tool.decision.get_or_init(|| decision);
    tool.call.decided_as(permission);
    Ok(())
}

/// Begins the execution of a tool call.
pub(crate) fn tool_executing(
    line: &str,
    scope: &Scope,
    at: Option<SystemTime>,
) -> Result<(), String> {
    let ToolExecuting {
        tool_use_id: Id(id),
    } = read(line)?;
    scope.open_tools.get(&id)?.executing(at);
    Ok(())
}

/// Ends a tool call: with its result, or without one if the tool was not executed.
pub(crate) fn tool_end(
    line: &str,
    scope: &mut Scope,
    at: Option<SystemTime>,
) -> Result<(), String> {
    let ToolEnd {
        tool_use_id: Id(id),
        executed,
    } = read(line)?;
    let outcome: ToolOutcome = read(line)?;
    let tool = scope.open_tools.take(&id)?;
    if executed == Some(false) {
        tool.end(at);
        return Ok(());
    }
    // The library takes a rejected call for one that did not execute, unless its execution has begun.
    if executed == Some(true) && tool.decision.get() == Some(&Decision::Reject) {
        tool.executing(at);
    }
    tool.call.finish(outcome);
    Ok(())
}

#[derive(Deserialize)]
struct RequestBegin {
    request: Id,
    model: String,
    #[serde(alias = "llm_request.context")]
    context: Option<RequestContext>,
    #[serde(default, deserialize_with = "optional")]
    parent_tool: Option<String>,
    request_body: Option<Object>,
}

#[derive(Deserialize)]
struct RequestAttempt {
    request: Id,
    request_body: Option<Object>,
}

#[derive(Deserialize)]
struct RequestEnd {
    request: Id,
    #[serde(default, deserialize_with = "optional")]
    model: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    error: Option<String>,
    canceled: Option<bool>,
    cost_usd: Option<IgnoredAny>,
    response_body: Option<Object>,
}

/// Begins a model request. Returns the problem to report if the oldest one ended because too many are open.
pub(crate) fn request_begin(
    line: &str,
    scope: &mut Scope,
    at: Option<SystemTime>,
) -> Result<Option<String>, String> {
    let RequestBegin {
        request: Id(id),
        model,
        context,
        parent_tool,
        request_body,
    } = read(line)?;
    let options: LlmRequestOptions = read(line)?;
    let options = options.context(context.unwrap_or(scope.default_context()));
    let problem = scope.begin_open_request(&id, parent_tool.as_deref(), model, options, at)?;
    let OpenRequest { request, .. } = scope.open_requests.get(&id)?;
    record_body(request, request_body, at);
    Ok(problem)
}

/// Begins an attempt of a model request: the first one, which began with the request, or another one.
pub(crate) fn request_attempt(
    line: &str,
    scope: &Scope,
    at: Option<SystemTime>,
) -> Result<(), String> {
    let RequestAttempt {
        request: Id(id),
        request_body,
    } = read(line)?;
    let OpenRequest { request, .. } = scope.open_requests.get(&id)?;
    match at {
        Some(at) => request.attempt_started_at(at),
        None => request.attempt_started(),
    }
    record_body(request, request_body, at);
    Ok(())
}

/// Records the body of an attempt, if there is one.
fn record_body(request: &LlmRequest, body: Option<Object>, at: Option<SystemTime>) {
    match (body, at) {
        (Some(body), Some(at)) => request.body_at(body, at),
        (Some(body), None) => request.body(body),
        (None, _) => {}
    }
}

/// Ends a model request: with its answer, with its error, or without an outcome if it was canceled.
pub(crate) fn request_end(
    line: &str,
    scope: &mut Scope,
    at: Option<SystemTime>,
) -> Result<(), String> {
    let step: RequestEnd = read(line)?;
    let Id(id) = step.request;
    let requested = &scope.open_requests.get(&id)?.model;
    let default = step.model.is_none().then(|| requested.clone());
    if step.canceled == Some(true) {
        scope.open_requests.take(&id)?.end(at);
    } else if step.error.is_some() {
        let error: ApiError = read_with_model(line, default)?;
        scope.open_requests.take(&id)?.request.fail(error);
    } else if step.cost_usd.is_none() {
        return Err(
            "missing field `cost_usd`: only a request with `error` or `canceled` has none"
                .to_owned(),
        );
    } else {
        let answer: ApiRequest = read_with_model(line, default)?;
        let OpenRequest { request, .. } = scope.open_requests.take(&id)?;
        if let Some(body) = step.response_body {
            request.response_body(body);
        }
        request.finish(answer);
    }
    Ok(())
}

/// Parses a line as a record. If `model` is given, it becomes the record's field `model`, which the line lacks.
fn read_with_model<T: DeserializeOwned>(line: &str, model: Option<String>) -> Result<T, String> {
    let record = read(line);
    let Some(model) = model else {
        return record;
    };
    // The line itself is parsed first: a map accepts repeated fields, and its errors have no column. A missing field is
    // found after all invalid values, and the model is the first field that can be missing.
    if let Err(reason) = record
        && reason != "missing field `model`"
    {
        return Err(reason);
    }
    let mut fields: Map<String, Value> = read(line)?;
    fields.insert("model".to_owned(), model.into());
    serde_json::from_value(fields.into()).map_err(|error| error.to_string())
}
