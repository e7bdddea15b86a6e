//! Measures every performance goal, and compares this crate with the alternatives for a host, in one process and in
//! turns: `cargo bench --bench goals`. Prints one line for each goal, which ends in `met` or `missed`; the exit status
//! is always 0. An argument selects one part: `cargo bench --bench goals -- caller` (or `cpu`, `content`, `footprint`,
//! `sessions`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod caller;
mod content;
mod cpu;
mod footprint;
mod line;
mod sessions;
#[path = "../support/mod.rs"]
mod support;

#[global_allocator]
static ALLOCATOR: support::alloc::Counting = support::alloc::Counting;

fn main() {
    support::receiver::run_receiver_if_child();
    if let Some(role) = line::role() {
        match &*role {
            "start" => footprint::start_child(),
            "idle" => footprint::idle_child(),
            "open" => sessions::open_child(),
            "ended" => sessions::ended_child(),
            _ => {}
        }
        return;
    }
    let only = std::env::args()
        .nth(1)
        .filter(|only| !only.starts_with('-'));
    let parts: [(&str, fn()); 5] = [
        ("caller", caller::measure),
        ("cpu", cpu::measure),
        ("content", content::measure),
        ("footprint", footprint::measure),
        ("sessions", sessions::measure),
    ];
    for (name, measure) in parts {
        if only.as_ref().is_none_or(|only| only == name) {
            measure();
        }
    }
}
