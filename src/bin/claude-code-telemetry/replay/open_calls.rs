//! Calls that a host reports while they run, and addresses by its own ids.

use super::recent::Recent;

/// The number of a prompt in its session; `None` outside of prompts.
pub(crate) type PromptNumber = Option<u64>;

/// The open calls of one kind, and the ids of those that have ended.
pub(crate) struct OpenCalls<T> {
    /// The kind, for messages.
    kind: &'static str,
    calls: Recent<Call<T>>,
}

struct Call<T> {
    /// `None` after the end of the call.
    open: Option<T>,
    prompt: PromptNumber,
}

impl<T> OpenCalls<T> {
    pub(crate) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            calls: Recent::default(),
        }
    }

    /// Returns an error if a call with this id is open, or was begun in this prompt. An id of an earlier prompt may be used
    /// again.
    pub(crate) fn check_unused(&self, id: &str, prompt: PromptNumber) -> Result<(), String> {
        match self.calls.get(id) {
            Some(call) if call.open.is_some() || call.prompt == prompt => {
                Err(format!("the {} {id:?} was begun before", self.kind))
            }
            _ => Ok(()),
        }
    }

    /// Adds a call that begins, or the id of one that has ended.
    pub(crate) fn add(&mut self, id: String, open: Option<T>, prompt: PromptNumber) {
        self.calls.insert(id, Call { open, prompt });
    }

    /// Returns the open call with this id.
    pub(crate) fn get(&self, id: &str) -> Result<&T, String> {
        let call = self.calls.get(id);
        let open = call.and_then(|call| call.open.as_ref());
        open.ok_or_else(|| self.not_open(id, call.is_some()))
    }

    /// Ends the open call with this id, and returns it.
    pub(crate) fn take(&mut self, id: &str) -> Result<T, String> {
        let call = self.calls.get_mut(id);
        let is_known = call.is_some();
        let open = call.and_then(|call| call.open.take());
        open.ok_or_else(|| self.not_open(id, is_known))
    }

    /// Ends all open calls that were begun in a prompt. Returns them with their names for messages, oldest first.
    pub(crate) fn take_all(&mut self, prompt: PromptNumber) -> Vec<(String, T)> {
        let ids: Vec<String> = self.calls.ids().cloned().collect();
        let mut ended = Vec::new();
        for id in ids {
            if let Some(call) = self.calls.get_mut(&id)
                && call.prompt == prompt
                && let Some(open) = call.open.take()
            {
                ended.push((format!("{} {id:?}", self.kind), open));
            }
        }
        ended
    }

    fn not_open(&self, id: &str, is_known: bool) -> String {
        let kind = self.kind;
        match is_known {
            true => format!("the {kind} {id:?} has ended"),
            false => format!("there is no {kind} {id:?}"),
        }
    }
}
