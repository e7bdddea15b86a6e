//! One connection: a session, its user, its prompts.

use std::io;

use claude_code_telemetry::{
    DecisionSource, Identity, Session, SessionOptions, Telemetry, TokenUsage, ToolOutcome,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

const MODEL: &str = "claude-sonnet-4-6";

/// Serves until the other side of `stopped` is dropped, and then until the last user has left; returns how many sessions
/// ended. Each connection has a task of its own.
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
        // Nobody sits before the server, and its own terminal is not the user's.
        let options = SessionOptions::new().interactive(false).terminal_type("");
        let session = telemetry.session(options);
        connections.spawn(async move {
            // A connection that breaks ends its session like one that is closed.
            let _ = converse(stream, &session).await;
            session.end();
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
                // From here on all that is recorded is this user's.
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

/// One prompt. Several of one session may be under way at once: each handle is its own.
async fn submit(session: &Session, text: String) -> String {
    let asked = text.len() as u64;
    let prompt = session.prompt(text);

    let request = prompt.llm_request(MODEL);
    let (answer, usage) = model(asked).await;
    request.answered(|request| request.tokens(usage).cost_usd(0.002));

    let tool = prompt.tool("Read");
    tool.accepted(DecisionSource::Config);
    tool.executing();
    let result = read("notes.txt").await;
    tool.finish(ToolOutcome::from_result(&result));
    prompt.end();
    answer
}

/// What a model might say.
async fn model(asked: u64) -> (String, TokenUsage) {
    tokio::task::yield_now().await;
    let usage = TokenUsage::new().input(asked).output(2);
    (format!("an answer to {asked} bytes"), usage)
}

/// A tool that fails now and then, like any.
async fn read(path: &str) -> Result<String, String> {
    tokio::task::yield_now().await;
    Err(format!("{path}: no such file"))
}
