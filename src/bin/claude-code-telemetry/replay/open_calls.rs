//! Calls that a host reports while they run, and addresses by its own ids.

use std::time::SystemTime;

use super::recent::Recent;

/// The maximum number of open calls of one kind. A stream that never ends its calls may be endless itself.
const MAX_OPEN: usize = 1_024;

/// The number of a prompt in its session; `None` outside of prompts.
pub(crate) type PromptNumber = Option<u64>;

/// A call of a kind that a host reports while it runs.
pub(crate) trait OpenCall {
    /// The kind, for messages.
    const KIND: &'static str;

    /// Ends the call without an outcome, at the given time or now.
    fn end(self, at: Option<SystemTime>);
}

/// The open calls of one kind, and the ids of those that ended recently.
pub(crate) struct OpenCalls<T> {
    /// The oldest first. A host has few calls open at the same time, so that a list is enough.
    open: Vec<Entry<T>>,
    /// The prompts in which the ended calls were begun.
    ended: Recent<PromptNumber>,
}

/// An open call, and the prompt in which it was begun.
pub(crate) struct Entry<T> {
    id: String,
    pub(crate) prompt: PromptNumber,
    pub(crate) call: T,
}

impl<T> Default for OpenCalls<T> {
    fn default() -> Self {
        Self {
            open: Vec::new(),
            ended: Recent::default(),
        }
    }
}

impl<T: OpenCall> OpenCalls<T> {
    /// Returns an error if a call with this id is open, or was begun in this prompt. An id of an earlier prompt may be used
    /// again.
    pub(crate) fn check_unused(&self, id: &str, prompt: PromptNumber) -> Result<(), String> {
        if self.find(id).is_some() || self.ended.get(id) == Some(&prompt) {
            return Err(format!("the {} {id:?} was begun before", T::KIND));
        }
        Ok(())
    }

    /// Adds a call that begins. Above the limit, ends the oldest call at the given time, and returns the problem to report.
    pub(crate) fn add(
        &mut self,
        id: String,
        prompt: PromptNumber,
        call: T,
        at: Option<SystemTime>,
    ) -> Option<String> {
        self.open.push(Entry { id, prompt, call });
        if self.open.len() <= MAX_OPEN {
            return None;
        }
        let Entry { id, prompt, call } = self.open.remove(0);
        call.end(at);
        let problem = format!(
            "more than {MAX_OPEN} {}s are open: this one is begun, the oldest, {id:?}, is ended",
            T::KIND
        );
        self.ended.insert(id, prompt);
        Some(problem)
    }

    /// Adds the id of a call that has ended.
    pub(crate) fn add_ended(&mut self, id: String, prompt: PromptNumber) {
        self.ended.insert(id, prompt);
    }

    /// Returns the open call with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&Entry<T>> {
        self.open.iter().find(|entry| entry.id == id)
    }

    /// Returns the open call with this id, or the reason why there is none.
    pub(crate) fn get(&self, id: &str) -> Result<&T, String> {
        let found = self.find(id).map(|found| &found.call);
        found.ok_or_else(|| self.not_open(id))
    }

    /// Removes the open call with this id, which ends, and returns it.
    pub(crate) fn take(&mut self, id: &str) -> Result<T, String> {
        let index = self.open.iter().position(|entry| entry.id == id);
        let index = index.ok_or_else(|| self.not_open(id))?;
        let Entry { id, prompt, call } = self.open.remove(index);
        self.ended.insert(id, prompt);
        Ok(call)
    }

    /// Ends all open calls that were begun in a prompt. Returns their names for messages, oldest first.
    pub(crate) fn end_all(&mut self, prompt: PromptNumber, at: Option<SystemTime>) -> Vec<String> {
        let mut names = Vec::new();
        for Entry { id, call, .. } in self.open.extract_if(.., |entry| entry.prompt == prompt) {
            call.end(at);
            names.push(format!("{} {id:?}", T::KIND));
            self.ended.insert(id, prompt);
        }
        names
    }

    fn not_open(&self, id: &str) -> String {
        let kind = T::KIND;
        match self.ended.get(id) {
            Some(_) => format!("the {kind} {id:?} has ended"),
            None => format!("there is no {kind} {id:?}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A call whose end adds its number to a list.
    #[derive(Debug)]
    struct Numbered<'a>(usize, &'a RefCell<Vec<usize>>);

    impl OpenCall for Numbered<'_> {
        const KIND: &'static str = "request";

        fn end(self, _: Option<SystemTime>) {
            self.1.borrow_mut().push(self.0);
        }
    }

    #[test]
    fn open_call_is_kept_while_many_others_begin_and_end() {
        let ended = RefCell::default();
        let mut calls = OpenCalls::default();
        calls.add("outer".to_owned(), Some(1), Numbered(0, &ended), None);
        for n in 1..10_000 {
            let call = Numbered(n, &ended);
            assert!(calls.add(n.to_string(), Some(1), call, None).is_none());
            assert_eq!(calls.take(&n.to_string()).map(|call| call.0), Ok(n));
        }
        assert_eq!(calls.take("outer").map(|call| call.0), Ok(0));
        assert!(ended.borrow().is_empty());
    }

    #[test]
    fn oldest_call_ends_when_too_many_are_open() {
        let ended = RefCell::default();
        let mut calls = OpenCalls::default();
        for n in 0..MAX_OPEN {
            let call = Numbered(n, &ended);
            assert!(calls.add(n.to_string(), None, call, None).is_none());
        }
        assert!(ended.borrow().is_empty());
        let call = Numbered(MAX_OPEN, &ended);
        let problem = calls.add(MAX_OPEN.to_string(), None, call, None);
        let problem = problem.unwrap();
        assert!(
            problem.contains(r#"the oldest, "0", is ended"#),
            "{problem}"
        );
        assert_eq!(*ended.borrow(), [0]);
        let reason = r#"the request "0" has ended"#.to_owned();
        assert_eq!(calls.get("0").map(|call| call.0), Err(reason));
        assert_eq!(calls.get("1").map(|call| call.0), Ok(1));
    }
}
