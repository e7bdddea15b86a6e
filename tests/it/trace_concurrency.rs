//! Concurrent prompts and tool calls: no span is lost, duplicated, or under the wrong parent.
#![cfg(feature = "http")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::host::otlp;
use crate::support::Span;
use crate::traces;
use crate::traces::{Host, Spans};
use claude_code_telemetry::{
    Decision, DecisionSource, HookOutcome, Permission, Prompt, Signal, ToolCall, ToolCallOptions,
    ToolOutcome,
};

const PROMPTS: usize = 200;
/// The number of prompts that are open at the same time in a session.
const OPEN: usize = 8;
/// The number of tool calls of each prompt.
const TOOLS: usize = 20;
const THREADS: usize = 8;

/// Returns the waiting time and the execution time of a call with explicit times.
fn explicit_times(tool: usize) -> (Duration, Duration) {
    let milliseconds = tool as u64;
    (
        Duration::from_millis(milliseconds),
        Duration::from_millis(2 * milliseconds + 1),
    )
}

/// Returns true if a call has explicit times. This applies to every second call; the others are timed by the library.
fn has_explicit_times(tool: usize) -> bool {
    tool % 2 == 1
}

/// Runs a thread's share of the calls of all open prompts: starts all, then decides all, executes all, and ends all.
fn run_share(thread: usize, prompts: &[(usize, Prompt)], together: &Barrier) {
    together.wait();
    let start = SystemTime::now();
    let mut calls: Vec<(usize, ToolCall)> = Vec::new();
    for (number, prompt) in prompts {
        for tool in (thread..TOOLS).step_by(THREADS) {
            let options = ToolCallOptions::new("Bash").tool_use_id(format!("{number}/{tool}"));
            let options = if has_explicit_times(tool) {
                options.at(start)
            } else {
                options
            };
            calls.push((tool, prompt.tool(options)));
        }
    }
    for (tool, call) in calls.iter().rev() {
        let accept = Permission::new(Decision::Accept, DecisionSource::Config);
        match has_explicit_times(*tool) {
            true => call.decided_as(accept.at(start + explicit_times(*tool).0)),
            false => call.decided_as(accept),
        }
    }
    thread::yield_now();
    for (tool, call) in &calls {
        match has_explicit_times(*tool) {
            true => call.executing_at(start + explicit_times(*tool).0),
            false => call.executing(),
        }
    }
    // The calls end in another order than they started.
    while !calls.is_empty() {
        let (tool, call) = calls.swap_remove(calls.len() / 2);
        let outcome = ToolOutcome::new();
        let (wait, execution) = explicit_times(tool);
        match has_explicit_times(tool) {
            true => call.finish(outcome.at(start + wait + execution)),
            false => call.finish(outcome),
        }
    }
}

#[test]
fn concurrent_spans_arrive_once_under_the_right_parent() {
    let host = Host::new();
    let session = host.session();
    for wave in 0..PROMPTS / OPEN {
        let prompts: Vec<_> = (0..OPEN)
            .map(|n| (wave * OPEN + n + 1, session.prompt("hi")))
            .collect();
        let together = Barrier::new(THREADS);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (prompts, together) = (&prompts, &together);
                scope.spawn(move || run_share(thread, prompts, together));
            }
        });
        for (_, prompt) in prompts {
            prompt.end();
        }
        if wave % 5 == 4 {
            host.telemetry.flush();
        }
    }
    let received = host.shut_down();
    let spans = Spans(received.accepted().spans());

    let expected = PROMPTS * (1 + 3 * TOOLS);
    assert_eq!(spans.len(), expected);
    let ids: BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
    assert_eq!(ids.len(), expected, "a span was received twice");
    let health = host.telemetry.health();
    let exporter = otlp(&health, Signal::Traces);
    assert_eq!(exporter.delivered, expected as u64);
    assert_eq!(health.unfinished_spans, 0);

    let mut below: HashMap<(&str, &str), Vec<&Span>> = HashMap::new();
    for span in spans.iter() {
        below
            .entry((&span.trace_id, &span.parent_span_id))
            .or_default()
            .push(span);
    }
    let children = |span: &Span| {
        below
            .get(&(&*span.trace_id, &*span.span_id))
            .cloned()
            .unwrap_or_default()
    };
    let mut numbers = BTreeSet::new();
    for interaction in spans.named("interaction") {
        assert_eq!(interaction.parent_span_id, "");
        assert_duration(interaction, "interaction.duration_ms");
        let number = interaction.attributes["interaction.sequence"]
            .as_u64()
            .unwrap();
        assert!(numbers.insert(number));
        let tools = children(interaction);
        let found: BTreeSet<_> = tools
            .iter()
            .map(|tool| tool.attributes["tool_use_id"].as_str().unwrap().to_owned())
            .collect();
        let expected: BTreeSet<_> = (0..TOOLS).map(|tool| format!("{number}/{tool}")).collect();
        assert_eq!(found, expected);
        for tool in tools {
            check_tool(interaction, tool, &children(tool));
        }
    }
    assert_eq!(numbers, (1..=PROMPTS as u64).collect());
}

