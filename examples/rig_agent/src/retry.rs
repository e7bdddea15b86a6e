//! An HTTP client that sends a request again while the model is overloaded, which rig leaves to its host.

use std::time::Duration;

use bytes::Bytes;
use rig_core::error::{ErrorKind, ErrorReport};
use rig_core::http_client::{
    DynHttpClient, Error, HttpClientExt, LazyBody, MultipartForm, Request, Response, Result,
    StreamingResponse,
};

use crate::telemetry::Instrumentation;

const ATTEMPTS: u32 = 3;
const BACK_OFF: Duration = Duration::from_millis(5);

/// A client that retries, and the instrumentation to which it reports each attempt.
#[derive(Clone)]
pub(crate) struct Retrying {
    pub(crate) client: DynHttpClient,
    pub(crate) telemetry: Instrumentation,
}

impl HttpClientExt for Retrying {
    fn send<T, U>(
        &self,
        request: Request<T>,
    ) -> impl Future<Output = Result<Response<LazyBody<U>>>> + Send + 'static
    where
        T: Into<Bytes> + Send,
        U: From<Bytes> + Send + 'static,
    {
        let (this, request) = (self.clone(), request.map(Into::into));
        async move {
            this.retry(request, |request| this.client.send(request))
                .await
        }
    }

    fn send_multipart<U>(
        &self,
        request: Request<MultipartForm>,
    ) -> impl Future<Output = Result<Response<LazyBody<U>>>> + Send + 'static
    where
        U: From<Bytes> + Send + 'static,
    {
        self.client.send_multipart(request)
    }

    async fn send_streaming<T>(&self, request: Request<T>) -> Result<StreamingResponse>
    where
        T: Into<Bytes> + Send,
    {
        let send = |request| self.client.send_streaming(request);
        self.retry(request.map(Into::into), send).await
    }
}

impl Retrying {
    /// Repeats an attempt until it succeeds, fails for good, or is the last one.
    async fn retry<R, F>(
        &self,
        request: Request<Bytes>,
        send: impl Fn(Request<Bytes>) -> F,
    ) -> Result<R>
    where
        F: Future<Output = Result<R>>,
    {
        let mut number = 0;
        loop {
            number += 1;
            let (mut parts, body) = request.clone().into_parts();
            self.telemetry.attempt(&mut parts.headers, &body);
            match send(Request::from_parts(parts, body)).await {
                Err(error) if is_overloaded(&error) && number < ATTEMPTS => {
                    tokio::time::sleep(BACK_OFF * number).await;
                }
                result => return result,
            }
        }
    }
}

fn is_overloaded(error: &Error) -> bool {
    let status = error.non_success_status();
    status.is_some_and(|status| matches!(status.as_u16(), 429 | 529))
}

/// Returns the message of a failed request. Only the message of the API is safe to record: others can contain the URL,
/// or a part of the response.
pub(crate) fn message(error: &ErrorReport) -> String {
    match error.kind {
        ErrorKind::Provider | ErrorKind::ProviderResponse => error.message.clone(),
        kind => format!("the request failed ({})", kind.code()),
    }
}
