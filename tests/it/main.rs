//! Tests through the public API. Each module tests one guarantee or feature.
//!
//! Tests that cannot share their process with other tests are test binaries next to this one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

#[path = "../support/document.rs"]
mod document;
#[path = "../support/example.rs"]
mod example;
#[path = "../support/host.rs"]
mod host;
#[path = "../support/port.rs"]
mod port;
#[path = "../support/scraper.rs"]
mod scraper;
#[path = "../support/mod.rs"]
mod support;

mod catalog_support;
mod events_host;
mod small_session;
mod traces;

#[cfg(all(unix, feature = "grpc", feature = "http", feature = "console"))]
mod alerts_and_dashboards;
mod api_is_shareable;
mod borrowed_strings;
mod bounds;
mod calls;
mod canary;
mod catalog;
mod catalog_docs;
mod chaos;
mod cli;
mod cli_answers;
mod cli_status;
mod collector;
mod config_rules;
mod console;
mod content_limits;
mod doctor;
mod documented_examples;
mod documents;
mod early;
mod endpoints;
mod examples;
mod faults;
mod headers_helper;
mod hostile_environment;
mod hosts;
mod identity;
mod in_memory;
mod newcomer;
mod outage;
mod parsers;
mod prometheus;
mod prometheus_scraped;
mod prometheus_server;
mod protocols;
mod providers;
mod providers_console;
mod proxies;
mod reconfigure;
mod replay;
mod replay_conformance;
mod replay_live;
mod responses;
mod sequence;
mod settings;
mod shutdown;
mod split;
mod tls;
mod totals;
mod totals_under_load;
mod trace_child_process;
mod trace_concurrency;
mod trace_content;
mod trace_headers;
mod trace_lifecycle;
mod trace_propagation;
mod trace_tree;
mod transcript_docs;
