//! The builder of the configuration: the settings that the host makes.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::resolve::{Features, resolve};
use super::{Config, NumberEncoding, SettingsFiles};
use crate::environment::Environment;

/// A builder of a [`Config`]. Without any call it reads the settings files of this machine ([`SettingsFiles::system`])
/// and the process environment.
#[derive(Clone)]
#[must_use]
pub struct ConfigBuilder {
    pub(super) environment: Environment,
    /// `None` = [`SettingsFiles::system`], or [`SettingsFiles::none`] with an injected environment.
    settings_files: Option<SettingsFiles>,
    pub(super) trust_workspace: bool,
    /// The variables of the host layer.
    pub(super) host: BTreeMap<String, String>,
    pub(super) number_encoding: NumberEncoding,
    pub(super) user_email: bool,
    pub(super) error_messages: bool,
    pub(super) installation_id_path: Option<PathBuf>,
    pub(super) prometheus_ports: Option<RangeInclusive<u16>>,
}

/// The builder methods with the values they set; `None` = the default.
pub(super) type Switches = Vec<(&'static str, Option<String>)>;

impl Default for ConfigBuilder {
    fn default() -> Self {
        Self {
            environment: Environment::Process,
            settings_files: None,
            trust_workspace: false,
            host: BTreeMap::new(),
            number_encoding: NumberEncoding::default(),
            user_email: true,
            error_messages: true,
            installation_id_path: None,
            prometheus_ports: None,
        }
    }
}

impl ConfigBuilder {
    /// Reads these variables instead of the process environment, which is then never read. Settings files are not read
    /// either, unless [`settings_files`](Self::settings_files) names them, so that a test touches no real file.
    pub fn environment<K: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.environment = Environment::injected(variables);
        self
    }

    /// Sets the settings files to read. The default is [`SettingsFiles::system`], or [`SettingsFiles::none`] with an
    /// injected [`environment`](Self::environment).
    pub fn settings_files(mut self, files: SettingsFiles) -> Self {
        self.settings_files = Some(files);
        self
    }

    /// Reads the settings files of the project too if `trusted` is true; false by default. Trust a workspace only if
    /// the user trusts it: its files can then switch telemetry off, and set resource attributes, intervals, timeouts,
    /// compression, temporality and `OTEL_METRICS_INCLUDE_*`. They never set exporters, destinations, credentials or
    /// content switches: such a variable is ignored, with a warning that says where it belongs.
    pub fn trust_workspace(mut self, trusted: bool) -> Self {
        self.trust_workspace = trusted;
        self
    }

    /// Sets a variable in the host layer, which overrides the environment and the settings of project and user. Only
    /// managed settings override the host. An empty value cancels the values of the layers below.
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.host.insert(name.into(), value.into());
        self
    }

    /// Sets the encoding of numbers in events; [`NumberEncoding::Native`] by default.
    pub fn number_encoding(mut self, encoding: NumberEncoding) -> Self {
        self.number_encoding = encoding;
        self
    }

    /// Sends `user.email`, when it is known, if `send` is true; true by default.
    pub fn user_email(mut self, send: bool) -> Self {
        self.user_email = send;
        self
    }

    /// Sends the error messages of failed tools (`tool_result.error`) if `send` is true; true by default.
    pub fn error_messages(mut self, send: bool) -> Self {
        self.error_messages = send;
        self
    }

    /// Sets the file that stores `user.id` for hosts that provide none. By default the file is in the user's state
    /// folder.
    pub fn installation_id_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.installation_id_path = Some(path.into());
        self
    }

    /// Sets the ports that the Prometheus page may use when `OTEL_EXPORTER_PROMETHEUS_PORT` (9464 by default) is in
    /// use, for example by another agent on the machine. The page uses the first free port of the range, in order.
    /// Without this call the page uses no other port, and retries the configured one from time to time.
    /// [`ExporterHealth::addresses`] returns the address in use.
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

    /// Returns the settings that the host made with methods instead of variables, by the method's name. The value is
    /// `None` for a default.
    pub(super) fn switches(&self) -> Switches {
        let encoding = match self.number_encoding {
            NumberEncoding::Native => None,
            NumberEncoding::Text => Some("text".to_owned()),
        };
        let no = |sent: bool| (!sent).then(|| "false".to_owned());
        let path = self.installation_id_path.as_ref();
        let ports = self.prometheus_ports.as_ref();
        vec![
            ("error_messages", no(self.error_messages)),
            (
                "installation_id_path",
                path.map(|path| path.display().to_string()),
            ),
            ("number_encoding", encoding),
            (
                "prometheus_port_range",
                ports.map(|ports| format!("{}-{}", ports.start(), ports.end())),
            ),
            (
                "trust_workspace",
                self.trust_workspace.then(|| "true".to_owned()),
            ),
            ("user_email", no(self.user_email)),
        ]
    }

    /// Resolves the configuration once. It cannot fail: problems become [`Config::warnings`].
    pub fn build(self) -> Config {
        resolve(self, Features::COMPILED)
    }
}

/// Hides the values of variables, because some are secrets.
impl fmt::Debug for ConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigBuilder")
            .field("environment", &self.environment)
            .field("settings_files", &self.settings_files)
            .field("trust_workspace", &self.trust_workspace)
            .field("host", &self.host.keys())
            .field("number_encoding", &self.number_encoding)
            .field("user_email", &self.user_email)
            .field("error_messages", &self.error_messages)
            .field("installation_id_path", &self.installation_id_path)
            .field("prometheus_ports", &self.prometheus_ports)
            .finish()
    }
}
