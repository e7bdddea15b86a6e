//! Calls that a host reports while they run, and addresses by its own ids.

use super::recent::Recent;

/// The maximum number of open calls of one kind. A stream that never ends its calls may be endless itself.
pub(crate) const MOST_OPEN: usize = 1_024;

/// The number of a prompt in its session; `None` outside of prompts.
pub(crate) type PromptNumber = Option<u64>;

/// The open calls of one kind, and the ids of those that ended recently.
pub(crate) struct OpenCalls<T> {
    /// The kind, for messages.
    kind: &'static str,
    /// The oldest first. A host has few calls open at the same time, so that a list is enough.
    open: Vec<Call<T>>,
    /// The prompts in which the ended calls were begun.
    ended: Recent<PromptNumber>,
}

/// An open call, and the prompt in which it was begun.
pub(crate) struct Call<T> {
    pub(crate) id: String,
    pub(crate) prompt: PromptNumber,
    pub(crate) call: T,
}

impl<T> OpenCalls<T> {
    pub(crate) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            open: Vec::new(),
            ended: Recent::default(),
        }
    }

    /// Returns an error if a call with this id is open, or was begun in this prompt. An id of an earlier prompt may be used
    /// again.
    pub(crate) fn check_unused(&self, id: &str, prompt: PromptNumber) -> Result<(), String> {
        if self.find(id).is_some() || self.ended.get(id) == Some(&prompt) {
            return Err(format!("the {} {id:?} was begun before", self.kind));
        }
        Ok(())
    }

    /// Adds a call that begins. Above the limit, removes the oldest call and returns it.
    pub(crate) fn add(&mut self, id: String, prompt: PromptNumber, call: T) -> Option<Call<T>> {
        let oldest = (self.open.len() == MOST_OPEN).then(|| self.open.remove(0));
        if let Some(oldest) = &oldest {
            self.ended.insert(oldest.id.clone(), oldest.prompt);
        }
        self.open.push(Call { id, prompt, call });
        oldest
    }

    /// Adds the id of a call that has ended.
    pub(crate) fn add_ended(&mut self, id: String, prompt: PromptNumber) {
        self.ended.insert(id, prompt);
    }

    /// Returns the open call with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&Call<T>> {
        self.open.iter().find(|call| call.id == id)
    }

    /// Returns the open call with this id, or the reason why there is none.
    pub(crate) fn get(&self, id: &str) -> Result<&T, String> {
        let found = self.find(id).map(|found| &found.call);
        found.ok_or_else(|| self.not_open(id))
    }

    /// Ends the open call with this id, and returns it.
    pub(crate) fn take(&mut self, id: &str) -> Result<T, String> {
        let index = self.open.iter().position(|call| call.id == id);
        let index = index.ok_or_else(|| self.not_open(id))?;
        let Call { id, prompt, call } = self.open.remove(index);
        self.ended.insert(id, prompt);
        Ok(call)
    }

    /// Ends all open calls that were begun in a prompt. Returns them with their names for messages, oldest first.
    pub(crate) fn take_all(&mut self, prompt: PromptNumber) -> Vec<(String, T)> {
        let (ended, open): (Vec<_>, _) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|call| call.prompt == prompt);
        self.open = open;
        let named = ended.into_iter().map(|Call { id, prompt, call }| {
            let name = format!("{} {id:?}", self.kind);
            self.ended.insert(id, prompt);
            (name, call)
        });
        named.collect()
    }

    fn not_open(&self, id: &str) -> String {
        let kind = self.kind;
        match self.ended.get(id) {
            Some(_) => format!("the {kind} {id:?} has ended"),
            None => format!("there is no {kind} {id:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_call_is_kept_while_many_others_begin_and_end() {
        let mut calls = OpenCalls::new("request");
        calls.add("outer".to_owned(), Some(1), 0);
        for n in 1..10_000 {
            assert!(calls.add(n.to_string(), Some(1), n).is_none());
            assert_eq!(calls.take(&n.to_string()), Ok(n));
        }
        assert_eq!(calls.take("outer"), Ok(0));
    }

    #[test]
    fn oldest_call_ends_when_too_many_are_open() {
        let mut calls = OpenCalls::new("request");
        for n in 0..MOST_OPEN {
            assert!(calls.add(n.to_string(), None, n).is_none());
        }
        let oldest = calls.add(MOST_OPEN.to_string(), None, MOST_OPEN);
        let oldest = oldest.map(|oldest| (oldest.id, oldest.call));
        assert_eq!(oldest, Some(("0".to_owned(), 0)));
        let ended = r#"the request "0" has ended"#.to_owned();
        assert_eq!(calls.get("0"), Err(ended));
        assert_eq!(calls.get("1"), Ok(&1));
    }
}
