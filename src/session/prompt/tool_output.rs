//! The output of a tool: the span event `tool.output`.

use std::borrow::Cow;

use crate::content::{
    Content, ContentPolicy, Gated, Payload, ToolContent, ToolDetails, ToolOutputText,
};
use crate::record::{EditTool, ToolName, Value, attribute_rows};
use crate::schema::SpanEvent;

/// Defines a span event, and a setter of the output for each of its attributes.
macro_rules! span_event {
    (
        record $Output:ident emits $EVENT:ident: $name:literal, $occasion:literal;
        sent {$(
            $(#[$meta:meta])*
            optional $field:ident: Gated<$Kind:ident> = $key:literal, $description:literal;
        )*}
    ) => {
        pub(super) const $EVENT: &SpanEvent = &SpanEvent {
            name: $name,
            description: $occasion,
            attributes: attribute_rows! { $(Gated<$Kind> = $key, $description;)* },
        };

        impl $Output {$(
            $(#[$meta])*
            pub fn $field(self, text: impl Into<Content>) -> Self {
                self.with($key, text)
            }
        )*}
    };
}

span_event! {
    record ToolOutput emits TOOL_OUTPUT: "tool.output",
        "What a successful tool wrote and returned. Its attributes share one limit of 60 KB; a truncated one adds \
         `<attribute>_truncated` (bool) and `<attribute>_original_length` (int)";

    sent {
        /// Sets the command that a shell ran.
        optional bash_command: Gated<ToolDetails> = "bash_command", "The command";
        /// Sets the file that the tool read or wrote.
        optional file_path: Gated<ToolDetails> = "file_path", "The file";
        /// Sets the changes of an edit.
        optional diff: Gated<ToolDetails> = "diff", "What an edit changed";
        /// Sets the content that the tool read or wrote.
        optional content: Gated<ToolContent> =
            "content", "What was read; what was written needs `OTEL_LOG_TOOL_DETAILS` too";
        /// Sets the text that the tool returned.
        optional output: Gated<ToolContent> = "output", "What the tool returned";
    }
}

/// The output of a tool: the attributes of the span event `tool.output`, in the order in which they are added.
///
/// All attributes are content and need `OTEL_LOG_TOOL_CONTENT`. Attributes that repeat the tool's input (the command,
/// the path, the diff, and the content of a tool that writes) need `OTEL_LOG_TOOL_DETAILS` too. All attributes share
/// one limit of 60 KB.
///
/// ```
/// use claude_code_telemetry::{ToolOutcome, ToolOutput};
/// let output = ToolOutput::new().file_path("/src/lib.rs").diff("[...]");
/// let outcome = ToolOutcome::new().output(output);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ToolOutput(Vec<(&'static str, Content)>);

impl ToolOutput {
    /// Creates an empty output.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an attribute, or replaces its earlier value.
    pub(in crate::session) fn with(mut self, key: &'static str, text: impl Into<Content>) -> Self {
        self.0.retain(|(known, _)| *known != key);
        self.0
            .extend(Content::optional(text).map(|text| (key, text)));
        self
    }

    /// Returns the key of the attribute with this name.
    #[cfg(feature = "serde")]
    pub(in crate::session) fn known_key(name: &str) -> Option<&'static str> {
        let mut keys = TOOL_OUTPUT
            .attributes
            .iter()
            .map(|attribute| attribute.name);
        keys.find(|key| *key == name)
    }

    /// Returns the attributes that the policy allows, cut to the shared limit; `None` if there are none.
    pub(crate) fn admit(&self, tool: &ToolName, policy: &ContentPolicy) -> Option<AdmittedOutput> {
        let mut room = policy.max_length();
        let mut parts = Vec::new();
        for (key, content) in &self.0 {
            let repeats_input = match *key {
                "output" => false,
                "content" => tool.0.parse::<EditTool>().is_ok(),
                _ => true,
            };
            let Some(text) = policy.tool_output(content, repeats_input, room) else {
                continue;
            };
            room = room.saturating_sub(text.units());
            parts.push((*key, text));
        }
        (!parts.is_empty()).then_some(AdmittedOutput(parts))
    }
}

impl Payload for ToolOutput {}

impl<T: Into<Content>> From<T> for ToolOutput {
    fn from(text: T) -> Self {
        Self::new().output(text)
    }
}

/// The output after the content policy was applied.
#[derive(Clone)]
pub(crate) struct AdmittedOutput(Vec<(&'static str, ToolOutputText)>);

impl AdmittedOutput {
    pub(crate) fn attributes(&self) -> Vec<(Cow<'static, str>, Value<'_>)> {
        let mut attributes = Vec::new();
        for (key, text) in &self.0 {
            if let Some(text) = text.text().filter(|text| !text.is_empty()) {
                attributes.push(((*key).into(), Value::Text(text.into())));
            }
            if let Some(length) = text.cut_from() {
                attributes.push((format!("{key}_truncated").into(), Value::Bool(true)));
                let original_length = format!("{key}_original_length").into();
                attributes.push((original_length, Value::Int(length)));
            }
        }
        attributes
    }

    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|(_, text)| text.size()).sum()
    }
}
