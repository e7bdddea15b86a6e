//! The check of a document that is generated from the code.
#![allow(unreachable_pub, clippy::unwrap_used)]

use std::path::Path;

/// Asserts that `docs/NAME` is up to date, or writes it if `UPDATE_DOCS=1` is set.
#[track_caller]
pub fn check_document(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name);
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&path, expected).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found.replace("\r\n", "\n") == expected,
        "docs/{name} is stale: renew it with `UPDATE_DOCS=1 cargo test docs`"
    );
}
