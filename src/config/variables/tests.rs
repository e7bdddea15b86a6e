//! Tests that the table of variables is consistent and that displayed values hide secrets.

use super::*;
use std::collections::BTreeSet;

#[test]
fn names_are_unique_and_found() {
    let mut seen = BTreeSet::new();
    for variable in all() {
        assert!(seen.insert(variable.name), "{} twice", variable.name);
        assert!(!variable.meaning.is_empty() && !variable.meaning.contains('\n'));
        let found = find(variable.name).unwrap();
        assert!(std::ptr::eq(found, variable), "{}", variable.name);
    }
}

#[test]
fn defaults_are_within_their_range() {
    for variable in all() {
        let default = variable.kind.default;
        let (_, problems) = variable.kind.parse(default, false);
        assert!(problems.is_empty(), "{}={default}", variable.name);
    }
}

#[test]
fn patterns_match_their_names() {
    for name in [
        "OTEL_BSP_SCHEDULE_DELAY",
        "OTEL_BLRP_MAX_QUEUE_SIZE",
        "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    ] {
        assert!(!find(name).unwrap().has_effect, "{name}");
    }
    for name in [
        "OTEL_BSP",
        "OTEL_LIMIT",
        "OTEL_TRACES_EXPORTERS",
        "TRACEPARENT",
    ] {
        assert!(find(name).is_none(), "{name}");
    }
}

#[test]
fn shown_urls_hide_secrets() {
    for (url, shown) in [
        ("http://h:4318/base", "http://h:4318/base"),
        ("http://u:CANARY@h:4318/base", "http://<hidden>@h:4318/base"),
        ("http://u:CAN/ARY?@h/base", "http://<hidden>@h/base"),
        ("u:CANARY@h:4317", "<hidden>@h:4317"),
        ("http://h/base?key=CANARY", "http://h/base?<hidden>"),
        ("http://h/base#CANARY", "http://h/base?<hidden>"),
        ("http://h/\u{7f}a\u{202e}", "http://h/\u{fffd}a\u{fffd}"),
    ] {
        assert_eq!(shown_url(url), shown);
    }
}

#[test]
fn shown_values_hide_secrets_and_control_characters() {
    assert_eq!((HEADERS.general.kind.shown)("a=CANARY"), HIDDEN);
    assert_eq!((HEADERS_HELPER.kind.shown)("echo CANARY"), HIDDEN);
    assert_eq!((CLIENT_KEY.kind.shown)("-----BEGIN CANARY"), HIDDEN);
    assert_eq!(
        (SERVICE_NAME.kind.shown)("a\u{1b}[1mb\u{2066}"),
        "a\u{fffd}[1mb\u{fffd}"
    );
}
