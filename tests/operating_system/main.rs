//! Signals, broken pipes, and a lack of threads or file descriptors harm neither the host nor its telemetry.
//!
//! Each test drives a separate program (`host.rs`). The variable `LIMITED_HOST` names another build of that program,
//! such as one with `panic = "abort"`.
#![cfg(all(
    unix,
    feature = "grpc",
    feature = "http",
    feature = "prometheus",
    feature = "console",
    feature = "providers"
))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod driver;
#[path = "../support/example.rs"]
mod example;
#[path = "../support/host.rs"]
mod host;
mod limits;
mod resetting_relay;
#[path = "../support/scraper.rs"]
mod scraper;
mod signals;
#[path = "../support/mod.rs"]
mod support;
