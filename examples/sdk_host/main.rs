//! A server that runs an agent for each of its users: one telemetry, one session for each connection.
//!
//! ```sh
//! cargo run --example sdk_host
//! ```
//!
//! | file | part |
//! | --- | --- |
//! | `main.rs` | starts the telemetry and the server, and ends in order |
//! | `server.rs` | one connection: a session, its user, its prompts |
//! | `users.rs` | three users who connect at the same time: no telemetry in it |
//!
//! It records as an SDK host does, which has the numbers of a request once it is over: `record_api_request` and its siblings,
//! one call each. A host that follows a request from its first attempt to its answer, for the spans of each, uses handles:
//! the example `agent_loop` does.
//!
//! What matters in a server: it starts the telemetry once; sessions are cheap and of one user each; a session ends with its
//! last handle, when the user leaves; no session waits for another one, and none for the network.

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
    // The sessions end before the telemetry does.
    let sessions = server.await??;

    let mut out = io::stdout().lock();
    for answer in answers {
        writeln!(out, "{answer}")?;
    }
    writeln!(out, "{sessions} sessions ended")?;
    // Without blocking a thread of the runtime, and within the configured limit.
    let report = telemetry.shutdown_async().await;
    writeln!(out, "{report}")
}
