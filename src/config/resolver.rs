//! The resolution of the exporters of one signal: what its parts share.

use std::ops::RangeInclusive;

use super::explain::Explanation;
use super::problem::Problem;
use super::setting::Setting;
use super::source::Layer;
use super::values::Values;
use super::variables::PerSignal;
use crate::signal::Signal;

/// The cargo features of the exporters that this build contains.
#[derive(Clone, Copy)]
pub(super) struct Features(pub(super) &'static [&'static str]);

impl Features {
    pub(super) const COMPILED: Self = Self(&[
        #[cfg(feature = "grpc")]
        "grpc",
        #[cfg(feature = "http")]
        "http",
        #[cfg(feature = "console")]
        "console",
        #[cfg(feature = "prometheus")]
        "prometheus",
    ]);
}

/// The reason why an exporter stays off: a variable, and its problem.
pub(super) type Unusable<'v> = (&'v Setting, Problem);

/// The resolution of the exporters of one signal.
pub(super) struct Resolver<'v> {
    pub(super) values: &'v Values,
    pub(super) signal: Signal,
    pub(super) features: Features,
    /// The ports that the host allows for the Prometheus page.
    pub(super) ports: Option<&'v RangeInclusive<u16>>,
    pub(super) report: &'v mut Explanation,
}

impl<'v> Resolver<'v> {
    pub(super) fn warn(&mut self, set: &Setting, problem: Problem) {
        self.report.warn(&set.winner, problem);
    }

    /// Returns an error if this build lacks the feature of an exporter that the variable `set` lists.
    pub(super) fn require(
        &self,
        what: &'static str,
        feature: &'static str,
        set: &'v Setting,
    ) -> Result<(), Unusable<'v>> {
        match self.features.0.contains(&feature) {
            true => Ok(()),
            false => Err((set, Problem::FeatureMissing { what, feature })),
        }
    }

    /// Returns the signal-specific variable that applies, and the general one. A managed general variable overrides a
    /// specific one of a lower layer: otherwise a user could redirect telemetry that an organization sends.
    pub(super) fn pair<T>(&mut self, group: &'static PerSignal<T>) -> [Option<&'v Setting>; 2] {
        let general = self.values.non_empty(&group.general);
        let specific = self.values.non_empty(group.of(self.signal));
        [self.unless_managed(specific, general), general]
    }

    /// Returns `lower` unless `managed` is a managed setting of a higher layer. Reports a setting that is ignored.
    pub(super) fn unless_managed(
        &mut self,
        lower: Option<&'v Setting>,
        managed: Option<&Setting>,
    ) -> Option<&'v Setting> {
        unless_managed(lower, managed, self.report)
    }
}

/// Returns `lower` unless `managed` is a managed setting of a higher layer. Reports a setting that is ignored.
pub(super) fn unless_managed<'v>(
    lower: Option<&'v Setting>,
    managed: Option<&Setting>,
    report: &mut Explanation,
) -> Option<&'v Setting> {
    let set = lower?;
    let Some(managed) = managed.filter(|managed| overrides(managed, set)) else {
        return lower;
    };
    let general = managed.variable.name;
    report.warn(&set.winner, Problem::ManagedGeneral { general });
    None
}

/// Returns true if `managed` is a managed setting of a higher layer than `lower`.
pub(super) fn overrides(managed: &Setting, lower: &Setting) -> bool {
    managed.layer() == Layer::Managed && lower.layer() != Layer::Managed
}
