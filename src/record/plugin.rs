//! Installed plugins.

use std::time::SystemTime;

use super::event::event;
use super::string_enum::string_enum;
use super::{BoolAsString, Text};

string_enum! {
    /// The interface through which a plugin was installed: the attribute `install.trigger`.
    pub enum InstallTrigger {
        /// The command line.
        Cli = "cli",
        /// The interactive user interface.
        Ui = "ui",
    }
}

event! {
    /// A plugin that finished installing.
    ///
    /// Emits the event `claude_code.plugin_installed`.
    record PluginInstalled: Clone, Debug, PartialEq, Eq;
    emits "plugin_installed", "A plugin finished installing";

    /// Creates the record of the plugin `name` (`plugin.name`) from the marketplace `marketplace` (`marketplace.name`).
    /// By default, the marketplace is not an official one. No content switch withholds the two names.
    new(name: impl Into<Text>, marketplace: impl Into<Text>, trigger: InstallTrigger);

    sent {
        required name: Text = "plugin.name" | "plugin_name", "Name of the plugin";
        optional version: Option<Text> = "plugin.version" | "plugin_version",
            "Version, when the marketplace entry declares one";
        required marketplace: Text = "marketplace.name" | "marketplace_name",
            "Marketplace of the plugin";
        /// The default is `false`.
        optional official: BoolAsString = "marketplace.is_official" | "marketplace_is_official",
            "`true` for an official marketplace";
        required trigger: InstallTrigger = "install.trigger" | "install_trigger",
            "Interface of the installation";
    }
    other {
        /// Sets the time of the installation. The default is the current time.
        optional at: Option<SystemTime> = "event.timestamp" | "at";
    }
}
