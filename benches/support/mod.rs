//! Support for all benchmarks: the host, the peers, a receiver, and measurements.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

pub mod alloc;
pub mod contender;
pub mod cpu;
pub mod host;
pub mod peers;
pub mod proc;
pub mod receiver;
