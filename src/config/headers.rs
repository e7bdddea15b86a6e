//! The request headers of one signal that variables configure.

use super::exporter::pair;
use super::otlp::Protocol;
use super::pairs;
use super::secret::Secret;
use super::values::{SetVariable, Values};
use super::variables;
use super::warnings::{Problem, Report};
use crate::signal::Signal;

/// Header names with their values.
type Headers = Vec<(String, Secret)>;
/// Header names with the variables that set them.
type HeaderSources = Vec<(String, &'static str)>;

/// Merges the headers of a signal. Signal-specific headers override the general ones, and both override the credentials
/// of the URL. Headers that the protocol cannot carry are left out with a warning.
pub(super) fn resolve(
    values: &Values,
    signal: Signal,
    protocol: Protocol,
    from_url: Option<(Secret, &SetVariable)>,
    report: &mut Report,
) -> (Headers, HeaderSources) {
    let (mut headers, mut sources) = (Headers::new(), HeaderSources::new());
    if let Some((authorization, endpoint)) = from_url {
        headers.push(("authorization".to_owned(), authorization));
        sources.push(("authorization".to_owned(), endpoint.variable.name));
    }
    let (specific, general) = pair(values, &variables::HEADERS, signal, report);
    for set in [general, specific].into_iter().flatten() {
        let (sendable, problems) = pairs::headers(&set.winner.value, protocol);
        for problem in problems {
            report.warn(set.warning(Problem::Pair(problem)));
        }
        for (name, value) in sendable {
            pairs::put(&mut headers, &name, value);
            pairs::put(&mut sources, &name, set.variable.name);
        }
    }
    (headers, sources)
}
