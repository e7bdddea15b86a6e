//! The nesting of tools, determined by reading ahead.

use std::collections::HashMap;
use std::io::BufRead;

use serde::Deserialize;

use super::field::{optional, read};
use super::transcript::each_line;

/// The enclosing tools of a transcript.
///
/// The step of a tool is written when the tool ends, after the steps of the work inside it. Therefore only reading
/// ahead tells at the first of these steps that the tool has an enclosing tool itself. A pipe cannot be read ahead:
/// there such a tool becomes a child of the prompt if a step inside it comes before its own step, because only its own step
/// names its enclosing tool.
#[derive(Default)]
pub(crate) struct Nesting {
    /// The id of the enclosing tool for each id of a tool.
    parents: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Tool {
    step: String,
    #[serde(default, deserialize_with = "optional")]
    tool_use_id: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    parent_tool: Option<String>,
}

impl Nesting {
    /// Reads a transcript to its end or to the first read error. Bad lines are ignored here; the replay reports them.
    pub(crate) fn read(mut transcript: impl BufRead) -> Self {
        let mut nesting = Self::default();
        let _ = each_line(&mut transcript, |_, line| {
            if let Ok(line) = line
                && line.contains("parent_tool")
                && let Ok(Tool {
                    step,
                    tool_use_id: Some(id),
                    parent_tool: Some(parent),
                }) = read(line)
                && step == "tool"
            {
                nesting.parents.entry(id).or_insert(parent);
            }
        });
        nesting
    }

    /// Returns the tool and its enclosing tools, innermost first.
    pub(crate) fn ancestors<'a>(&'a self, tool: &'a str) -> Vec<&'a str> {
        let mut chain = vec![tool];
        while let Some(parent) = chain.last().and_then(|tool| self.parents.get(*tool))
            && !chain.contains(&parent.as_str())
        {
            chain.push(parent);
        }
        chain
    }
}
