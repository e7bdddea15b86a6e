//! Activated skills.

use std::time::SystemTime;

use super::Text;
use super::event::event;

event! {
    /// A skill that was invoked.
    ///
    /// Emits the event `claude_code.skill_activated`.
    record SkillActivated: Clone, Debug, PartialEq, Eq;
    emits "skill_activated", "A skill was invoked";

    /// Creates the record of the skill `name` (`skill.name`) from `source` (`skill.source`): `bundled`, `userSettings`,
    /// `projectSettings` or `plugin`. No content switch withholds them.
    new(name: impl Into<Text>, source: impl Into<Text>);

    sent {
        required name: Text = "skill.name" | "skill_name", "Name of the skill";
        required source: Text = "skill.source" | "skill_source",
            "Source of the skill: `bundled`, `userSettings`, `projectSettings`, `plugin`";
        optional plugin: Option<Text> = "plugin.name" | "plugin_name", "Plugin that owns the skill";
        optional marketplace: Option<Text> = "marketplace.name" | "marketplace_name",
            "Marketplace of that plugin";
    }
    other {
        /// Sets the time at which the skill was invoked. The default is the current time.
        optional at: Option<SystemTime> = "event.timestamp" | "at";
    }
}
