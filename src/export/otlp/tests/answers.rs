//! Outcomes of attempts that get an answer.

use super::prelude::*;
#[cfg(feature = "grpc")]
use tonic::Code;

#[cfg(feature = "http")]
const HTTP: &[Protocol] = &[Protocol::HttpProtobuf, Protocol::HttpJson];

#[test]
fn empty_partial_success_is_a_success() {
    for &protocol in PROTOCOLS {
        assert_eq!(outcome_of(protocol, Answer::Ok), DELIVERED, "{protocol:?}");
    }
}

#[test]
fn partial_success_reports_the_rejected_items() {
    for &protocol in PROTOCOLS {
        let outcome = outcome_of(protocol, Answer::partial(3, "too\nold\u{1b}"));
        let expected = Ok(Delivery {
            rejected: 3,
            message: Some("too old".to_owned()),
            standard_path: None,
        });
        assert_eq!(outcome, expected, "{protocol:?}");
        let warned = outcome_of(protocol, Answer::partial(0, "deprecated"));
        let expected = Ok(Delivery {
            rejected: 0,
            message: Some("deprecated".to_owned()),
            standard_path: None,
        });
        assert_eq!(warned, expected, "{protocol:?}");
        let nonsense = outcome_of(protocol, Answer::partial(-1, ""));
        assert_eq!(nonsense, DELIVERED, "{protocol:?}");
    }
}

#[test]
fn success_with_an_unreadable_body_is_a_success() {
    for &protocol in PROTOCOLS {
        assert_eq!(
            outcome_of(protocol, Answer::Garbage),
            DELIVERED,
            "{protocol:?}"
        );
    }
}

#[test]
#[cfg(feature = "http")]
fn success_with_an_empty_broken_or_too_long_body_is_a_success() {
    for &protocol in HTTP {
        let empty = Answer::status(200);
        assert_eq!(outcome_of(protocol, empty), DELIVERED, "{protocol:?}");
        assert_eq!(outcome_of(protocol, Answer::Cut), DELIVERED, "{protocol:?}");
        let long = Answer::status(202).body("application/json", vec![b' '; 1 << 20]);
        assert_eq!(outcome_of(protocol, long), DELIVERED, "{protocol:?}");
    }
}

#[test]
#[cfg(feature = "http")]
fn retryable_http_status_is_retried_after_the_requested_wait() {
    for &protocol in HTTP {
        for code in [429, 502, 503, 504] {
            let outcome = outcome_of(
                protocol,
                Answer::status(code).retry_after(Duration::from_secs(7)),
            );
            let after = Some(Duration::from_secs(7));
            let expected = FailureClass::Retryable { after };
            assert_eq!(class(&outcome), expected, "{protocol:?} {code}");
            assert!(
                matches!(kind(&outcome), ErrorKind::Answered(_)),
                "{outcome:?}"
            );
            let text = text(&outcome);
            assert!(
                text.starts_with(&format!("HTTP {code} from 127.0.0.1:")),
                "{text}"
            );
            let outcome = outcome_of(protocol, Answer::status(code));
            assert!(class(&outcome) == FailureClass::RETRYABLE, "{outcome:?}");
        }
        let dated = Answer::status(503)
            .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .header("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT");
        let outcome = outcome_of(protocol, dated);
        let wait = Some(Duration::from_secs(3));
        assert!(
            class(&outcome) == FailureClass::Retryable { after: wait },
            "{outcome:?}"
        );
    }
}

#[test]
#[cfg(feature = "http")]
fn other_http_statuses_are_not_retryable() {
    use super::support::status_message;
    for &protocol in HTTP {
        for code in [300, 304, 307, 308, 400, 404, 405, 415, 500, 501] {
            let answer = Answer::status(code).header("location", "http://127.0.0.1:1/");
            let outcome = outcome_of(protocol, answer);
            assert!(
                class(&outcome) == FailureClass::Rejected,
                "{code}: {outcome:?}"
            );
        }
        for code in [401, 403] {
            let outcome = outcome_of(protocol, Answer::status(code));
            assert!(
                class(&outcome) == FailureClass::Unauthenticated,
                "{code}: {outcome:?}"
            );
        }
        let outcome = outcome_of(protocol, Answer::status(413));
        assert!(class(&outcome) == FailureClass::TooLarge, "{outcome:?}");
        let said = status_message("http: request body too large");
        let outcome = outcome_of(
            protocol,
            Answer::status(400).body("application/x-protobuf", said),
        );
        assert!(class(&outcome) == FailureClass::TooLarge, "{outcome:?}");
    }
}

