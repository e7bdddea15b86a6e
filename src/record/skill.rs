//! Activated skills.

use std::borrow::Cow;
use std::time::SystemTime;

use super::setters::setters;
use super::{Attributes, EventRecord, Record, text_size};
use crate::catalog::{Event, event, key};
use crate::content::ContentPolicy;

/// A skill that was invoked.
///
/// Emits the event `claude_code.skill_activated`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkillActivated {
    name: Cow<'static, str>,
    source: Cow<'static, str>,
    plugin: Option<Cow<'static, str>>,
    marketplace: Option<Cow<'static, str>>,
    at: Option<SystemTime>,
}

impl SkillActivated {
    /// Creates the record of the skill `name` (`skill.name`) from `source` (`skill.source`): `bundled`, `userSettings`,
    /// `projectSettings` or `plugin`. No content switch withholds them.
    pub fn new(name: impl Into<Cow<'static, str>>, source: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            source: source.into(),
            plugin: None,
            marketplace: None,
            at: None,
        }
    }

    setters! {
        /// Sets the plugin that contains the skill (`plugin.name`).
        plugin: Option<Text>,
        /// Sets the marketplace of the plugin (`marketplace.name`).
        marketplace: Option<Text>,
        /// Sets the time at which the skill was invoked. The default is the current time.
        at: Option<SystemTime>,
    }
}

impl Record for SkillActivated {
    type Admitted = Self;

    fn time(&self) -> Option<SystemTime> {
        self.at
    }

    fn admit(self, _: &ContentPolicy) -> Option<Self> {
        Some(self)
    }
}

impl EventRecord for SkillActivated {
    fn event(&self) -> &'static Event {
        &event::SKILL_ACTIVATED
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        out.text(key::SKILL_NAME, &*self.name);
        out.text(key::SKILL_SOURCE, &*self.source);
        out.text_if(key::PLUGIN_NAME, self.plugin.as_deref());
        out.text_if(key::MARKETPLACE_NAME, self.marketplace.as_deref());
    }

    fn size(&self) -> usize {
        text_size(&[
            Some(&self.name),
            Some(&self.source),
            self.plugin.as_ref(),
            self.marketplace.as_ref(),
        ])
    }
}
