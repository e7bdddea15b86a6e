//! A session is delivered completely over every protocol and from every kind of host.
#![cfg(all(feature = "grpc", feature = "http"))]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use crate::host::{PATIENCE, Protocol, telemetry};
use crate::small_session::{EXTRA, assert_events, assert_metrics, finish, record_session};
use claude_code_telemetry::Telemetry;

/// Runs `host` once for each protocol, and asserts that a receiver gets all data of the session that [`record_session`]
/// records.
fn assert_delivered(host: impl Fn(Telemetry)) {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        host(telemetry(&receiver.endpoint(), protocol, &EXTRA));
        let received = receiver.received();
        assert!(
            received
                .requests
                .iter()
                .all(|request| request.answer.is_success()),
            "{received:?}"
        );
        assert_events(&received);
        assert_metrics(&received);
    }
}

/// Records the session, flushes and shuts down, as [`finish`] does without async.
async fn finish_async(telemetry: Telemetry) {
    record_session(&telemetry);
    assert!(telemetry.flush_async().await.is_complete());
    let report = telemetry.shutdown_async().await;
    assert!(report.is_complete(), "{report}");
}

#[test]
fn session_is_delivered_without_a_runtime() {
    assert_delivered(|telemetry| finish(&telemetry));
}

#[test]
fn session_is_delivered_inside_a_current_thread_runtime() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    };
    assert_delivered(|telemetry| runtime().block_on(async { finish(&telemetry) }));
    assert_delivered(|telemetry| runtime().block_on(finish_async(telemetry)));
}

#[test]
fn session_is_delivered_inside_a_multi_thread_runtime() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap()
    };
    assert_delivered(|telemetry| {
        let runtime = runtime();
        runtime
            .block_on(runtime.spawn(async move { finish(&telemetry) }))
            .unwrap();
    });
    assert_delivered(|telemetry| {
        let runtime = runtime();
        runtime
            .block_on(runtime.spawn(finish_async(telemetry)))
            .unwrap();
    });
}

/// Runs a future without tokio, on a minimal executor that parks the thread.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => {
                let start = Instant::now();
                std::thread::park_timeout(PATIENCE);
                assert!(start.elapsed() < PATIENCE, "the task was not woken");
            }
        }
    }
}

#[test]
fn session_is_delivered_inside_a_runtime_other_than_tokio() {
    assert_delivered(|telemetry| block_on(finish_async(telemetry)));
}
