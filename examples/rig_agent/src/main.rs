//! An agent on the framework rig that emits the telemetry documented for Claude Code. README.md describes it.
//!
//! ```sh
//! cargo run --manifest-path examples/rig_agent/Cargo.toml
//! ```
//!
//! | file | part |
//! | --- | --- |
//! | `main.rs` | starts the telemetry and the agent, and runs five turns |
//! | `telemetry.rs` | all of the instrumentation |
//! | `retry.rs` | the HTTP client of the agent, which retries, and the message of its errors |
//! | `tools.rs` | the tools of the agent and its permission rule |
//! | `server.rs` | the scripted model, without telemetry |

mod retry;
mod server;
mod telemetry;
mod tools;

use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;

use claude_code_telemetry::{Config, Identity, Prices, Prompt, Service, Session, Telemetry};
use futures::StreamExt;
use rig_agent::agent::{Agent, AgentBuilder, AgentRunner, MultiTurnStreamItem};
use rig_agent::streaming::{Item, StreamEvent};
use rig_core::providers::anthropic::AnthropicConfig;
use serde_json::json;

use retry::Retrying;
use server::Answer;
use telemetry::Instrumentation;
use tools::NoShell;

const MODEL: &str = "claude-sonnet-4-6";
const PRICES: &str = include_str!("../../prices.json");
const HOW_TO_ENABLE: &str = "Telemetry is off. README.md lists the variables that turn it on.";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = Service::new("rig-agent", env!("CARGO_PKG_VERSION"));
    let telemetry = Telemetry::builder(Config::load(), service)
        .on_diagnostic(|diagnostic| drop(writeln!(io::stderr(), "telemetry: {diagnostic}")))
        .start();
    if !telemetry.is_enabled() {
        writeln!(io::stderr(), "{HOW_TO_ENABLE}")?;
    }

    let address = server::start(script()).await?;
    let provider = AnthropicConfig::new("no key").with_base_url(format!("http://{address}"));
    let default_model = provider.clone().connect(rig_reqwest::shared());
    let host = Host {
        agent: AgentBuilder::new(default_model.completion(MODEL))
            .dynamic_tools(tools::all()?)
            .build(),
        provider,
        session: telemetry.session(Identity::new()),
        prices: Arc::new(Prices::from_json(PRICES)?),
    };
    host.ask("Do the parser and the lexer exist?").await?;
    host.stream("Rename the function.", false).await?;
    host.ask("Explain every file.").await?;
    host.stream("Tell me a story.", true).await?;
    host.ask("Is anybody there?").await?;

    drop(host);
    let report = telemetry.shutdown_async().await;
    if telemetry.is_enabled() {
        writeln!(io::stderr(), "{report}")?;
    }
    Ok(())
}

/// Returns the answers of the model, in the order of its requests.
fn script() -> Vec<Answer> {
    let (parser, lexer) = ("src/parser.rs", "src/lexer.rs");
    let edit = json!({"file_path": parser, "old_string": "parse", "new_string": "read"});
    vec![
        // The first turn: a retried request, and two tools at the same time.
        Answer::error(529, "overloaded_error", "Overloaded"),
        Answer::tools([
            ("toolu_01", "Read", json!({"file_path": parser})),
            ("toolu_02", "Read", json!({"file_path": lexer})),
        ]),
        Answer::text("Only the parser exists."),
        // The second turn, which is streamed: an edit, and a command that is denied.
        Answer::tools([
            ("toolu_03", "Edit", edit),
            ("toolu_04", "Bash", json!({"command": "cargo test"})),
        ]),
        Answer::text("I renamed it, but did not test it."),
        // The third turn fails, the user stops the fourth one, and the fifth one gets no response.
        Answer::error(400, "invalid_request_error", "prompt is too long"),
        Answer::endless("Once upon a time"),
        Answer::Disconnect,
    ]
}

/// The host of the agent.
struct Host {
    agent: Agent,
    provider: AnthropicConfig,
    session: Session,
    prices: Arc<Prices>,
}

impl Host {
    /// Returns a run of the agent and its instrumentation.
    fn run(&self, prompt: &Prompt, text: &str) -> (AgentRunner, Instrumentation) {
        let telemetry = Instrumentation {
            calls: prompt.calls(),
            model: MODEL,
            prices: Arc::clone(&self.prices),
        };
        let client = Retrying {
            client: rig_reqwest::shared(),
            telemetry: telemetry.clone(),
        };
        let model = self.provider.clone().connect(client).completion(MODEL);
        let run = self.agent.prompt(text).using_model_value(model);
        // The instrumentation comes after the rule, so that its `on_dispatch` is called only for tools that the rule
        // allows.
        let run = run.add_hook(NoShell).add_hook(telemetry.clone());
        (run.tool_concurrency(4).max_turns(8), telemetry)
    }

    /// Runs a turn, and shows the answer.
    async fn ask(&self, text: &str) -> io::Result<()> {
        let prompt = self.session.prompt(text);
        let (run, telemetry) = self.run(&prompt, text);
        match run.await {
            Ok(response) => writeln!(io::stderr(), "> {text}\n{}", response.output()),
            Err(error) => {
                telemetry.failed(&error);
                writeln!(io::stderr(), "> {text}\n{error}")
            }
        }
    }

    /// Runs a turn, and shows the answer while it arrives, unless the user stops the turn at its first words.
    async fn stream(&self, text: &str, is_stopped: bool) -> io::Result<()> {
        let prompt = self.session.prompt(text);
        let (run, telemetry) = self.run(&prompt, text);
        writeln!(io::stderr(), "> {text}")?;
        let mut items = run.stream();
        while let Some(item) = items.next().await {
            match item {
                Ok(MultiTurnStreamItem::StreamAssistantItem(part)) => {
                    telemetry.token();
                    if let Item::Event(StreamEvent::Text { text, .. }) = part {
                        writeln!(io::stderr(), "{text}")?;
                        if is_stopped {
                            break;
                        }
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    telemetry.failed(&error);
                    writeln!(io::stderr(), "{error}")?;
                }
            }
        }
        Ok(())
    }
}
