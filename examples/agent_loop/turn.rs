//! Turns: the agent asks the model, runs the tools that the model calls, and asks again.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use claude_code_telemetry::{ApiError, ApiRequest, LlmRequestOptions, Recorder, TokenUsage};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::script::{Failure, Model, Reply};
use crate::tools;

const MODEL: &str = "claude-sonnet-4-6";

/// The state that all turns share.
#[derive(Clone)]
pub(crate) struct Agent {
    retries: u32,
    background: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Agent {
    pub(crate) fn new(retries: u32) -> Self {
        Self {
            retries,
            background: Arc::default(),
        }
    }

    /// Runs work for which the turn does not wait.
    pub(crate) fn in_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks().push(tokio::spawn(work));
    }

    pub(crate) async fn wait_for_background(&self) {
        let tasks = std::mem::take(&mut *self.tasks());
        for task in tasks {
            // A task that panicked has dropped its handles, which ended its spans.
            let _ = task.await;
        }
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.background
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the model until it calls no more tools. The spans of this work are children of `parent`: a prompt or, for a
    /// subagent, the tool call in which it runs.
    pub(crate) fn turn(
        &self,
        parent: Recorder,
        mut model: Model,
    ) -> Pin<Box<dyn Future<Output = Result<String, Failure>> + Send>> {
        let agent = self.clone();
        Box::pin(async move {
            loop {
                let reply = agent.ask(&parent, &mut model).await?;
                if reply.calls.is_empty() {
                    return Ok(reply.text);
                }
                // Tool calls run concurrently, on any thread.
                let mut running = JoinSet::new();
                for call in reply.calls {
                    running.spawn(tools::run(agent.clone(), parent.clone(), call));
                }
                running.join_all().await;
            }
        })
    }

    /// Sends a model request with retries. All attempts belong to one handle with one outcome.
    async fn ask(&self, parent: &Recorder, model: &mut Model) -> Result<Reply, Failure> {
        let request = parent.llm_request(LlmRequestOptions::new(MODEL).query_source("main"));
        let mut retries = 0;
        loop {
            let mut headers = Vec::new();
            request.inject(|name, value| headers.push((name, value.to_owned())));
            let body = model.body();
            request.body(body.clone());

            match model.send(body, headers, || request.first_token()).await {
                Ok(reply) => {
                    request.response_body(reply.body.clone());
                    request.finish(
                        ApiRequest::new(MODEL)
                            .request_id(reply.request_id)
                            .tokens(
                                TokenUsage::new()
                                    .input(reply.input_tokens)
                                    .output(reply.output_tokens),
                            )
                            .cost_usd(reply.cost_usd)
                            .has_tool_call(!reply.calls.is_empty())
                            .stop_reason(reply.stop_reason),
                    );
                    return Ok(reply);
                }
                Err(failure) if failure.is_temporary() && retries < self.retries => {
                    retries += 1;
                    sleep(Duration::from_millis(20 << retries)).await;
                    request.retry();
                }
                Err(failure) => {
                    request.fail(
                        ApiError::new(MODEL, failure.message)
                            .status_code(failure.status)
                            .request_id(failure.request_id),
                    );
                    return Err(failure);
                }
            }
        }
    }
}
