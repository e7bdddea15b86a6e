//! What becomes of an attempt that gets no answer.

use super::prelude::*;

#[test]
fn a_refused_connection_is_tried_again() {
    for &protocol in PROTOCOLS {
        let port = refused_port();
        let fixture = Fixture::new(protocol, &port.endpoint());
        for _ in 0..2 {
            let outcome = fixture.send();
            assert_eq!(kind(&outcome), ErrorKind::Connect);
            let name = port.endpoint().replace("http://", "");
            assert_eq!(text(&outcome), format!("connection refused by {name}"));
        }
    }
}

#[test]
fn a_receiver_that_never_answers_costs_no_more_than_the_deadline() {
    for &protocol in PROTOCOLS {
        let hole = black_hole();
        let fixture = Fixture::new(protocol, &hole.endpoint());
        for _ in 0..2 {
            let started = Instant::now();
            let outcome = fixture.send_within(Duration::from_millis(200));
            let took = started.elapsed();
            assert!(
                took >= Duration::from_millis(190) && took < Duration::from_secs(9),
                "{took:?}"
            );
            assert_eq!(kind(&outcome), ErrorKind::Timeout);
            let (text, name) = (text(&outcome), hole.endpoint().replace("http://", ""));
            // The attempt begins a moment after the deadline was set, or never.
            let within = text.strip_prefix(&format!("no answer from {name} within "));
            let within = within.and_then(|rest| rest.strip_suffix(" ms"));
            let in_time = within.is_some_and(|ms| (1..=200).contains(&ms.parse::<u64>().unwrap()));
            let never = text == format!("no time left to send to {name}");
            assert!(in_time || never, "{text}");
        }
    }
}

#[test]
fn after_a_deadline_the_next_attempt_has_a_connection_of_its_own() {
    for &protocol in PROTOCOLS {
        let receiver = receiver(protocol);
        receiver.answer(|n| if n == 0 { Answer::Hang } else { Answer::Ok });
        let fixture = Fixture::new(protocol, &receiver.endpoint());
        let outcome = fixture.send_within(Duration::from_secs(2));
        assert_eq!(kind(&outcome), ErrorKind::Timeout, "{outcome:?}");
        assert_eq!(fixture.send(), DELIVERED);
        assert_eq!(receiver.connections(), 2, "{protocol:?}");
    }
}

#[test]
fn one_connection_serves_all_requests() {
    for &protocol in PROTOCOLS {
        let receiver = receiver(protocol);
        let fixture = Fixture::new(protocol, &receiver.endpoint());
        for _ in 0..5 {
            assert_eq!(fixture.send(), DELIVERED);
        }
        assert_eq!(receiver.connections(), 1, "{protocol:?}");
    }
}

#[test]
fn without_time_nothing_is_sent() {
    for &protocol in PROTOCOLS {
        let receiver = receiver(protocol);
        let fixture = Fixture::new(protocol, &receiver.endpoint());
        let outcome = fixture.send_within(Duration::ZERO);
        assert_eq!(kind(&outcome), ErrorKind::Timeout);
        assert_eq!(fixture.send(), DELIVERED);
        receiver.received().single();
    }
}

#[test]
fn a_reset_connection_is_tried_again() {
    for &protocol in PROTOCOLS {
        let receiver = receiver(protocol);
        receiver.answer(|n| if n == 1 { Answer::Reset } else { Answer::Ok });
        let fixture = Fixture::new(protocol, &receiver.endpoint());
        assert_eq!(fixture.send(), DELIVERED);
        let outcome = fixture.send();
        assert_eq!(kind(&outcome), ErrorKind::Broken, "{outcome:?}");
        let name = receiver.endpoint().replace("http://", "");
        assert_eq!(text(&outcome), format!("connection reset by {name}"));
        assert_eq!(fixture.send(), DELIVERED);
    }
}

#[test]
#[cfg(feature = "grpc")]
fn a_call_that_breaks_off_before_its_status_is_tried_again() {
    let outcome = outcome_of(Protocol::Grpc, Answer::Cut);
    assert_eq!(kind(&outcome), ErrorKind::Broken, "{outcome:?}");
}

#[test]
fn a_restarted_receiver_is_found_again() {
    for &protocol in PROTOCOLS {
        let mut receiver = receiver(protocol);
        let fixture = Fixture::new(protocol, &receiver.endpoint());
        assert_eq!(fixture.send(), DELIVERED);
        receiver.stop();
        // The first attempt may find the old connection, of whose end this runtime has not been told yet.
        let kinds = [kind(&fixture.send()), kind(&fixture.send())];
        assert_eq!(kinds[1], ErrorKind::Connect, "{kinds:?}");
        receiver.restart();
        assert_eq!(fixture.send(), DELIVERED);
        assert_eq!(receiver.received().len(), 2);
        // Without an attempt in between, too.
        receiver.restart();
        let attempts = [fixture.send(), fixture.send()];
        assert!(attempts.contains(&DELIVERED), "{attempts:?}");
    }
}

#[test]
#[cfg(feature = "grpc")]
fn grpc_to_a_port_that_speaks_http_1_is_explained() {
    use std::io::Write;
    // Some HTTP/1 servers answer what they do not understand, some hang up.
    let rude = Receiver::http();
    let polite = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", polite.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = polite.accept().unwrap();
        let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).unwrap();
        stream
    });
    for endpoint in [rude.endpoint(), endpoint] {
        let outcome = Fixture::new(Protocol::Grpc, &endpoint).send();
        assert_eq!(kind(&outcome), ErrorKind::Broken, "{outcome:?}");
        let text = text(&outcome).replace(&endpoint.replace("http://", ""), "it");
        // Which of them depends on whether the answer or the end of the connection is noticed first.
        let expected = [
            "it does not speak HTTP/2: is it an OTLP/gRPC endpoint without TLS?",
            "connection closed by it: is it an OTLP/gRPC endpoint without TLS?",
            "connection reset by it: is it an OTLP/gRPC endpoint without TLS?",
        ];
        assert!(expected.contains(&text.as_str()), "{text}");
    }
    server.join().unwrap();
}

#[test]
#[cfg(feature = "http")]
fn http_to_a_port_that_speaks_grpc_is_explained() {
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        let receiver = Receiver::grpc();
        let outcome = Fixture::new(protocol, &receiver.endpoint()).send();
        assert_eq!(kind(&outcome), ErrorKind::Broken, "{outcome:?}");
        let name = receiver.endpoint().replace("http://", "");
        let expected =
            format!("{name} does not speak HTTP/1.1: is it an OTLP/gRPC or https:// endpoint?");
        assert_eq!(text(&outcome), expected);
    }
}
