//! Installed plugins.

use std::borrow::Cow;
use std::time::SystemTime;

use super::setters::setters;
use super::string_enum::string_enum;
use super::{Attributes, EventRecord, Record, text_size};
use crate::catalog::{Event, event, key};
use crate::content::ContentPolicy;

string_enum! {
    /// The interface through which a plugin was installed: the attribute `install.trigger`.
    InstallTrigger {
        /// The command line.
        Cli = "cli",
        /// The interactive user interface.
        Ui = "ui",
    }
}

/// A plugin that finished installing.
///
/// Emits the event `claude_code.plugin_installed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginInstalled {
    name: Cow<'static, str>,
    version: Option<Cow<'static, str>>,
    marketplace: Cow<'static, str>,
    is_official: bool,
    trigger: InstallTrigger,
    at: Option<SystemTime>,
}

impl PluginInstalled {
    /// Creates the record of the plugin `name` (`plugin.name`) from the marketplace `marketplace` (`marketplace.name`).
    /// By default, the marketplace is not an official one. No content switch withholds the two names.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        marketplace: impl Into<Cow<'static, str>>,
        trigger: InstallTrigger,
    ) -> Self {
        Self {
            name: name.into(),
            version: None,
            marketplace: marketplace.into(),
            is_official: false,
            trigger,
            at: None,
        }
    }

    setters! {
        /// Sets the version (`plugin.version`), if the marketplace entry declares one.
        version: Option<Text>,
    }

    /// Sets whether the marketplace is an official one (`marketplace.is_official`). The default is `false`.
    pub fn official(mut self, official: bool) -> Self {
        self.is_official = official;
        self
    }

    setters! {
        /// Sets the time of the installation. The default is the current time.
        at: Option<SystemTime>,
    }
}

impl Record for PluginInstalled {
    type Admitted = Self;

    fn time(&self) -> Option<SystemTime> {
        self.at
    }

    fn admit(self, _: &ContentPolicy) -> Option<Self> {
        Some(self)
    }
}

impl EventRecord for PluginInstalled {
    fn event(&self) -> &'static Event {
        &event::PLUGIN_INSTALLED
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        out.text(key::PLUGIN_NAME, &*self.name);
        out.text_if(key::PLUGIN_VERSION, self.version.as_deref());
        out.text(key::MARKETPLACE_NAME, &*self.marketplace);
        out.quoted(key::MARKETPLACE_IS_OFFICIAL, self.is_official);
        out.text(key::INSTALL_TRIGGER, self.trigger.as_str());
    }

    fn size(&self) -> usize {
        text_size(&[
            Some(&self.name),
            self.version.as_ref(),
            Some(&self.marketplace),
        ])
    }
}
