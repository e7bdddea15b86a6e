//! The connections of an exporter, and the limit of what is read from them before an answer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The most bytes before the head of an answer: those of the TLS handshake, of the proxy and of interim responses.
const MAX_BEFORE_HEAD: usize = 256 * 1024;

/// The text of the error when there are more. HTTP/2 keeps only the text of an error.
pub(super) const NO_HEAD: &str = "no answer in the first 256 KiB";

/// The bytes that the connections of one exporter may still read before an answer's head.
///
/// HTTP clients skip any number of interim responses (1xx). A receiver that sends nothing else would keep the thread
/// of all exporters busy.
#[derive(Clone)]
pub(super) struct ReadLimit(Arc<AtomicUsize>);

impl ReadLimit {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(MAX_BEFORE_HEAD)))
    }

    /// A request begins.
    pub(super) fn begin(&self) {
        self.0.store(MAX_BEFORE_HEAD, Ordering::Relaxed);
    }

    /// The head of the answer is there. How much is read of its body is the reader's decision.
    pub(super) fn lift(&self) {
        self.0.store(usize::MAX, Ordering::Relaxed);
    }

    fn spend(&self, bytes: usize) -> io::Result<()> {
        let spent = |left: usize| left.checked_sub(bytes);
        match self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, NO_HEAD)),
        }
    }
}

/// A connection to the receiver, or to a proxy that forwards to it.
pub(super) struct Stream {
    pub(super) tcp: TcpStream,
    pub(super) forwards: bool,
    pub(super) limit: ReadLimit,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.forwards)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(context, buffer))?;
        Poll::Ready(self.limit.spend(buffer.filled().len() - before))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}
