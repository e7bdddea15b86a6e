//! The reader of one settings file. The file belongs to the agent, so only telemetry settings are read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use crate::config::source::{Assignment, Layer, Provenance};
use crate::config::variables::{self, Kind, Variable};
use crate::config::warnings::{Problem, Report, Warning};

/// The size limit of a file, in bytes: far more than a hand-written file has.
const LARGEST: u64 = 4 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The telemetry settings of one file.
pub(super) struct Contents {
    pub(super) assignments: Vec<Assignment>,
    /// False if the file, or a part of it, could not be read.
    pub(super) is_complete: bool,
}

/// Reads the file of the origin. A missing file is empty, except for managed settings: these files were listed before,
/// so they must be readable.
pub(super) fn read(origin: &Provenance, report: &mut Report) -> Contents {
    let mut contents = Contents {
        assignments: Vec::new(),
        is_complete: true,
    };
    let bytes = match origin.file().map(bounded) {
        None => return contents,
        Some(Err(error)) if is_absence(&error) && origin.layer() != Layer::Managed => {
            return contents;
        }
        Some(Err(error)) => Err(Problem::SettingsUnreadable {
            why: error.to_string(),
        }),
        Some(Ok(read)) => read,
    };
    match bytes.and_then(|bytes| parse(&bytes)) {
        Ok(settings) => contents.read(&settings, origin, report),
        Err(problem) => contents.lacks(origin, problem, report),
    }
    contents
}

fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    // The error message contains line and column, and no part of the file.
    serde_json::from_slice(bytes).map_err(|error| Problem::SettingsMalformed {
        why: error.to_string(),
    })
}

impl Contents {
    fn read(&mut self, settings: &Value, origin: &Provenance, report: &mut Report) {
        let Value::Object(settings) = settings else {
            return self.lacks(
                origin,
                Problem::SettingsNoObject { what: "the file" },
                report,
            );
        };
        let mut found = Vec::new();
        let mut warn = |name: &str, problem| {
            report.warn(Warning::about_name(name, origin.clone(), problem));
        };
        for name in settings.keys() {
            if is_ours(name) {
                warn(name, Problem::OutsideEnv);
            } else if is_invented(name) {
                warn(name, Problem::NoSuchSetting);
            }
        }
        match settings.get("env") {
            Some(Value::Object(variables)) => {
                if variables.contains_key(variables::HEADERS_HELPER.name) {
                    warn(variables::HEADERS_HELPER.name, Problem::InsideEnv);
                }
                found.extend(variables.iter().filter(|(name, _)| is_ours(name)));
            }
            Some(_) => self.lacks(origin, Problem::SettingsNoObject { what: "`env`" }, report),
            None => {}
        }
        found.extend(settings.get_key_value(variables::HEADERS_HELPER.name));
        for (name, value) in found {
            match value {
                Value::String(value) => self.assignments.push(Assignment {
                    origin: origin.clone(),
                    name: name.clone(),
                    value: value.clone(),
                }),
                _ => self.lacks_value(origin, name, report),
            }
        }
    }

    /// Records that the file, or a part of it, could not be read.
    fn lacks(&mut self, origin: &Provenance, problem: Problem, report: &mut Report) {
        self.is_complete = false;
        let problem = problem.in_layer(origin.layer());
        report.warn(Warning::about_file(origin.clone(), problem));
    }

    /// Records that a value is not a string. An unreadable content switch in managed settings counts like an unreadable
    /// file, because it may have been meant to be off.
    fn lacks_value(&mut self, origin: &Provenance, name: &str, report: &mut Report) {
        let is_switch = variables::find(name).is_some_and(Variable::is_content_switch);
        let problem = match is_switch {
            true => Problem::SettingNoText.in_layer(origin.layer()),
            false => Problem::SettingNoText,
        };
        self.is_complete &= !is_switch;
        report.warn(Warning::about_name(name, origin.clone(), problem));
    }
}

/// Returns true for a telemetry variable, or for a name that looks like one.
fn is_ours(name: &str) -> bool {
    match variables::find(name) {
        Some(variable) => !matches!(variable.kind, Kind::Command),
        None => variables::looks_like_ours(name),
    }
}

/// Returns true for a key that has no effect, but was probably meant to configure telemetry.
fn is_invented(key: &str) -> bool {
    let begins = |start: &str| {
        let head = key.get(..start.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(start))
    };
    key != variables::HEADERS_HELPER.name
        && (begins("otel") || begins("opentelemetry") || key.eq_ignore_ascii_case("telemetry"))
}

pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Reads a file without blocking, and at most [`LARGEST`] bytes.
fn bounded(path: &Path) -> io::Result<Result<Vec<u8>, Problem>> {
    if !fs::metadata(path)?.is_file() {
        return Ok(Err(Problem::SettingsNoFile));
    }
    let file = open(path)?;
    // The path may refer to another file by now.
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Err(Problem::SettingsNoFile));
    }
    let mut bytes = Vec::new();
    if metadata.len() <= LARGEST {
        file.take(LARGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 <= LARGEST {
            return Ok(Ok(bytes));
        }
    }
    Ok(Err(Problem::SettingsTooLarge { maximum: LARGEST }))
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Without this flag, opening a pipe would block until a process opens its other end for writing.
        options.custom_flags(libc::O_NONBLOCK);
    }
    options.open(path)
}
