//! The standard attributes of one session as they are sent: without those that the configuration withholds, for example
//! with `OTEL_METRICS_INCLUDE_SESSION_ID=false`.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::content::utf16;
use crate::schema::{STANDARD_ATTRIBUTES, key::SESSION_ID};

/// The length limit of a metric attribute, in UTF-16 units.
const MAX_TEXT_UNITS: usize = 1024;

/// Returns the beginning of a text: at most 1,024 UTF-16 units, whole characters only.
pub(crate) fn shorten(text: &str) -> &str {
    // UTF-8 never has fewer bytes than UTF-16 has units.
    if text.len() <= MAX_TEXT_UNITS {
        return text;
    }
    utf16::cut(text, MAX_TEXT_UNITS).0
}

/// The custom attributes of `OTEL_RESOURCE_ATTRIBUTES`, keys and values, in order.
pub(crate) type CustomAttributes = Arc<[(Arc<str>, Arc<str>)]>;

/// The standard attributes that are sent, and the custom attributes that follow them.
///
/// Sessions whose metrics have equal attributes share one copy: `Registry::intern` of the metrics returns it.
#[derive(Debug, Default)]
pub(crate) struct SessionAttributes {
    /// The values of [`STANDARD_ATTRIBUTES`], in that order; `None` for an attribute that is not sent.
    pub(crate) values: [Option<Arc<str>>; STANDARD_ATTRIBUTES.len()],
    /// The same for all sessions of a telemetry.
    pub(crate) custom: CustomAttributes,
    /// True if no new session can have these attributes, because the configuration changed. Not part of the equality.
    pub(crate) outdated: AtomicBool,
}

impl SessionAttributes {
    /// Returns true if the series with these attributes end when no session holds them any more: because they belong to
    /// a single session, whose id is among the attributes, or because no new session can have them.
    pub(crate) fn ends(&self) -> bool {
        let mut keys = self.standard().map(|(key, _)| key);
        keys.any(|key| key == SESSION_ID) || self.outdated.load(Ordering::Relaxed)
    }

    /// Returns the attributes for metrics, and the number of shortened ones; `None` if metrics use the attributes
    /// unchanged. `custom` is the result of [`custom_for_metrics`].
    pub(crate) fn for_metrics(&self, custom: &CustomAttributes) -> Option<(Self, usize)> {
        let short = Self {
            values: self
                .values
                .each_ref()
                .map(|value| value.as_ref().map(shortened_text)),
            custom: Arc::clone(custom),
            outdated: AtomicBool::new(false),
        };
        let whole = self.texts();
        let shortened = whole.zip(short.texts()).filter(|(a, b)| a.len() > b.len());
        let shortened = shortened.count();
        (shortened > 0).then_some((short, shortened))
    }

    /// Returns the standard attributes, in order.
    pub(crate) fn standard(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let attributes = STANDARD_ATTRIBUTES.iter().zip(&self.values);
        attributes.filter_map(|(attribute, value)| Some((attribute.name, value.as_deref()?)))
    }

    /// Returns the values of all attributes.
    fn texts(&self) -> impl Iterator<Item = &Arc<str>> {
        let own = self.values.iter().flatten();
        own.chain(self.custom.iter().map(|(_, text)| text))
    }

    /// Returns the bytes of the attributes without the custom ones.
    pub(crate) fn own_bytes(&self) -> usize {
        self.values.iter().flatten().map(|text| text.len()).sum()
    }

    /// Returns the bytes of the custom attributes.
    pub(crate) fn custom_bytes(&self) -> usize {
        let pairs = self.custom.iter();
        pairs.map(|(key, text)| key.len() + text.len()).sum()
    }
}

/// Returns the custom attributes for metrics, with shortened texts.
pub(crate) fn custom_for_metrics(custom: &CustomAttributes) -> CustomAttributes {
    custom
        .iter()
        .map(|(key, text)| (Arc::clone(key), shortened_text(text)))
        .collect()
}

/// Returns a text for metrics; the same allocation if it is not too long.
fn shortened_text(text: &Arc<str>) -> Arc<str> {
    let short = shorten(text);
    if short.len() == text.len() {
        Arc::clone(text)
    } else {
        short.into()
    }
}

impl PartialEq for SessionAttributes {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values && self.custom == other.custom
    }
}

impl Eq for SessionAttributes {}

impl Hash for SessionAttributes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.values.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl SessionAttributes {
        /// Returns the attributes `user.id` and, unless several sessions share them, `session.id`.
        pub(crate) fn sample(user: &str, session: Option<&str>) -> Self {
            let values = [Some(user), session];
            Self {
                values: std::array::from_fn(|at| values.get(at).copied().flatten().map(Arc::from)),
                ..Self::default()
            }
        }
    }

    #[test]
    fn text_is_shortened_to_1024_utf16_units_without_splitting_a_surrogate_pair() {
        let exact = "x".repeat(1024);
        assert_eq!(shorten(&exact), exact);
        assert_eq!(shorten(&(exact.clone() + "y")), exact);
        let wide = "\u{20ac}".repeat(1024);
        assert_eq!(shorten(&wide), wide);
        // A surrogate pair would end at unit 1,025.
        let pair = format!("{}\u{1f600}", "x".repeat(1023));
        assert_eq!(shorten(&pair), "x".repeat(1023));
        let pairs = "\u{1f600}".repeat(513);
        assert_eq!(shorten(&pairs).chars().count(), 512);
    }
}
