//! Connections of an exporter, with a limit on the bytes that are read for a response.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes before the head of a response (those of the TLS handshake, of the proxy and of interim responses),
/// and the most bytes after the head.
const MAX_READ: usize = 256 * 1024;

/// The text of the error if there are more bytes. The HTTP/2 client keeps only the text of an error.
pub(super) const TOO_MUCH: &str = "no complete response in 256 KiB";

/// The number of bytes that the connections of one exporter may still read before the head of a response, or after it.
/// An exporter has one request in flight at a time, so its connections can share the limit.
///
/// HTTP clients skip any number of interim responses (1xx) and of control frames, and a gRPC response ends with its
/// trailers. Without the limit, a receiver that sends these without end would keep the thread of all exporters busy.
#[derive(Clone)]
pub(super) struct ReadLimit(Arc<AtomicUsize>);

impl ReadLimit {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(MAX_READ)))
    }

    /// Resets the limit when a request begins and when the head of its response has arrived.
    pub(super) fn reset(&self) {
        self.0.store(MAX_READ, Ordering::Relaxed);
    }

    fn spend(&self, bytes: usize) -> io::Result<()> {
        let spent = |left: usize| left.checked_sub(bytes);
        match self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, TOO_MUCH)),
        }
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection: TCP, or TLS on top of another connection. Both have one type, so that HTTP is compiled once.
pub(super) struct Stream {
    io: Box<dyn Io>,
    limit: Option<ReadLimit>,
    /// True if the peer is a proxy that forwards requests.
    pub(super) is_forwarded: bool,
}

impl Stream {
    pub(super) fn new(
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        limit: Option<ReadLimit>,
    ) -> Self {
        Self {
            io: Box::new(io),
            limit,
            is_forwarded: false,
        }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.is_forwarded)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        Poll::Ready(
            self.limit
                .as_ref()
                .map_or(Ok(()), |limit| limit.spend(read)),
        )
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
