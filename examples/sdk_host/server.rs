//! Connections: a session, its user and its prompts for each.

use std::io;
use std::time::Instant;

use claude_code_telemetry::{
    ApiError, ApiRequest, Decision, DecisionSource, Identity, Prompt, Session, SessionOptions,
    Telemetry, TokenUsage, ToolDecision, ToolResult,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

const MODEL: &str = "claude-sonnet-4-6";

/// Serves each connection in a task until the sender of `stopped` is dropped, and then until the last user has left.
/// Returns the number of sessions that ended.
pub(crate) async fn serve(
    listener: TcpListener,
    telemetry: Telemetry,
    mut stopped: oneshot::Receiver<()>,
) -> io::Result<usize> {
    let mut connections = JoinSet::new();
    let mut ended = 0;
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            Some(_) = connections.join_next() => {
                ended += 1;
                continue;
            }
            _ = &mut stopped => break,
        };
        // No user operates the server itself, and its own terminal is not that of the user.
        let options = SessionOptions::new().interactive(false).terminal_type("");
        let session = telemetry.session(options);
        connections.spawn(async move {
            // A broken connection ends its session like a closed one.
            let _ = converse(stream, &session).await;
            drop(session);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {
        ended += 1;
    }
    Ok(ended)
}

/// Answers each line: `login ORGANIZATION EMAIL`, or a prompt.
async fn converse(mut stream: TcpStream, session: &Session) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["login", organization, email] => {
                // All data that is recorded after this call belongs to this user.
                session.set_identity(
                    Identity::new()
                        .organization_id(organization)
                        .email(email)
                        .user_id(format!("user-of-{organization}")),
                );
                format!("welcome, {email}")
            }
            _ => submit(session, line).await,
        };
        writer.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

/// Submits a prompt. Several prompts of a session may be open at the same time: the handle determines to which prompt a
/// record belongs.
///
/// A host that has the figures of a request or a tool call only at its end records each with one call.
async fn submit(session: &Session, text: String) -> String {
    let asked = text.len() as u64;
    let prompt = session.prompt(text);
    let answer = ask(&prompt, asked).await;
    call_tool(&prompt, "toolu_01").await;
    prompt.end();
    answer
}

/// Asks the model, and records the event, the cost and the tokens.
async fn ask(prompt: &Prompt, asked: u64) -> String {
    let start = Instant::now();
    match model(asked).await {
        Ok(response) => {
            prompt.record_api_request(
                ApiRequest::new(MODEL)
                    .tokens(response.usage)
                    .cost_usd(0.002)
                    .duration(start.elapsed())
                    .request_id(response.id),
            );
            response.text
        }
        Err(status) => {
            prompt.record_api_error(
                ApiError::new(MODEL, "Overloaded")
                    .status_code(status)
                    .duration(start.elapsed()),
            );
            "no answer".to_owned()
        }
    }
}

/// Calls a tool, and records the decision and the result.
async fn call_tool(prompt: &Prompt, id: &'static str) {
    let (accept, source) = (Decision::Accept, DecisionSource::Config);
    prompt.record_tool_decision(ToolDecision::new("Read", accept, source).tool_use_id(id));

    let start = Instant::now();
    let result = read("notes.txt").await;
    let mut record = ToolResult::new("Read")
        .tool_use_id(id)
        .decision(accept, source)
        .duration(start.elapsed());
    match result {
        Ok(text) => record = record.result_size_bytes(text.len() as u64),
        Err(error) => record = record.failed(error),
    }
    prompt.record_tool_result(record);
}

/// A response of the simulated API.
struct Response {
    id: String,
    text: String,
    usage: TokenUsage,
}

/// Simulates a model. Returns a response, or the HTTP status of a failure.
async fn model(asked: u64) -> Result<Response, u16> {
    tokio::task::yield_now().await;
    if asked == 0 {
        return Err(529);
    }
    Ok(Response {
        id: format!("req_{asked}"),
        text: format!("an answer to {asked} bytes"),
        usage: TokenUsage::new().input(asked).output(2),
    })
}

/// Simulates a tool that fails.
async fn read(path: &str) -> Result<String, String> {
    tokio::task::yield_now().await;
    Err(format!("{path}: no such file"))
}
