//! Outcomes of attempts whose answer is missing, broken or late, and the reuse of connections.

use super::prelude::*;

#[test]
fn refused_connection_is_retried() {
    for &protocol in PROTOCOLS {
        let port = refused_port();
        let fixture = Fixture::new(protocol, &port.endpoint());
        for _ in 0..2 {
            let outcome = fixture.send();
            assert_eq!(kind(&outcome), ErrorKind::ConnectionRefused);
            let name = port.endpoint().replace("http://", "");
            assert_eq!(text(&outcome), format!("connection refused by {name}"));
        }
    }
}

#[test]
fn attempt_without_an_answer_ends_at_its_deadline() {
    for &protocol in PROTOCOLS {
        let hole = black_hole();
        let fixture = Fixture::new(protocol, &hole.endpoint());
        for _ in 0..2 {
            let started = Instant::now();
            let outcome = fixture.send_within(Duration::from_millis(200));
            let took = started.elapsed();
            // The deadline ends the attempt, not the configured timeout of ten seconds.
            assert!(
                took >= Duration::from_millis(190) && took < Duration::from_secs(9),
                "{took:?}"
            );
            assert_timed_out(&outcome, &hole.endpoint().replace("http://", ""), 200);
        }
    }
}

/// Asserts that an attempt got no answer within its limit, in milliseconds.
#[track_caller]
fn assert_timed_out(outcome: &ExportResult, name: &str, limit: u64) {
    assert_eq!(kind(outcome), ErrorKind::Timeout, "{outcome:?}");
    let text = text(outcome);
    // The attempt begins shortly after the deadline was set, or not at all.
    let within = text.strip_prefix(&format!("no answer from {name} within "));
    let within = within.and_then(|rest| rest.strip_suffix(" ms"));
    let in_time = within.is_some_and(|ms| (1..=limit).contains(&ms.parse().unwrap()));
    let never = text == format!("no time left to send to {name}");
    assert!(in_time || never, "{text}");
}

