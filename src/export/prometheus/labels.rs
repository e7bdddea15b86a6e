//! Conversion of attribute keys to label names.

use std::collections::BTreeMap;

use crate::schema::{Metric, STANDARD_ATTRIBUTES};

/// Returns a key as a valid label name: letters, digits and `_`, with no digit first. Names that begin with `__` are
/// reserved for Prometheus.
pub(super) fn name(key: &str) -> String {
    let valid = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = key.chars().map(valid).collect();
    let rest = name.trim_start_matches('_');
    if rest.len() < name.len() || rest.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{rest}")
    } else {
        name
    }
}

/// Converts attributes to labels. The values of keys with the same label name are joined with `;` in the order of the
/// keys, as OpenTelemetry's specification for Prometheus requires.
pub(super) fn labels<'a>(
    attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<(String, String)> {
    let mut labels: BTreeMap<String, BTreeMap<&str, &str>> = BTreeMap::new();
    for (key, value) in attributes {
        labels.entry(name(key)).or_default().insert(key, value);
    }
    labels
        .into_iter()
        .map(|(name, values)| {
            let values: Vec<&str> = values.into_values().collect();
            (name, values.join(";"))
        })
        .collect()
}

/// Converts custom attributes of a metric's series to labels. Attributes whose label name is one of the series' own
/// labels are omitted: they never replace or extend one.
pub(super) fn custom<'a>(
    attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    metric: &Metric,
) -> Vec<(String, String)> {
    let own = STANDARD_ATTRIBUTES.iter().chain(metric.attributes);
    let own: Vec<String> = own.map(|attribute| name(attribute.name)).collect();
    let mut labels = labels(attributes);
    labels.retain(|(name, _)| !own.contains(name));
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::METRICS;

    #[test]
    fn keys_become_valid_label_names() {
        for (key, expected) in [
            ("user.id", "user_id"),
            ("a:b", "a_b"),
            ("2nd", "_2nd"),
            ("_x", "_x"),
            ("__name__", "_name__"),
            ("__2", "_2"),
            ("...", "_"),
            ("größe", "gr__e"),
        ] {
            assert_eq!(name(key), expected, "{key}");
        }
    }

    #[test]
    fn keys_with_the_same_label_name_are_joined_and_never_change_own_labels() {
        // `METRICS[0]` has the label `start_type`, and every metric has `user_id`.
        let attributes = [
            ("a_b", "2"),
            ("team", "x"),
            ("a.b", "1"),
            ("user_id", "no"),
            ("start.type", "no"),
        ];
        let expected = [("a_b", "1;2"), ("team", "x")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(custom(attributes, METRICS[0]), expected);
    }
}
