//! Every field of the LogQL and TraceQL queries and every metric of the PromQL queries exists.

use std::collections::BTreeSet;

use claude_code_telemetry::catalog::{
    Attribute, EVENT_ATTRIBUTES, EVENTS, METRICS, SPANS, STANDARD_ATTRIBUTES,
};

use super::dashboards::{Query, queries};
use super::exposition::translated;
use super::text;

/// Keys of `OTEL_RESOURCE_ATTRIBUTES` that the dashboards can group by.
const CUSTOM: [&str; 3] = ["team.id", "department", "cost_center"];

/// Returns the identifiers of a query outside of quoted strings, in order, each with a flag that is true for a function
/// call.
fn identifiers(query: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut rest = query.chars().peekable();
    while let Some(first) = rest.next() {
        match first {
            '"' | '`' => while rest.next().expect("the quoted string is unterminated") != first {},
            'a'..='z' | 'A'..='Z' | '_' => {
                let mut word = String::from(first);
                while let Some(&next) = rest.peek() {
                    if !next.is_ascii_alphanumeric() && !"_.:".contains(next) {
                        break;
                    }
                    word.push(next);
                    rest.next();
                }
                while rest.next_if(|next| *next == ' ').is_some() {}
                found.push((word, rest.peek() == Some(&'(')));
            }
            '0'..='9' => while rest.next_if(char::is_ascii_alphanumeric).is_some() {},
            _ => {}
        }
    }
    found
}

/// Returns the names of attributes as Loki and Prometheus show them.
fn underscored<'a>(attributes: impl IntoIterator<Item = &'a Attribute>) -> BTreeSet<String> {
    let names = attributes.into_iter().map(|attribute| attribute.name);
    names.map(|name| name.replace('.', "_")).collect()
}

fn queries_of(source: &str) -> Vec<Query> {
    let mut queries = queries();
    queries.retain(|query| query.source == source);
    assert!(!queries.is_empty());
    queries
}

#[test]
fn logql_fields_are_attributes_of_the_queried_events() {
    const WORDS: [&str; 6] = ["sum", "by", "unwrap", "line_format", "json", "__error__"];
    // These are members of the JSON string in `tool_parameters`.
    const PARTS: [&str; 2] = ["mcp_server_name", "mcp_tool_name"];
    for query in queries_of("loki") {
        let text = query.filled_in();
        let is_queried = |event: &&&claude_code_telemetry::catalog::Event| {
            text.contains(&format!("event_name=\"{}\"", event.name))
                || !text.contains("event_name=\"")
        };
        let events: Vec<_> = EVENTS.iter().filter(is_queried).collect();
        assert!(
            !events.is_empty(),
            "{}: the query selects an unknown event: {text}",
            query.location
        );
        let of_events = events.iter().flat_map(|event| event.attributes.iter());
        let mut known = underscored(of_events.chain(STANDARD_ATTRIBUTES).chain(EVENT_ATTRIBUTES));
        known.extend(CUSTOM.map(|key| key.replace('.', "_")));
        known.insert("service_name".to_owned());
        let names = identifiers(&text)
            .into_iter()
            .filter(|(_, is_call)| !is_call);
        let mut names: Vec<_> = names.map(|(name, _)| name).collect();
        names.retain(|name| !WORDS.contains(&name.as_str()) && !PARTS.contains(&name.as_str()));
        // Line templates name fields too.
        for template in text.split("{{").skip(1) {
            let template = template.split("}}").next().unwrap();
            names.extend(
                template
                    .split(' ')
                    .filter_map(|word| word.strip_prefix('.'))
                    .map(str::to_owned),
            );
        }
        for name in names {
            assert!(
                known.contains(&name),
                "{}: {name} in {text}",
                query.location
            );
        }
    }
}

#[test]
fn traceql_fields_are_attributes_of_the_queried_spans() {
    const WORDS: [&str; 4] = ["by", "select", "name", "duration"];
    for query in queries_of("tempo") {
        let text = query.filled_in();
        let quoted: Vec<_> = text.split('"').skip(1).step_by(2).collect();
        let names = quoted
            .iter()
            .filter(|text| text.starts_with("claude_code."));
        // "claude_code.(tool|llm_request)" stands for two span names.
        let names: Vec<_> = names
            .flat_map(|name| {
                let inner = name["claude_code.".len()..].trim_matches(['(', ')']);
                inner.split('|').map(|name| format!("claude_code.{name}"))
            })
            .collect();
        assert!(
            !names.is_empty(),
            "{}: the query selects no span by name: {text}",
            query.location
        );
        let mut known: BTreeSet<_> = STANDARD_ATTRIBUTES.iter().map(|a| a.name).collect();
        for name in names {
            let span = SPANS.iter().find(|span| span.name == name).expect(&name);
            known.extend(span.attributes.iter().map(|attribute| attribute.name));
        }
        for (name, is_call) in identifiers(&text) {
            let known = match name.strip_prefix("span.") {
                Some(field) => known.contains(field),
                None => {
                    name == "resource.service.name" || WORDS.contains(&name.as_str()) || is_call
                }
            };
            assert!(known, "{}: {name} in {text}", query.location);
        }
    }
}

#[test]
fn promql_labels_are_attributes_of_metrics() {
    const WORDS: [&str; 5] = ["sum", "count", "group", "by", "or"];
    let of_metrics = METRICS.iter().flat_map(|metric| metric.attributes.iter());
    let mut known = underscored(of_metrics.chain(STANDARD_ATTRIBUTES));
    known.extend(CUSTOM.map(|key| key.replace('.', "_")));
    // A label of the metrics that the Collector counts.
    known.insert("status_code".to_owned());
    // The email address or the user id, written by the recording rules.
    known.insert("user".to_owned());
    for query in queries_of("prometheus") {
        let text = query.filled_in();
        for (name, is_call) in identifiers(&text) {
            // Names with a colon are those of recording rules.
            let is_label = !is_call && !name.contains(':') && !WORDS.contains(&name.as_str());
            assert!(
                !is_label || known.contains(&name),
                "{}: {name} in {text}",
                query.location
            );
        }
    }
}

/// Each metric is emitted by this library, by the Collector's `count` connector, or by a recording rule.
#[test]
fn promql_metrics_exist_and_include_every_metric_of_the_catalog() {
    let rules = text("prometheus/rules.yaml");
    let collector = text("otel-collector/contrib.yaml");
    let recorded = |name: &str| rules.contains(&format!("- record: {name}\n"));
    let emitted = |name: &str| METRICS.iter().any(|m| translated(m.name, m.unit) == name);
    let counted = |name: &str| {
        let name = name
            .trim_end_matches("_total")
            .replacen("claude_code_", "claude_code.", 1);
        collector.contains(&format!("      {name}:\n"))
    };
    let mut texts: Vec<_> = queries_of("prometheus")
        .iter()
        .map(Query::filled_in)
        .collect();
    texts.extend([rules.clone(), text("prometheus/alerts.yaml")]);
    let mut seen = BTreeSet::new();
    for text in texts {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c));
        for name in words.filter(|word| word.starts_with("claude_code")) {
            if name != "claude_code" {
                assert!(
                    recorded(name) || emitted(name) || counted(name),
                    "{name} in {text}"
                );
                seen.insert(name.to_owned());
            }
        }
    }
    // Every metric of the catalog is used by at least one query or rule.
    for metric in METRICS {
        assert!(
            seen.contains(&translated(metric.name, metric.unit)),
            "{}",
            metric.name
        );
    }
}