#[test]
#[cfg(feature = "http")]
fn error_message_of_the_receiver_is_passed_on_unless_it_is_html() {
    use super::support::status_message;
    for (kind, body) in [
        ("application/x-protobuf", status_message("bad\r\nfield")),
        (
            "application/json; charset=utf-8",
            br#"{"code":3,"message":"bad\nfield"}"#.to_vec(),
        ),
        ("application/json", br#"{"error":"bad field"}"#.to_vec()),
        ("text/plain; charset=utf-8", b"bad field\n".to_vec()),
    ] {
        let outcome = outcome_of(Protocol::HttpJson, Answer::status(400).body(kind, body));
        assert!(
            text(&outcome).ends_with(": bad field"),
            "{kind}: {outcome:?}"
        );
    }
    let page = Answer::status(400).body("text/html", "<html>");
    assert!(!text(&outcome_of(Protocol::HttpJson, page)).contains("html"));
    // A message is cut at 200 characters. The rest of the text is the status and the address.
    let long = Answer::status(400).body("text/plain", "x".repeat(1000));
    assert!(text(&outcome_of(Protocol::HttpJson, long)).len() < 260);
}

/// Returns a length-delimited field of a protobuf message.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, value.len() as u8], value].concat()
}

#[test]
#[cfg(feature = "http")]
fn error_message_with_unreadable_details_is_passed_on() {
    let body = [field(2, b"bad field"), field(3, b"\xff")].concat();
    let answer = Answer::status(400).body("application/x-protobuf", body);
    let outcome = outcome_of(Protocol::HttpProtobuf, answer);
    assert!(text(&outcome).ends_with(": bad field"), "{outcome:?}");
}

#[test]
#[cfg(feature = "grpc")]
fn wait_of_a_status_whose_message_is_not_utf8_is_kept() {
    use base64::Engine;
    // A `google.protobuf.Duration` of two seconds: field 1, as a varint.
    let delay = field(1, &[1 << 3, 2]);
    let info = [
        field(1, b"type.googleapis.com/google.rpc.RetryInfo"),
        field(2, &delay),
    ];
    let status = [field(2, b"\xff"), field(3, &info.concat())].concat();
    let details = base64::engine::general_purpose::STANDARD.encode(status);
    let answer = Answer::code(Code::ResourceExhausted, "quota").raw_details(&details);
    let after = Some(Duration::from_secs(2));
    let outcome = outcome_of(Protocol::Grpc, answer);
    assert!(
        class(&outcome) == FailureClass::Retryable { after },
        "{outcome:?}"
    );
}

