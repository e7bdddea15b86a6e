//! The bodies of model requests and responses.

use std::borrow::Cow;
use std::time::SystemTime;

use super::{Attributes, EventRecord, Record, optional, text_size};
use crate::catalog::{Event, event, key};
use crate::content::{Body, Content, ContentPolicy};

/// The body of one attempt of a request, as JSON text.
///
/// Emits the event `claude_code.api_request_body` when `OTEL_LOG_RAW_API_BODIES` is on, one for each attempt. Thinking
/// in prior assistant turns is redacted whatever the switches say.
#[derive(Clone, Debug)]
pub struct ApiRequestBody {
    pub(crate) model: Cow<'static, str>,
    pub(crate) body: Content,
    pub(crate) query_source: Option<Cow<'static, str>>,
    pub(crate) at: Option<SystemTime>,
}

impl ApiRequestBody {
    /// The body that was sent to `model`, as JSON text (`body`, `body_length`): redacted, compact, and cut at 60 KB.
    pub fn new(model: impl Into<Cow<'static, str>>, body: impl Into<Content>) -> Self {
        Self {
            model: model.into(),
            body: body.into(),
            query_source: None,
            at: None,
        }
    }

    /// The subsystem that made the request (`query_source`).
    pub fn query_source(mut self, source: impl Into<Cow<'static, str>>) -> Self {
        self.query_source = optional(source);
        self
    }

    /// When it was sent; now by default.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time);
        self
    }
}

/// The body of a successful response, as JSON text.
///
/// Emits the event `claude_code.api_response_body` when `OTEL_LOG_RAW_API_BODIES` is on, one for each success. A
/// streamed response is given as the assembled message. Thinking is redacted whatever the switches say.
#[derive(Clone, Debug)]
pub struct ApiResponseBody {
    pub(crate) model: Cow<'static, str>,
    pub(crate) body: Content,
    pub(crate) query_source: Option<Cow<'static, str>>,
    pub(crate) request_id: Option<Cow<'static, str>>,
    pub(crate) at: Option<SystemTime>,
}

impl ApiResponseBody {
    /// The body that `model` answered, as JSON text (`body`, `body_length`): redacted, compact, and cut at 60 KB.
    pub fn new(model: impl Into<Cow<'static, str>>, body: impl Into<Content>) -> Self {
        Self {
            model: model.into(),
            body: body.into(),
            query_source: None,
            request_id: None,
            at: None,
        }
    }

    /// The subsystem that made the request (`query_source`).
    pub fn query_source(mut self, source: impl Into<Cow<'static, str>>) -> Self {
        self.query_source = optional(source);
        self
    }

    /// The API's request id (`request_id`).
    pub fn request_id(mut self, id: impl Into<Cow<'static, str>>) -> Self {
        self.request_id = optional(id);
        self
    }

    /// When it arrived; now by default.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time);
        self
    }
}

/// A body that the policy let in, of a request or of a response.
pub(crate) struct AdmittedBody {
    event: &'static Event,
    body: Body,
    model: Cow<'static, str>,
    query_source: Option<Cow<'static, str>>,
    request_id: Option<Cow<'static, str>>,
}

impl Record for ApiRequestBody {
    type Admitted = AdmittedBody;

    fn time(&self) -> Option<SystemTime> {
        self.at
    }

    fn admit(self, policy: &ContentPolicy) -> Option<AdmittedBody> {
        Some(AdmittedBody {
            event: &event::API_REQUEST_BODY,
            body: policy.body(self.body)?,
            model: self.model,
            query_source: self.query_source,
            request_id: None,
        })
    }
}

impl Record for ApiResponseBody {
    type Admitted = AdmittedBody;

    fn time(&self) -> Option<SystemTime> {
        self.at
    }

    fn admit(self, policy: &ContentPolicy) -> Option<AdmittedBody> {
        Some(AdmittedBody {
            event: &event::API_RESPONSE_BODY,
            body: policy.body(self.body)?,
            model: self.model,
            query_source: self.query_source,
            request_id: self.request_id,
        })
    }
}

impl EventRecord for AdmittedBody {
    fn event(&self) -> &'static Event {
        self.event
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        let body = self.body.redacted();
        out.unreadable_bodies += u64::from(body.unreadable);
        let (length, truncated) = (body.length as u64, body.truncated);
        match body {
            Cow::Borrowed(body) => out.text(key::BODY, &*body.text),
            Cow::Owned(body) => out.text(key::BODY, body.text),
        }
        out.count(key::BODY_LENGTH, length);
        if truncated {
            out.quoted(key::BODY_TRUNCATED, true);
        }
        out.text(key::MODEL, &*self.model);
        out.text_if(key::QUERY_SOURCE, self.query_source.as_deref());
        out.text_if(key::REQUEST_ID, self.request_id.as_deref());
    }

    fn size(&self) -> usize {
        self.body.size()
            + text_size(&[
                Some(&self.model),
                self.query_source.as_ref(),
                self.request_id.as_ref(),
            ])
    }
}
