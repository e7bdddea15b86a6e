//! What the operating system does to a host, or has not to give, harms neither the host nor the data: signals, broken
//! pipes, no threads, no descriptors.
//!
//! Each test drives a program of its own (`host.rs`). `LIMITED_HOST` names another build of it, such as one with
//! `panic = "abort"`.
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

mod cutter;
mod driver;
#[path = "../support/example.rs"]
mod example;
#[path = "../support/host.rs"]
mod host;
mod limits;
mod signals;
#[path = "../support/mod.rs"]
mod support;
