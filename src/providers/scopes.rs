//! Grouping of records by instrumentation scope.

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;

/// Joins the groups of the same scope and schema, at the position of the first one.
pub(super) fn joined<G>(
    groups: Vec<G>,
    scope: impl Fn(&G) -> (&Option<InstrumentationScope>, &String),
    join: impl Fn(&mut G, G),
) -> Vec<G> {
    let mut all: Vec<G> = Vec::new();
    for group in groups {
        match all.iter_mut().find(|one| scope(one) == scope(&group)) {
            Some(one) => join(one, group),
            None => all.push(group),
        }
    }
    all
}
