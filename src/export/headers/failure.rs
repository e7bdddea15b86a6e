//! Reasons why a run of the helper gave no headers.

use std::time::Duration;

/// The reason why a run gave no headers, with the fix. It contains neither the output of the helper nor its command
/// line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("it cannot be started ({0}); it must be an executable file or a shell line")]
    Start(String),
    #[error("it ended with exit status {0}; run it by hand to see why")]
    Exit(i32),
    #[error("it was ended by a signal; run it by hand to see why")]
    Signal,
    #[error("its end cannot be seen ({0}); is SIGCHLD ignored in this process?")]
    Wait(String),
    #[error("it did not end within {} s and was killed; it must not wait for input", .0.as_secs_f64())]
    Timeout(Duration),
    #[error("it printed more than {} KiB; {OUTPUT}", .0 / 1024)]
    TooLong(usize),
    #[error("it printed nothing; {OUTPUT}")]
    Empty,
    #[error("what it printed is not JSON, or more than one value; {OUTPUT}")]
    NotJson,
    #[error("what it printed is JSON, but no object; {OUTPUT}")]
    NotObject,
    /// Headers are identified by their position, counted from 1: their names may be secret too, if name and value were
    /// swapped.
    #[error("the value of the header at position {0} is not a string; {OUTPUT}")]
    NotText(usize),
    #[error("the name of the header at position {0} is not an HTTP header name; {OUTPUT}")]
    Name(usize),
    #[error(
        "the value of the header at position {0} contains characters that HTTP does not allow, such as a line break or non-ASCII characters; {OUTPUT}"
    )]
    Value(usize),
    #[error("it cannot be started ({0}); it is tried again")]
    NoThread(String),
    #[error("running it failed because of an internal error of this library")]
    Panicked,
    #[error("it still ran at the shutdown and was killed")]
    Stopped,
}

/// The description of the required output.
const OUTPUT: &str =
    r#"it must print one JSON object of text values, such as {"Authorization": "Bearer ..."}"#;
