//! OTLP receivers on the loopback interface, for all tests that check the exported data.
//!
//! ```ignore
//! mod support;
//! use support::{Answer, Receiver};
//!
//! let receiver = Receiver::grpc();
//! receiver.answer(|n| if n == 0 { Answer::status(503) } else { Answer::Ok });
//! // ... point something at receiver.endpoint() ...
//! let received = receiver.wait_until(Duration::from_secs(5), |received| !received.accepted().logs().is_empty());
//! assert_eq!(received.logs()[0].attributes["tool_name"], "Bash");
//! ```
//!
//! A receiver runs on a dedicated thread with a private runtime, so it works in tests with any runtime or without
//! one.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod answer;
mod flat;
mod grpc;
mod http;
pub mod proxy;
mod received;
mod receiver;
pub mod server;
pub mod tls;
mod unresponsive;

pub use answer::Answer;
pub use flat::{Attributes, Log, Point, Span, SpanEvent};
pub use grpc::status_message;
pub use received::{Message, Received, Request};
pub use receiver::Receiver;
pub use unresponsive::{
    BlackHole, FullBacklog, ReservedPort, black_hole, full_backlog, refused_port,
};