fn check_tool(interaction: &Span, tool: &Span, children: &[&Span]) {
    let by_name: BTreeMap<_, _> = children
        .iter()
        .map(|span| (traces::short_name(span), *span))
        .collect();
    assert_eq!(
        by_name.keys().copied().collect::<Vec<_>>(),
        ["tool.blocked_on_user", "tool.execution"]
    );
    let (wait, execution) = (by_name["tool.blocked_on_user"], by_name["tool.execution"]);
    for span in [tool, wait, execution] {
        assert_duration(span, "duration_ms");
    }
    assert_eq!((tool.start, tool.end), (wait.start, execution.end));
    assert!(wait.end <= execution.start);
    let id = tool.attributes["tool_use_id"].as_str().unwrap();
    let number = id.rsplit('/').next().unwrap().parse().unwrap();
    if has_explicit_times(number) {
        let (waited, executed) = explicit_times(number);
        let took = |span: &Span| Duration::from_nanos(span.end - span.start);
        assert_eq!((took(wait), took(execution)), (waited, executed), "{id}");
    } else {
        // The start is taken from the wall clock and the duration from the monotonic clock. The two may drift
        // slightly.
        let slack_nanos = 50_000_000;
        assert!(
            tool.start + slack_nanos >= interaction.start
                && tool.end <= interaction.end + slack_nanos
        );
    }
}

/// Asserts that the duration attribute matches the start and end times.
#[track_caller]
fn assert_duration(span: &Span, key: &str) {
    let milliseconds = (span.end - span.start) as f64 / 1e6;
    let duration = span.attributes[key].as_f64().unwrap();
    assert!(
        (duration - milliseconds).abs() <= 1.0,
        "{duration} of {milliseconds}"
    );
}

#[test]
fn prompt_that_many_threads_end_has_a_single_span() {
    let host = Host::new();
    let session = host.session();
    for _ in 0..50 {
        let prompt = session.prompt("hi");
        let together = Barrier::new(THREADS);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (clone, together) = (prompt.clone(), &together);
                scope.spawn(move || {
                    together.wait();
                    if thread % 2 == 0 {
                        clone.end()
                    } else {
                        drop(clone)
                    }
                });
            }
        });
    }
    assert_eq!(host.spans().len(), 50);
}

#[test]
fn spans_that_end_during_shutdown_are_delivered_or_counted() {
    for _ in 0..30 {
        let host = Host::new();
        let session = host.session();
        let ready = Barrier::new(THREADS + 1);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                let (session, ready) = (&session, &ready);
                scope.spawn(move || {
                    let prompt = session.prompt("hi");
                    ready.wait();
                    for _ in 0..20 {
                        prompt.hook("Stop", "Stop").finish(HookOutcome::new());
                    }
                });
            }
            ready.wait();
            host.telemetry.shutdown();
        });
        let spans = host.receiver.received().spans().len() as u64;
        let health = host.telemetry.health();
        let exporter = otlp(&health, Signal::Traces);
        assert_eq!(exporter.delivered, spans);
        // Each thread has a prompt and 20 hooks.
        assert_eq!(
            spans + exporter.dropped.shutdown + exporter.queued,
            (THREADS * (1 + 20)) as u64,
            "{exporter:?}"
        );
    }
}
