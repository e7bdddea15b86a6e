//! The builder of the configuration: the settings that the host makes.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::explain::{Explanation, MethodSetting};
use super::secret::Secret;
use super::{NumberEncoding, SettingsFiles};
use crate::environment::Environment;

/// A builder of a [`Config`](crate::Config). Without any call it reads the settings files of this machine
/// ([`SettingsFiles::system`]) and the process environment.
///
/// ```
/// use claude_code_telemetry::{Config, SettingsFiles};
///
/// let config = Config::builder()
///     .settings_files(SettingsFiles::none())
///     .set("CLAUDE_CODE_ENABLE_TELEMETRY", "1")
///     .set("OTEL_LOGS_EXPORTER", "otlp")
///     .build();
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ConfigBuilder {
    pub(super) environment: Environment,
    /// `None` = [`SettingsFiles::system`], or [`SettingsFiles::none`] with an injected environment.
    settings_files: Option<SettingsFiles>,
    pub(super) trust_workspace: bool,
    /// The variables of the host layer. Some of their values are secrets.
    pub(super) variables: BTreeMap<String, Secret>,
    pub(super) number_encoding: NumberEncoding,
    pub(super) without_user_email: bool,
    pub(super) without_error_messages: bool,
    pub(super) installation_id_path: Option<PathBuf>,
    pub(super) prometheus_ports: Option<RangeInclusive<u16>>,
}

impl ConfigBuilder {
    /// Reads these variables instead of the process environment, which is then never read. Settings files are not read
    /// either, unless [`settings_files`](Self::settings_files) names them, so that a test touches no real file.
    ///
    /// ```no_run
    /// # use claude_code_telemetry::Config;
    /// let config = Config::builder().environment([("CLAUDE_CODE_ENABLE_TELEMETRY", "1")]).build();
    /// ```
    pub fn environment<K: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.environment = Environment::injected(variables);
        self
    }

    /// Sets the settings files to read. The default is [`SettingsFiles::system`], or [`SettingsFiles::none`] with an
    /// injected [`environment`](Self::environment).
    ///
    /// ```no_run
    /// # use claude_code_telemetry::{Config, SettingsFiles};
    /// let config = Config::builder().settings_files(SettingsFiles::none()).build();
    /// ```
    pub fn settings_files(mut self, files: SettingsFiles) -> Self {
        self.settings_files = Some(files);
        self
    }

    /// Reads the settings files of the project too if `trusted` is true; false by default. Trust a workspace only if
    /// the user trusts it: its files can then switch telemetry off, and set resource attributes, intervals, timeouts,
    /// compression, temporality and `OTEL_METRICS_INCLUDE_*`. They never set exporters, destinations, credentials or
    /// content switches: such a variable is ignored, with a warning that says where it belongs.
    ///
    /// ```no_run
    /// # use claude_code_telemetry::Config;
    /// let config = Config::builder().trust_workspace(true).build();
    /// ```
    pub fn trust_workspace(mut self, trusted: bool) -> Self {
        self.trust_workspace = trusted;
        self
    }

    /// Sets a variable in the host layer, which overrides the environment and the settings of project and user. Only
    /// managed settings override the host. An empty value cancels the values of the layers below.
    ///
    /// ```no_run
    /// # use claude_code_telemetry::Config;
    /// let config = Config::builder().set("OTEL_METRIC_EXPORT_INTERVAL", "10000").build();
    /// ```
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), Secret::new(value));
        self
    }

    /// Sets the encoding of numbers in events; [`NumberEncoding::Native`] by default.
    ///
    /// ```no_run
    /// # use claude_code_telemetry::{Config, NumberEncoding};
    /// let config = Config::builder().number_encoding(NumberEncoding::Text).build();
    /// ```
    pub fn number_encoding(mut self, encoding: NumberEncoding) -> Self {
        self.number_encoding = encoding;
        self
    }

    /// Sends `user.email`, when it is known, if `send` is true; true by default.
    ///
    /// ```no_run
    /// # use claude_code_telemetry::Config;
    /// let config = Config::builder().user_email(false).build();
    /// ```
    pub fn user_email(mut self, send: bool) -> Self {
        self.without_user_email = !send;
        self
    }

    /// Sends the error messages of failed tools (`tool_result.error`) if `send` is true; true by default.
    ///
    /// ```no_run
    /// # use claude_code_telemetry::Config;
    /// let config = Config::builder().error_messages(false).build();
    /// ```
    pub fn error_messages(mut self, send: bool) -> Self {
        self.without_error_messages = !send;
        self
    }

    /// Sets the file that stores `user.id` for hosts that provide none. By default the file is in the user's state
    /// folder.
    ///
    /// ```no_run
    /// # use claude_code_telemetry::Config;
    /// let config = Config::builder().installation_id_path("/var/lib/my-agent/user-id").build();
    /// ```
    pub fn installation_id_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.installation_id_path = Some(path.into());
        self
    }

    /// Sets the ports that the Prometheus page may use when `OTEL_EXPORTER_PROMETHEUS_PORT` (9464 by default) is in
    /// use, for example by another agent on the machine. The page uses the first free port of the range, in order.
    /// Without this call the page uses no other port, and retries the configured one from time to time.
    /// [`ExporterHealth::addresses`] returns the address in use.
    ///
    /// ```no_run
    /// # use claude_code_telemetry::Config;
    /// let config = Config::builder().prometheus_port_range(9465..=9474).build();
    /// ```
    ///
    /// [`ExporterHealth::addresses`]: crate::ExporterHealth::addresses
    pub fn prometheus_port_range(mut self, ports: RangeInclusive<u16>) -> Self {
        self.prometheus_ports = Some(ports);
        self
    }

    pub(super) fn files(&self) -> SettingsFiles {
        match (&self.settings_files, &self.environment) {
            (Some(files), _) => files.clone(),
            (None, Environment::Process) => SettingsFiles::system(),
            (None, Environment::Injected(_)) => SettingsFiles::none(),
        }
    }

    /// Returns the settings that the host made with methods instead of variables, without defaults. Reports the resulting
    /// behavior as facts.
    pub(super) fn method_settings(&self, report: &mut Explanation) -> Vec<MethodSetting> {
        let mut settings = Vec::new();
        let mut add = |is_set: bool, method, value: &str, fact: &str| {
            if is_set {
                settings.push((method, value.to_owned()));
                report.fact(fact);
            }
        };
        let fact = "the host trusts the workspace: its settings count, as far as a project may set variables";
        add(self.trust_workspace, "trust_workspace", "true", fact);
        let as_text = self.number_encoding == NumberEncoding::Text;
        let fact = "the host sends numbers in events as text";
        add(as_text, "number_encoding", "text", fact);
        let fact = "the host leaves user.email out";
        add(self.without_user_email, "user_email", "false", fact);
        let fact = "the host leaves the error messages of tools out";
        add(self.without_error_messages, "error_messages", "false", fact);
        if let Some(path) = &self.installation_id_path {
            let path = path.display().to_string();
            let fact = format!("the host keeps the installation id in {path}");
            add(true, "installation_id_path", &path, &fact);
        }
        if let Some(ports) = &self.prometheus_ports {
            // The resolution of the Prometheus page reports the fact that contains this range.
            let range = format!("{}-{}", ports.start(), ports.end());
            settings.push(("prometheus_port_range", range));
        }
        settings
    }
}