#[test]
fn attempt_after_a_timeout_uses_a_new_connection() {
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
fn attempt_without_time_left_sends_nothing() {
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
fn reset_connection_is_retried() {
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
fn grpc_call_that_breaks_off_before_its_status_is_retried() {
    let outcome = outcome_of(Protocol::Grpc, Answer::Cut);
    assert_eq!(kind(&outcome), ErrorKind::Broken, "{outcome:?}");
}

#[test]
fn restarted_receiver_is_reached_again() {
    for &protocol in PROTOCOLS {
        let mut receiver = receiver(protocol);
        let fixture = Fixture::new(protocol, &receiver.endpoint());
        assert_eq!(fixture.send(), DELIVERED);
        receiver.stop();
        // The first attempt may use the old connection, if this runtime has not noticed the end of it yet.
        let kinds = [kind(&fixture.send()), kind(&fixture.send())];
        assert_eq!(kinds[1], ErrorKind::ConnectionRefused, "{kinds:?}");
        receiver.restart();
        assert_eq!(fixture.send(), DELIVERED);
        assert_eq!(receiver.received().len(), 2);
        // The same without an attempt while the receiver is stopped.
        receiver.restart();
        let attempts = [fixture.send(), fixture.send()];
        assert!(attempts.contains(&DELIVERED), "{attempts:?}");
    }
}

#[test]
#[cfg(feature = "grpc")]
fn grpc_to_a_port_that_speaks_http_1_is_explained() {
    use std::io::Write;
    // Some HTTP/1 servers answer a request that they do not understand, others close the connection.
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
        // The text depends on whether the answer or the end of the connection is noticed first.
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

/// Starts a receiver whose host name has three addresses: two that drop all packets, and then that of the receiver.
#[cfg(target_os = "linux")]
fn hidden_behind_black_holes(host: &str, protocol: Protocol) -> (Receiver, Vec<FullBacklog>) {
    let receiver = receiver(protocol);
    let holes: Vec<FullBacklog> = [(); 2]
        .map(|()| full_backlog(([127, 0, 0, 1], 0)).unwrap())
        .into();
    let mut addresses: Vec<_> = holes.iter().map(|hole| hole.address).collect();
    addresses.push(receiver.endpoint()["http://".len()..].parse().unwrap());
    super::super::resolve::fake::define(host, move || Ok(addresses.clone()));
    (receiver, holes)
}

#[test]
#[cfg(target_os = "linux")]
fn addresses_of_one_family_are_tried_in_turn_when_the_first_drop_packets() {
    for &protocol in PROTOCOLS {
        let host = format!("swallow-{protocol:?}.test").to_lowercase();
        let (receiver, _holes) = hidden_behind_black_holes(&host, protocol);
        // Each attempt is shorter than the time for which an operating system tries one address.
        let fixture = Fixture::new(protocol, &format!("http://{host}:4318"));
        assert_eq!(fixture.send(), DELIVERED, "{protocol:?}");
        receiver.received().single();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn proxy_with_several_addresses_is_reached_when_the_first_drop_packets() {
    for &protocol in PROTOCOLS {
        // Over gRPC, a proxy is used with TLS only.
        if matches!(protocol, Protocol::HttpProtobuf | Protocol::HttpJson) {
            let host = format!("proxy-{protocol:?}.test").to_lowercase();
            let (receiver, _holes) = hidden_behind_black_holes(&host, protocol);
            let mut config = config(protocol, Signal::Logs, "http://receiver.test:4318");
            config.proxy = Some(Box::new(crate::config::proxy::ProxyConfig {
                url: format!("http://{host}:3128").parse().unwrap(),
                authorization: None,
                variable: "HTTP_PROXY",
            }));
            assert_eq!(Fixture::with(config).send(), DELIVERED, "{protocol:?}");
            receiver.received().single();
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn attempt_ends_in_time_when_all_addresses_drop_packets() {
    for &protocol in PROTOCOLS {
        let host = format!("nowhere-{protocol:?}.test").to_lowercase();
        let hole = full_backlog(([127, 0, 0, 1], 0)).unwrap();
        let address = hole.address;
        // At the usual pause of 250 ms after each, a hundred addresses would take 25 seconds.
        super::super::resolve::fake::define(&host, move || Ok(vec![address; 100]));
        let mut config = config(protocol, Signal::Logs, &format!("http://{host}:4318"));
        config.timeout = Duration::from_millis(400);
        let started = Instant::now();
        let timeout = config.timeout;
        let outcome = Fixture::with(config).send_within(timeout);
        let took = started.elapsed();
        assert!(
            took >= Duration::from_millis(390) && took < Duration::from_secs(9),
            "{took:?}"
        );
        assert_timed_out(&outcome, &format!("{host}:4318"), 400);
    }
}

#[test]
fn unresolved_name_is_explained_and_retried() {
    for &protocol in PROTOCOLS {
        let receiver = receiver(protocol);
        let address = receiver.endpoint()["http://".len()..].parse().unwrap();
        let host = format!("found-later-{protocol:?}.test").to_lowercase();
        let lookups = std::sync::atomic::AtomicUsize::new(0);
        super::super::resolve::fake::define(&host, move || {
            match lookups.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0 => Err(std::io::Error::other("no thread can be started")),
                _ => Ok(vec![address]),
            }
        });
        let fixture = Fixture::new(protocol, &format!("http://{host}:4318"));
        let outcome = fixture.send();
        assert_eq!(kind(&outcome), ErrorKind::Connect, "{outcome:?}");
        let expected = format!("cannot find the address of {host}:4318: no thread can be started");
        assert_eq!(text(&outcome), expected);
        assert_eq!(fixture.send(), DELIVERED);
    }
}

#[test]
fn receiver_is_reached_again_after_a_panic_during_the_connection() {
    for &protocol in PROTOCOLS {
        let receiver = receiver(protocol);
        let address = receiver.endpoint()["http://".len()..].parse().unwrap();
        let lookups = std::sync::atomic::AtomicUsize::new(0);
        let host = format!("panics-{protocol:?}.test").to_lowercase();
        super::super::resolve::fake::define(&host, move || {
            assert!(
                lookups.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 0,
                "the connection's task ends"
            );
            Ok(vec![address])
        });
        let fixture = Fixture::new(protocol, &format!("http://{host}:4317"));
        // A pipeline runs each attempt as a task, and counts a panic as a failure that is retried.
        let attempt = std::panic::AssertUnwindSafe(|| fixture.send());
        assert!(std::panic::catch_unwind(attempt).is_err());
        assert_eq!(fixture.send(), DELIVERED, "{protocol:?}");
    }
}

/// Starts a server that answers each connection with interim responses until the connection is closed.
fn flood() -> (String, std::net::TcpListener) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = listener.try_clone().unwrap();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request);
                let interim = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(500);
                while stream.write_all(&interim).is_ok() {}
            });
        }
    });
    (endpoint, listener)
}

#[test]
#[cfg(feature = "http")]
fn endless_interim_responses_fail_the_attempt_soon() {
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        let (endpoint, _listener) = flood();
        let outcome = Fixture::new(protocol, &endpoint).send();
        let name = endpoint.replace("http://", "");
        assert_eq!(kind(&outcome), ErrorKind::Timeout, "{outcome:?}");
        assert_eq!(
            text(&outcome),
            format!(
                "no complete response in 256 KiB from {name}: it sends interim responses without end, or is not an OTLP receiver"
            )
        );
    }
}

