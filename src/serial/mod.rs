//! `serde::Deserialize` for records and options, whose field names are the documented attribute names, with underscores or
//! with dots.
//!
//! The names, defaults and rules are those of `docs/TRANSCRIPT.md`. Unknown fields are ignored, and `null` means that the
//! field is absent. A value that the library would reject is an error that names the expected form.

mod fields;
mod time;

pub(crate) use fields::{FromJsonMember, Member, parse_enum, read, read_as};

/// Returns the value of a required field, the last of whose names is the documented one.
pub(crate) fn required<T, E: serde::de::Error>(
    member: Option<Member<T>>,
    names: &[&'static str],
) -> Result<T, E> {
    let name = names.last().copied().unwrap_or_default();
    match member {
        Some(Member(value)) => Ok(value),
        None => Err(E::missing_field(name)),
    }
}

#[cfg(test)]
mod tests;
