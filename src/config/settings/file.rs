//! One settings file. It belongs to the agent: what is not about telemetry is not looked at.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use crate::config::source::{Assignment, Origin};
use crate::config::variables::{self, Kind};
use crate::config::warnings::{Problem, Report, Warning};

/// Far more than anybody writes by hand.
const LARGEST: u64 = 4 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What the origin's file says about telemetry. A file that is not there says nothing.
pub(super) fn read(origin: &Origin, report: &mut Report) -> Vec<Assignment> {
    let parsed = match origin.file().map(content) {
        Some(Ok(Some(bytes))) => parse(&bytes),
        Some(Ok(None)) | None => return Vec::new(),
        Some(Err(problem)) => Err(problem),
    };
    match parsed {
        Ok(settings) => assignments(&settings, origin, report),
        Err(problem) => {
            report.warn(Warning::about_file(origin.clone(), problem));
            Vec::new()
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    // The message has line and column, and nothing of the file.
    serde_json::from_slice(bytes).map_err(|error| Problem::SettingsMalformed {
        why: error.to_string(),
    })
}

fn assignments(settings: &Value, origin: &Origin, report: &mut Report) -> Vec<Assignment> {
    let Value::Object(settings) = settings else {
        let problem = Problem::SettingsNoObject { what: "the file" };
        report.warn(Warning::about_file(origin.clone(), problem));
        return Vec::new();
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
        Some(_) => {
            let problem = Problem::SettingsNoObject { what: "`env`" };
            report.warn(Warning::about_file(origin.clone(), problem));
        }
        None => {}
    }
    found.extend(settings.get_key_value(variables::HEADERS_HELPER.name));

    let mut assignments = Vec::new();
    for (name, value) in found {
        match value {
            Value::String(value) => assignments.push(Assignment {
                origin: origin.clone(),
                name: name.clone(),
                value: value.clone(),
            }),
            _ => report.warn(Warning::about_name(
                name,
                origin.clone(),
                Problem::SettingNoText,
            )),
        }
    }
    assignments
}

/// A variable that is known, or should be.
fn is_ours(name: &str) -> bool {
    match variables::find(name) {
        Some(variable) => !matches!(variable.kind, Kind::Command),
        None => variables::looks_like_ours(name),
    }
}

/// A key that nobody reads, and that somebody must have believed to be about telemetry.
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

/// The bytes of a file; `None` when there is none.
fn content(path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    match bounded(path) {
        Ok(read) => read.map(Some),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(Problem::SettingsUnreadable {
            why: error.to_string(),
        }),
    }
}

/// Never waits, and never reads more than the largest file.
fn bounded(path: &Path) -> io::Result<Result<Vec<u8>, Problem>> {
    if !fs::metadata(path)?.is_file() {
        return Ok(Err(Problem::SettingsNoFile));
    }
    let file = open(path)?;
    // it may be another one by now
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
        // opening a pipe would wait for somebody to write into it
        options.custom_flags(libc::O_NONBLOCK);
    }
    options.open(path)
}
