//! The resource: the platform, the service, and the attributes that the user adds.

use crate::config::Config;
use crate::config::pairs::put;
use crate::config::variables::{RESOURCE_ATTRIBUTES, SERVICE_NAME};
use crate::schema::{EVENT_ATTRIBUTES, STANDARD_ATTRIBUTES, key};

/// The resource attributes of a platform.
pub(crate) type Platform = Vec<(&'static str, String)>;

/// Returns the attributes of the platform on which the program runs. `os.version` is the kernel release, and
/// `wsl.version` is set only inside the Windows Subsystem for Linux.
pub(crate) fn platform() -> Platform {
    use std::env::consts::{ARCH, OS};
    let os_version = os_version();
    let linux = os_version.as_deref().filter(|_| OS == "linux");
    let wsl_version = linux.and_then(wsl_version);
    let attributes = [
        ("host.arch", Some(host_arch(ARCH).to_owned())),
        ("os.type", Some(os_type(OS).to_owned())),
        ("os.version", os_version),
        ("wsl.version", wsl_version),
    ];
    let known = attributes.into_iter();
    known
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

#[cfg(unix)]
fn os_version() -> Option<String> {
    let name = rustix::system::uname();
    Some(name.release().to_string_lossy().into_owned()).filter(|release| !release.is_empty())
}

#[cfg(windows)]
fn os_version() -> Option<String> {
    let version = windows_version::OsVersion::current();
    Some(format!(
        "{}.{}.{}",
        version.major, version.minor, version.build
    ))
}

#[cfg(not(any(unix, windows)))]
fn os_version() -> Option<String> {
    None
}

/// Converts Rust's name of an architecture to that of OpenTelemetry's semantic conventions.
fn host_arch(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// Converts Rust's name of an operating system to that of OpenTelemetry's semantic conventions.
fn os_type(rust: &str) -> &str {
    match rust {
        "macos" | "ios" => "darwin",
        "android" => "linux",
        "dragonfly" => "dragonflybsd",
        "illumos" => "solaris",
        other => other,
    }
}

/// Returns the version of WSL that the release of a Linux kernel indicates: `...-microsoft-standard-WSL2`,
/// `...-microsoft-standard` for the first kernels of WSL 2, `...-Microsoft` for WSL 1.
fn wsl_version(release: &str) -> Option<String> {
    let release = release.to_ascii_lowercase();
    let named = release.split_once("wsl").map(|(_, rest)| {
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        &rest[..digits.unwrap_or(rest.len())]
    });
    match named {
        Some(version) if !version.is_empty() => Some(version.to_owned()),
        _ if release.contains("microsoft-standard") => Some("2".to_owned()),
        _ if release.contains("microsoft") => Some("1".to_owned()),
        _ => None,
    }
}

/// Returns the attributes of the resource, each key once: the built-in ones, then those of `OTEL_RESOURCE_ATTRIBUTES`.
/// An attribute that overrides a built-in one takes its position; `OTEL_SERVICE_NAME` takes precedence over both.
pub(crate) fn resource_attributes(
    config: &Config,
    service_name: &str,
    service_version: &str,
    platform: Platform,
) -> Vec<(String, String)> {
    let mut built_in = platform;
    built_in.push(("service.name", service_name.to_owned()));
    built_in.push(("service.version", service_version.to_owned()));
    built_in.sort_unstable();
    let built_in = built_in.into_iter();
    let mut attributes: Vec<_> = built_in
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    for (key, value) in config.get(&RESOURCE_ATTRIBUTES) {
        put(&mut attributes, &key, value);
    }
    let service_name = config.get(&SERVICE_NAME);
    if !service_name.is_empty() {
        put(&mut attributes, "service.name", service_name);
    }
    attributes
}

/// Returns the attributes of `OTEL_RESOURCE_ATTRIBUTES` that data points, events and spans carry too: without those
/// that belong only to the resource, and without those that would replace a standard attribute, an attribute of all
/// events or `span.type`.
pub(crate) fn custom_attributes(config: &Config) -> Vec<(String, String)> {
    if !config.attributes.resource_attributes {
        return Vec::new();
    }
    let prefixes = ["service.", "host.", "os.", "telemetry.sdk."];
    let is_of_resource = |name: &str| {
        name == "wsl.version" || prefixes.iter().any(|prefix| name.starts_with(prefix))
    };
    let is_of_records = |name: &str| {
        let mut own = STANDARD_ATTRIBUTES.iter().chain(EVENT_ATTRIBUTES);
        name == key::SPAN_TYPE || own.any(|attribute| attribute.name == name)
    };
    let mut attributes = config.get(&RESOURCE_ATTRIBUTES);
    attributes.retain(|(name, _)| !is_of_resource(name) && !is_of_records(name));
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Config {
        Config::builder()
            .environment(variables.iter().copied())
            .build()
    }

    fn linux() -> Platform {
        let attributes = [
            ("host.arch", "amd64"),
            ("os.type", "linux"),
            ("os.version", "6.8"),
        ];
        attributes
            .map(|(key, value)| (key, value.to_owned()))
            .into()
    }

    fn text(attributes: &[(String, String)]) -> String {
        let pairs: Vec<_> = attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.join(" ")
    }

    #[test]
    fn architectures_and_systems_have_the_names_of_the_conventions() {
        for (rust, name) in [
            ("x86_64", "amd64"),
            ("aarch64", "arm64"),
            ("x86", "x86"),
            ("arm", "arm32"),
            ("powerpc64", "ppc64"),
            ("s390x", "s390x"),
            ("riscv64", "riscv64"),
        ] {
            assert_eq!(host_arch(rust), name);
        }
        for (rust, name) in [
            ("linux", "linux"),
            ("macos", "darwin"),
            ("windows", "windows"),
            ("freebsd", "freebsd"),
            ("dragonfly", "dragonflybsd"),
        ] {
            assert_eq!(os_type(rust), name);
        }
    }

    #[test]
    fn wsl_version_is_detected_from_the_kernel_release() {
        for (release, version) in [
            ("6.8.0-45-generic", None),
            ("5.15.90.1-microsoft-standard-WSL2", Some("2")),
            ("6.6.1-microsoft-standard-WSL2+", Some("2")),
            ("4.19.84-microsoft-standard", Some("2")),
            ("4.4.0-19041-Microsoft", Some("1")),
            ("7.1-WSL3-custom", Some("3")),
            ("7.1-wsl", None),
        ] {
            assert_eq!(wsl_version(release).as_deref(), version, "{release}");
        }
    }

    #[test]
    fn this_platform_is_detected() {
        let platform = platform();
        assert!(platform.iter().all(|(_, value)| !value.is_empty()));
        let keys: Vec<_> = platform.into_iter().map(|(key, _)| key).collect();
        assert!(keys.contains(&"host.arch") && keys.contains(&"os.type"));
        #[cfg(any(unix, windows))]
        assert!(keys.contains(&"os.version"));
    }

    #[test]
    fn resource_attributes_merge_built_in_and_custom_ones() {
        let built_in =
            "host.arch=amd64 os.type=linux os.version=6.8 service.name=agent service.version=1";
        let table: [(&[(&str, &str)], &str); 4] = [
            (&[], built_in),
            (
                &[("OTEL_RESOURCE_ATTRIBUTES", "team=a,env=b%20c")],
                &format!("{built_in} team=a env=b c"),
            ),
            (
                &[(
                    "OTEL_RESOURCE_ATTRIBUTES",
                    "team=a,service.name=x,os.version=9",
                )],
                "host.arch=amd64 os.type=linux os.version=9 service.name=x service.version=1 team=a",
            ),
            (
                &[
                    ("OTEL_RESOURCE_ATTRIBUTES", "service.name=x"),
                    ("OTEL_SERVICE_NAME", "y"),
                ],
                "host.arch=amd64 os.type=linux os.version=6.8 service.name=y service.version=1",
            ),
        ];
        for (variables, expected) in table {
            let attributes = resource_attributes(&config(variables), "agent", "1", linux());
            assert_eq!(text(&attributes), expected);
        }
    }

    #[test]
    fn wsl_version_follows_the_service_attributes() {
        let mut platform = linux();
        platform.retain(|(key, _)| *key != "os.version");
        platform.push(("wsl.version", "2".to_owned()));
        assert_eq!(
            text(&resource_attributes(&config(&[]), "agent", "1", platform)),
            "host.arch=amd64 os.type=linux service.name=agent service.version=1 wsl.version=2"
        );
    }

    #[test]
    fn custom_attributes_exclude_those_of_the_resource_and_of_records() {
        let all = "team=a,service.name=b,service.namespace=c,host.name=d,os.name=e,wsl.version=2,\
                   telemetry.sdk.name=f,user.id=g,session.id=h,app.version=i,organization.id=j,\
                   user.email=k,user.account_uuid=l,user.account_id=m,terminal.type=n,event.name=o,\
                   event.timestamp=p,event.sequence=q,prompt.id=r,workspace.host_paths=s,\
                   span.type=t,osmosis=u,user.name=v";
        let variables = [("OTEL_RESOURCE_ATTRIBUTES", all)];
        assert_eq!(
            text(&custom_attributes(&config(&variables))),
            "team=a osmosis=u user.name=v"
        );
        let turned_off = [
            ("OTEL_RESOURCE_ATTRIBUTES", all),
            ("OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES", "false"),
        ];
        assert_eq!(custom_attributes(&config(&turned_off)), []);
    }
}