#[test]
#[cfg(feature = "grpc")]
fn grpc_codes_have_the_outcomes_of_the_specification() {
    use Code::*;
    let wait = Duration::from_millis(1500);
    let grpc_outcome = |answer| outcome_of(Protocol::Grpc, answer);
    for code in [
        Cancelled,
        DeadlineExceeded,
        Aborted,
        OutOfRange,
        Unavailable,
        DataLoss,
    ] {
        let outcome = grpc_outcome(Answer::code(code, ""));
        assert!(class(&outcome) == FailureClass::RETRYABLE, "{outcome:?}");
        let outcome = grpc_outcome(Answer::code(code, "").retry_after(wait));
        let expected = Some(wait);
        assert!(
            class(&outcome) == FailureClass::Retryable { after: expected },
            "{outcome:?}"
        );
    }
    let outcome = grpc_outcome(Answer::code(ResourceExhausted, "quota used up"));
    assert!(class(&outcome) == FailureClass::Rejected, "{outcome:?}");
    let words = text(&outcome);
    assert!(
        words.starts_with("gRPC RESOURCE_EXHAUSTED from 127.0.0.1:"),
        "{words}"
    );
    assert!(words.ends_with(": quota used up"), "{words}");
    let outcome = grpc_outcome(Answer::code(ResourceExhausted, "quota").retry_after(wait));
    let expected = Some(wait);
    assert!(
        class(&outcome) == FailureClass::Retryable { after: expected },
        "{outcome:?}"
    );
    for (code, message) in [
        (
            ResourceExhausted,
            "grpc: received message larger than max (5 vs. 4)",
        ),
        (
            OutOfRange,
            "Error, decoded message length too large: found 5 bytes",
        ),
    ] {
        let outcome = grpc_outcome(Answer::code(code, message));
        assert!(class(&outcome) == FailureClass::TooLarge, "{outcome:?}");
    }
    for code in [
        Unknown,
        InvalidArgument,
        NotFound,
        AlreadyExists,
        FailedPrecondition,
        Internal,
        Unimplemented,
    ] {
        let outcome = grpc_outcome(Answer::code(code, "no %ä\n").retry_after(wait));
        assert!(class(&outcome) == FailureClass::Rejected, "{outcome:?}");
        assert!(text(&outcome).ends_with(": no %ä"), "{outcome:?}");
    }
    for code in [Unauthenticated, PermissionDenied] {
        let outcome = grpc_outcome(Answer::code(code, "token expired"));
        assert!(
            class(&outcome) == FailureClass::Unauthenticated,
            "{outcome:?}"
        );
    }
    assert!(
        text(&grpc_outcome(Answer::code(Unimplemented, "")))
            .contains("is it an OTLP/gRPC endpoint")
    );
}

#[test]
#[cfg(feature = "grpc")]
fn broken_details_of_a_grpc_status_are_ignored() {
    for details in ["not base64!", "AAAA", "/////w=="] {
        let answer = Answer::code(Code::ResourceExhausted, "quota").raw_details(details);
        let outcome = outcome_of(Protocol::Grpc, answer);
        assert!(class(&outcome) == FailureClass::Rejected, "{outcome:?}");
    }
}

#[test]
#[cfg(feature = "grpc")]
fn http_answer_of_a_proxy_to_a_grpc_call_is_classified_by_its_status() {
    let grpc_outcome = |code| outcome_of(Protocol::Grpc, Answer::status(code));
    assert!(matches!(
        class(&grpc_outcome(503)),
        FailureClass::Retryable { .. }
    ));
    assert!(class(&grpc_outcome(401)) == FailureClass::Unauthenticated);
    assert!(class(&grpc_outcome(404)) == FailureClass::Rejected);
    let page = grpc_outcome(200);
    assert!(class(&page) == FailureClass::Rejected, "{page:?}");
    assert!(text(&page).contains("not in gRPC"), "{page:?}");
}

#[test]
fn secrets_are_hidden_even_if_the_receiver_repeats_them() {
    let said = "the token sk-12345 of Bearer sk-12345 is expired, id tenant-9";
    for &protocol in PROTOCOLS {
        let receiver = receiver(protocol);
        receiver.answer(move |_| match protocol {
            #[cfg(feature = "grpc")]
            Protocol::Grpc => Answer::code(Code::Unauthenticated, said),
            _ => Answer::status(401).body("text/plain", said),
        });
        let mut config = config(protocol, Signal::Logs, &receiver.endpoint());
        config.headers = vec![
            header("authorization", "Bearer sk-12345"),
            header("x-tenant", "tenant-9"),
        ];
        let outcome = Fixture::with(config).send();
        let shown = format!("{outcome:?} {}", text(&outcome));
        assert!(class(&outcome) == FailureClass::Unauthenticated, "{shown}");
        assert!(
            shown.contains("the token <hidden> of <hidden> is expired"),
            "{shown}"
        );
        assert!(
            !shown.contains("sk-12345") && !shown.contains("tenant-9"),
            "{shown}"
        );
    }
}
