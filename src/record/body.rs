//! The bodies of model requests and responses.

use std::time::SystemTime;

use super::event::event;
use super::{BoolAsString, Field, Out, Text};
use crate::content::{Body, Content};
use crate::schema::{Attribute, Kind};

const LENGTH: Attribute = u64::ATTRIBUTE.named(
    "body_length",
    "Length of the body before truncation, in UTF-16 code units",
);
const TRUNCATED: Attribute = BoolAsString::ATTRIBUTE
    .one_of(&["true"])
    .when_known()
    .named("body_truncated", "Present when the body was truncated");

/// A body is sent as two or three attributes: its text, its [`LENGTH`] and, if it was truncated, [`TRUNCATED`].
impl Field for Body {
    const ATTRIBUTE: Attribute = Attribute::of(Kind::String).gated(Self::GATE);

    fn write(&self, key: &'static str, out: &mut dyn Out) {
        let body = self.redacted();
        // A body that cannot be searched for thinking is sent as `<REDACTED>`, and counted.
        if body.unreadable {
            out.unreadable_body();
        }
        out.text(key, &body.text);
        (body.length as u64).write(LENGTH.name, out);
        if body.truncated {
            BoolAsString(true).write(TRUNCATED.name, out);
        }
    }
}

event! {
    /// The body of an attempt of a request, as JSON text.
    ///
    /// Emits the event `claude_code.api_request_body`, one for each attempt, if `OTEL_LOG_RAW_API_BODIES` is on.
    /// The model's thinking in prior assistant turns is redacted, whatever the configuration allows.
    record ApiRequestBody: Clone, Debug;
    emits "api_request_body", "The body of one attempt of a request", only with RawApiBodies;

    /// Creates the record of a body that was sent to `model`, as JSON text. It sets the attributes `model`, `body`,
    /// `body_length` and, if the body is truncated, `body_truncated`. The body is redacted, written in compact form,
    /// and truncated, by default to 61,440 UTF-16 code units.
    new(model: impl Into<Text>, body: impl Into<Content>);

    sent {
        required body: Body =
            "body", "The request as compact JSON, thinking redacted, truncated at 61,440 UTF-16 code units by default",
            and LENGTH, TRUNCATED;
        required model: Text = "model", "Requested model";
        optional query_source: Option<Text> = "query_source", "Subsystem that made the request";
    }
    other {
        /// Sets the time at which the body was sent. The default is the current time.
        optional at: Option<SystemTime> = "event.timestamp" | "at";
    }
}

event! {
    /// The body of a successful response, as JSON text.
    ///
    /// Emits the event `claude_code.api_response_body`, one for each success, if `OTEL_LOG_RAW_API_BODIES` is on. The
    /// host passes a streamed response as the assembled message. The model's thinking is redacted, whatever the
    /// configuration allows.
    record ApiResponseBody: Clone, Debug;
    emits "api_response_body", "The body of a successful response", only with RawApiBodies;

    /// Creates the record of the body of a response from `model`, as JSON text. It sets the attributes `model`, `body`,
    /// `body_length` and, if the body is truncated, `body_truncated`. The body is redacted, written in compact form,
    /// and truncated, by default to 61,440 UTF-16 code units.
    new(model: impl Into<Text>, body: impl Into<Content>);

    sent {
        required body: Body =
            "body", "The response as compact JSON, thinking redacted, truncated at 61,440 UTF-16 code units by default",
            and LENGTH, TRUNCATED;
        required model: Text = "model", "Model that responded";
        optional query_source: Option<Text> = "query_source", "Subsystem that made the request";
        optional request_id: Option<Text> = "request_id", "The API's request id";
    }
    other {
        /// Sets the time at which the body arrived. The default is the current time.
        optional at: Option<SystemTime> = "event.timestamp" | "at";
    }
}