/// Starts a receiver that answers every gRPC request with `start`, and then with `rest` without end.
#[cfg(feature = "grpc")]
fn grpc_flood(start: Vec<u8>, rest: &'static [u8]) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request);
        // An empty SETTINGS frame.
        let _ = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
        // Reads the request, whose stream must be open.
        let _ = stream.read(&mut request);
        let _ = stream.write_all(&start);
        let rest = rest.repeat(500);
        while stream.write_all(&rest).is_ok() {}
    });
    endpoint
}

#[test]
#[cfg(feature = "grpc")]
fn endless_grpc_answer_fails_the_attempt_soon() {
    // HEADERS frames of stream 1 with END_HEADERS: `:status: 103`, and the head of a success.
    const INTERIM: [u8; 14] = [0, 0, 5, 1, 4, 0, 0, 0, 1, 0x08, 3, b'1', b'0', b'3'];
    let head = [0, 0, 20, 1, 4, 0, 0, 0, 1, 0x88, 0x0f, 0x10, 16];
    let success = [&head[..], b"application/grpc"].concat();
    // A PING frame with ACK, which needs no answer.
    const PING: [u8; 17] = [0, 0, 8, 6, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    for endpoint in [grpc_flood(Vec::new(), &INTERIM), grpc_flood(success, &PING)] {
        let outcome = Fixture::new(Protocol::Grpc, &endpoint).send();
        let name = endpoint.replace("http://", "");
        assert_eq!(kind(&outcome), ErrorKind::Timeout, "{outcome:?}");
        assert_eq!(
            text(&outcome),
            format!(
                "no complete response in 256 KiB from {name}: it sends interim responses without end, or is not an OTLP receiver"
            )
        );
    }
}

/// Starts a server that sends the body of its response later than the head.
#[cfg(feature = "http")]
fn late_body(head: &'static str, body: &'static [u8], delay: Duration) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let length = body.len();
        let head = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        std::thread::sleep(delay);
        let _ = stream.write_all(body);
    });
    endpoint
}

#[test]
#[cfg(feature = "http")]
fn late_message_of_an_error_is_waited_for() {
    let head = "400 Bad Request\r\ncontent-type: text/plain";
    // Longer than the second for which the body of a success is waited for.
    let delay = Duration::from_millis(1_500);
    let endpoint = late_body(head, b"received message larger than max", delay);
    let outcome = Fixture::new(Protocol::HttpProtobuf, &endpoint).send();
    let class = outcome.map_err(|error| error.class());
    assert_eq!(class, Err(FailureClass::TooLarge));
}

#[test]
#[cfg(feature = "http")]
fn body_of_a_success_is_waited_for_up_to_one_second() {
    let body = br#"{"partialSuccess":{"rejectedLogRecords":"3"}}"#;
    let head = "200 OK\r\ncontent-type: application/json";
    for (delay, rejected) in [(300, 3), (3_000, 0)] {
        let endpoint = late_body(head, body, Duration::from_millis(delay));
        let outcome = Fixture::new(Protocol::HttpJson, &endpoint).send();
        assert_eq!(outcome.unwrap().rejected, rejected, "{delay} ms");
    }
}
