//! A minimal OTLP receiver: gRPC on loopback, in a thread of this process.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, async_trait};

/// The requests that arrived, by signal, in their order of arrival.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) metrics: Vec<ExportMetricsServiceRequest>,
    pub(crate) logs: Vec<ExportLogsServiceRequest>,
    pub(crate) traces: Vec<ExportTraceServiceRequest>,
}

pub(crate) struct Receiver {
    address: SocketAddr,
    inbox: Inbox,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Receiver {
    /// Starts a receiver on a free port.
    pub(crate) fn start() -> Result<Self, Box<dyn Error>> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let inbox = Inbox::default();
        let (stop, stopped) = oneshot::channel();
        let services = Server::builder()
            .add_service(MetricsServiceServer::new(inbox.clone()))
            .add_service(LogsServiceServer::new(inbox.clone()))
            .add_service(TraceServiceServer::new(inbox.clone()));
        let thread = thread::Builder::new()
            .name("receiver".to_owned())
            .spawn(move || {
                runtime.block_on(
                    services.serve_with_incoming_shutdown(TcpIncoming::from(listener), async {
                        stopped.await.unwrap_or_default()
                    }),
                )
            })?;
        Ok(Self {
            address,
            inbox,
            stop,
            thread,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the receiver and returns the requests that arrived.
    pub(crate) fn stop(self) -> Result<Received, Box<dyn Error>> {
        // Sending fails if the receiver has already failed; joining its thread returns that error.
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| "the receiver panicked")??;
        Ok(self.inbox.with(std::mem::take))
    }
}

/// The state that the three services share.
#[derive(Clone, Default)]
struct Inbox(Arc<Mutex<Received>>);

impl Inbox {
    fn with<T>(&self, act: impl FnOnce(&mut Received) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl MetricsService for Inbox {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.with(|received| received.metrics.push(request.into_inner()));
        Ok(Response::new(Default::default()))
    }
}

#[async_trait]
impl LogsService for Inbox {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.with(|received| received.logs.push(request.into_inner()));
        Ok(Response::new(Default::default()))
    }
}

#[async_trait]
impl TraceService for Inbox {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.with(|received| received.traces.push(request.into_inner()));
        Ok(Response::new(Default::default()))
    }
}
