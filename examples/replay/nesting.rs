//! Which tool runs inside which, read ahead.

use std::collections::HashMap;
use std::io::BufRead;

use serde::Deserialize;

use crate::field::{optional, read};
use crate::transcript::each_line;

/// The enclosing tools of a transcript.
///
/// The step of a tool stands where the tool ends, after the steps of what runs inside it. Only who has read ahead knows
/// from the beginning that it has an enclosing tool itself. A pipe cannot be read ahead: there such a tool is placed below
/// the prompt, unless its own step is the first one that names it.
#[derive(Default)]
pub(crate) struct Nesting {
    /// From the id of a tool to that of the enclosing one.
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
    /// Reads a transcript to its end, or to where it cannot be read any more. Bad lines are left for the replay to report.
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

    /// The tool and those around it, from the inside out.
    pub(crate) fn from<'a>(&'a self, tool: &'a str) -> Vec<&'a str> {
        let mut chain = vec![tool];
        while let Some(parent) = chain.last().and_then(|tool| self.parents.get(*tool))
            && !chain.contains(&parent.as_str())
        {
            chain.push(parent);
        }
        chain
    }
}
