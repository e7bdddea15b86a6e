//! A server that runs an agent for each of its users: one telemetry, and one session for each connection.
//!
//! ```sh
//! cargo run --example sdk_host
//! ```
//!
//! | file | part |
//! | --- | --- |
//! | `main.rs` | starts the telemetry and the server, and shuts down in order |
//! | `server.rs` | a connection: its session, its user, its prompts |
//! | `users.rs` | three users who connect at the same time, without telemetry |
//!
//! The server stands for a host whose agent runs inside a library, and whose library reports the figures of a request
//! only when the request is over. So the server makes one call for each record, such as `record_api_request`. A host
//! that follows a request from its first attempt to its response, and wants its spans, uses handles, as in the example
//! `agent_loop`.
//!
//! Rules for a server: start the telemetry once; use one session for each conversation, because sessions are cheap; a
//! session ends with its last handle, when the connection closes; no session waits for another session or for the
//! network.

mod server;
mod users;

use std::io::{self, Write};

use claude_code_telemetry::{Config, Service, Telemetry};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> io::Result<()> {
    let telemetry = Telemetry::builder(Config::load(), Service::new("claude-code", "2.1.112"))
        .on_diagnostic(|diagnostic| drop(writeln!(io::stderr(), "telemetry: {diagnostic}")))
        .start();

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(server::serve(listener, telemetry.clone(), stopped));

    // A real server would wait for a signal here.
    let answers = users::all(address).await?;
    drop(stop);
    // The sessions must end before the telemetry.
    let sessions = server.await??;

    let mut out = io::stdout().lock();
    for answer in answers {
        writeln!(out, "{answer}")?;
    }
    writeln!(out, "{sessions} sessions ended")?;
    // Does not block a thread of the runtime, and returns within the configured timeout.
    let report = telemetry.shutdown_async().await;
    writeln!(out, "{report}")
}
