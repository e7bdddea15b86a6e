//! The bodies of model requests and responses.

use std::borrow::Cow;
use std::time::SystemTime;

use super::setters::setters;
use super::{Attributes, EventRecord, Record, text_size};
use crate::catalog::{Event, event, key};
use crate::content::{Body, Content, ContentPolicy};

/// The body of an attempt of a request, as JSON text.
///
/// Emits the event `claude_code.api_request_body`, one for each attempt, if `OTEL_LOG_RAW_API_BODIES` is on. Thinking
/// in prior assistant turns is always redacted, independent of the switches.
#[derive(Clone, Debug)]
pub struct ApiRequestBody {
    pub(crate) model: Cow<'static, str>,
    pub(crate) body: Content,
    pub(crate) query_source: Option<Cow<'static, str>>,
    pub(crate) at: Option<SystemTime>,
}

impl ApiRequestBody {
    /// Creates the record of a body that was sent to `model`, as JSON text (`body`, `body_length`). The body is
    /// redacted, written in compact form, and truncated, by default to 60 KB.
    pub fn new(model: impl Into<Cow<'static, str>>, body: impl Into<Content>) -> Self {
        Self {
            model: model.into(),
            body: body.into(),
            query_source: None,
            at: None,
        }
    }

    setters! {
        /// Sets the subsystem that made the request (`query_source`).
        query_source: Option<Text>,
        /// Sets the time at which the body was sent. The default is the current time.
        at: Option<SystemTime>,
    }
}

/// The body of a successful response, as JSON text.
///
/// Emits the event `claude_code.api_response_body`, one for each success, if `OTEL_LOG_RAW_API_BODIES` is on. The host
/// passes a streamed response as the assembled message. Thinking is always redacted, independent of the switches.
#[derive(Clone, Debug)]
pub struct ApiResponseBody {
    pub(crate) model: Cow<'static, str>,
    pub(crate) body: Content,
    pub(crate) query_source: Option<Cow<'static, str>>,
    pub(crate) request_id: Option<Cow<'static, str>>,
    pub(crate) at: Option<SystemTime>,
}

impl ApiResponseBody {
    /// Creates the record of a body that `model` answered, as JSON text (`body`, `body_length`). The body is redacted,
    /// written in compact form, and truncated, by default to 60 KB.
    pub fn new(model: impl Into<Cow<'static, str>>, body: impl Into<Content>) -> Self {
        Self {
            model: model.into(),
            body: body.into(),
            query_source: None,
            request_id: None,
            at: None,
        }
    }

    setters! {
        /// Sets the subsystem that made the request (`query_source`).
        query_source: Option<Text>,
        /// Sets the API's request id (`request_id`).
        request_id: Option<Text>,
        /// Sets the time at which the body arrived. The default is the current time.
        at: Option<SystemTime>,
    }
}

/// The body of a request or a response that the content policy admitted.
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
