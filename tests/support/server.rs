//! A listener that is served by a dedicated thread.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// A server that runs until it is dropped. Its runtime ends with it, and so do all its connections.
pub struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts the server, and returns when it accepts connections. `on_connection` is called for each connection,
    /// inside the runtime.
    ///
    /// A test that forks must not do so while another thread initializes a static of tokio or of the standard library:
    /// the child would wait forever for the end of the initialization.
    pub fn start(
        listener: TcpListener,
        mut on_connection: impl FnMut(TcpStream) + Send + 'static,
    ) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let (started, start) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                listener.set_nonblocking(true).unwrap();
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                started.send(()).unwrap();
                loop {
                    tokio::select! {
                        _ = &mut stopped => break,
                        connection = listener.accept() => on_connection(connection.unwrap().0),
                    }
                }
            });
        });
        start.recv().unwrap();
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Stops the server. Panics if its thread panicked.
    pub fn stop(mut self) {
        self.end().unwrap();
    }

    fn end(&mut self) -> thread::Result<()> {
        let _ = self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map_or(Ok(()), JoinHandle::join)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
