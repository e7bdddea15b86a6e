//! The simulation: the model's responses, the user's decisions, the work of the tools.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::sleep;

/// A model that responds from a list.
pub(crate) struct Model(VecDeque<Result<Reply, Failure>>);

/// A response of the model.
pub(crate) struct Reply {
    pub(crate) text: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) body: String,
    pub(crate) request_id: &'static str,
    pub(crate) stop_reason: &'static str,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cost_usd: f64,
}

/// The reason why a model request failed.
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) message: &'static str,
    pub(crate) request_id: &'static str,
}

impl Failure {
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self.status, 429 | 500..)
    }
}

/// A tool that the model calls.
pub(crate) struct Call {
    pub(crate) id: &'static str,
    pub(crate) tool: &'static str,
    /// The arguments as a JSON string.
    pub(crate) input: &'static str,
    pub(crate) permission: Permission,
    pub(crate) work: Work,
}

/// The origin of the permission decision.
#[derive(Clone, Copy)]
pub(crate) enum Permission {
    Rule,
    UserAccepts,
    UserRejects,
}

/// The work of a tool.
pub(crate) enum Work {
    Read {
        text: &'static str,
    },
    Edit {
        path: &'static str,
        diff: &'static str,
    },
    Shell {
        command: &'static str,
        result: Result<&'static str, &'static str>,
    },
    /// Runs a subagent.
    Agent {
        model: Model,
    },
    /// Continues after the end of the turn.
    Background {
        output: &'static str,
    },
    /// Never completes.
    Never,
}

impl Model {
    /// Returns the body of the next request.
    pub(crate) fn body(&self) -> String {
        r#"{"model":"claude-sonnet-4-6","messages":[]}"#.to_owned()
    }

    pub(crate) async fn send(
        &mut self,
        _body: String,
        _headers: Vec<(&'static str, String)>,
        first_token: impl FnOnce(),
    ) -> Result<Reply, Failure> {
        sleep(Duration::from_millis(30)).await;
        let reply = self.0.pop_front().unwrap_or_else(|| says("Done."))?;
        first_token();
        sleep(Duration::from_millis(30)).await;
        Ok(reply)
    }
}

/// Returns the model for the first prompt: it is overloaded at first, then it reads, edits, tests and commits.
pub(crate) fn fix() -> Model {
    let read = |id, input| {
        call(
            id,
            "Read",
            input,
            Work::Read {
                text: "fn parse() {}\n",
            },
        )
    };
    let explore = call(
        "toolu_03",
        "Agent",
        r#"{"subagent_type":"Explore","prompt":"Who calls parse?"}"#,
        Work::Agent {
            model: Model(VecDeque::from([
                calls([call(
                    "toolu_04",
                    "Grep",
                    r#"{"pattern":"parse("}"#,
                    Work::Read {
                        text: "main.rs:3\n",
                    },
                )]),
                says("Only main."),
            ])),
        },
    );
    let edit = Call {
        permission: Permission::UserAccepts,
        ..call(
            "toolu_05",
            "Edit",
            r#"{"file_path":"src/parser.rs","old_string":"i += 1","new_string":"i += width"}"#,
            Work::Edit {
                path: "src/parser.rs",
                diff: "-i += 1\n+i += width\n",
            },
        )
    };
    let notes = Call {
        permission: Permission::UserRejects,
        ..call(
            "toolu_06",
            "Write",
            r#"{"file_path":"NOTES.md","content":"..."}"#,
            Work::Never,
        )
    };
    let background = call(
        "toolu_09",
        "Bash",
        r#"{"command":"cargo doc","run_in_background":true}"#,
        Work::Background {
            output: "Documenting\n",
        },
    );
    Model(VecDeque::from([
        Err(fails(429, "Overloaded")),
        calls([
            read("toolu_01", r#"{"file_path":"src/parser.rs"}"#),
            read("toolu_02", r#"{"file_path":"tests/parser.rs"}"#),
            explore,
        ]),
        calls([edit, notes]),
        calls([shell("toolu_07", "cargo test", Err("exit status: 101"))]),
        calls([
            shell(
                "toolu_08",
                "git commit -am 'Count bytes'",
                Ok("1 file changed\n"),
            ),
            background,
        ]),
        says("Fixed."),
    ]))
}

/// Returns the model for the second prompt: a tool hangs until it is canceled, and the next request is rejected.
pub(crate) fn explain() -> Model {
    Model(VecDeque::from([
        calls([call(
            "toolu_10",
            "WebFetch",
            r#"{"url":"https://example.com"}"#,
            Work::Never,
        )]),
        Err(fails(400, "prompt is too long")),
    ]))
}

fn call(id: &'static str, tool: &'static str, input: &'static str, work: Work) -> Call {
    Call {
        id,
        tool,
        input,
        permission: Permission::Rule,
        work,
    }
}

fn shell(
    id: &'static str,
    command: &'static str,
    result: Result<&'static str, &'static str>,
) -> Call {
    call(id, "Bash", "{}", Work::Shell { command, result })
}

fn fails(status: u16, message: &'static str) -> Failure {
    Failure {
        status,
        message,
        request_id: "req_011",
    }
}

fn says(text: &str) -> Result<Reply, Failure> {
    Ok(Reply {
        text: text.to_owned(),
        calls: Vec::new(),
        body: r#"{"type":"message","content":[]}"#.to_owned(),
        request_id: "req_012",
        stop_reason: "end_turn",
        input_tokens: 1_204,
        output_tokens: 86,
        cost_usd: 0.0049,
    })
}

fn calls<const N: usize>(calls: [Call; N]) -> Result<Reply, Failure> {
    let mut reply = says("")?;
    reply.calls = calls.into();
    reply.stop_reason = "tool_use";
    Ok(reply)
}
