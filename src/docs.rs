//! The documents of the crate: the files of the folder `docs` in the package and its repository.
//!
//! | Page | Purpose |
//! | --- | --- |
//! | [`guide`] | the call for each thing that happens in an agent, and common mistakes |
//! | [`features`] | choosing cargo features, and the cost of each |
//! | [`migrating`] | replacing hand-written telemetry |
//! | [`double_counting`] | a wrapper of an agent that emits this telemetry itself |
//! | [`administrators`] | turning telemetry on for an organization, and troubleshooting |
//! | [`backends`] | the settings for each backend |
//! | [`doctor`] | finding out why no telemetry arrives |
//! | [`telemetry`], [`configuration`] | reference of everything that is emitted, and of every variable |
//! | [`reliability`], [`security`] | guarantees about delivery, content and secrets |
//! | [`performance`] | measured costs, compared with other ways |
//! | [`transcript`] | use from another language: JSON lines |

/// Returns the definitions of the links between the documents.
///
/// A document ends with definitions that work in the repository. The first definition of a label wins, so these come before
/// the text of every document here. A test checks that the documents and this list define the same labels.
macro_rules! links {
    () => {
        concat!(
            "[administrators]: crate::docs::administrators\n",
            "[configuration]: crate::docs::configuration\n",
            "[doctor]: crate::docs::doctor\n",
            "[double_counting]: crate::docs::double_counting\n",
            "[features]: crate::docs::features\n",
            "[guide]: crate::docs::guide\n",
            "[guide#content]: crate::docs::guide#content\n",
            "[guide#service-name]: crate::docs::guide#service-name\n",
            "[migrating]: crate::docs::migrating\n",
            "[reliability]: crate::docs::reliability\n",
            "[reliability#at-least-once]: crate::docs::reliability#at-least-once\n",
            "[reliability#failed-attempts]: crate::docs::reliability#failed-attempts\n",
            "[telemetry]: crate::docs::telemetry\n",
            "[transcript]: crate::docs::transcript\n",
            "[transcript#exit-status]: crate::docs::transcript#exit-status\n",
            source!("agent_loop", "examples/agent_loop/main.rs"),
            source!("catalog.rs", "src/catalog.rs"),
            source!("contrib.yaml", "examples/stack/otel-collector/contrib.yaml"),
            source!("core.yaml", "examples/stack/otel-collector/core.yaml"),
            source!("loki.yaml", "examples/stack/loki/loki.yaml"),
            source!("stack", "examples/stack/README.md"),
            source!("variables.rs", "src/config/variables.rs"),
        )
    };
}

/// Returns the definition of a link to a file of the package.
macro_rules! source {
    ($label:literal, $path:literal) => {
        concat!(
            "[",
            $label,
            "]: https://docs.rs/crate/claude-code-telemetry/",
            env!("CARGO_PKG_VERSION"),
            "/source/",
            $path,
            "\n"
        )
    };
}

#[doc = links!()]
#[doc = include_str!("../docs/ADMINISTRATORS.md")]
pub mod administrators {}

#[doc = links!()]
#[doc = include_str!("../docs/BACKENDS.md")]
pub mod backends {}

#[doc = links!()]
#[doc = include_str!("../docs/CONFIGURATION.md")]
pub mod configuration {}

#[doc = links!()]
#[doc = include_str!("../docs/DOCTOR.md")]
pub mod doctor {}

#[doc = links!()]
#[doc = include_str!("../docs/DOUBLE_COUNTING.md")]
pub mod double_counting {}

#[doc = links!()]
#[doc = include_str!("../docs/FEATURES.md")]
pub mod features {}

#[doc = links!()]
#[doc = include_str!("../docs/GUIDE.md")]
pub mod guide {}

#[doc = links!()]
#[doc = include_str!("../docs/MIGRATING.md")]
pub mod migrating {}

#[doc = links!()]
#[doc = include_str!("../docs/PERFORMANCE.md")]
pub mod performance {}

#[doc = links!()]
#[doc = include_str!("../docs/RELIABILITY.md")]
pub mod reliability {}

#[doc = links!()]
#[doc = include_str!("../docs/SECURITY.md")]
pub mod security {}

#[doc = links!()]
#[doc = include_str!("../docs/TELEMETRY.md")]
pub mod telemetry {}

#[doc = links!()]
#[doc = include_str!("../docs/TRANSCRIPT.md")]
pub mod transcript {}

/// Compiles and runs the programs in the documents that are not a part of this module.
#[cfg(doctest)]
mod programs {
    #[doc = include_str!("../README.md")]
    struct Readme;

    #[doc = include_str!("../docs/CONTRIBUTING.md")]
    struct Contributing;
}
