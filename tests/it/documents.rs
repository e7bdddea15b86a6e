//! The files that the documents refer to exist.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the paths of all documents of the crate.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// Returns the targets of links, except links to other sites and within the page.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .filter_map(|target| target.split('#').next())
}

/// Returns the paths of repository files that are written in backticks.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    const FOLDERS: [&str; 5] = ["src/", "tests/", "examples/", "docs/", "fuzz/"];
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| FOLDERS.iter().any(|folder| code.starts_with(folder)))
        .filter(|code| !code.contains(['*', ' ', '\n']))
}

#[test]
fn every_link_has_an_existing_target() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text) {
            let target = document.parent().unwrap().join(link);
            assert!(target.exists(), "{}: {link}", document.display());
        }
    }
}

#[test]
fn every_mentioned_path_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for path in paths(&text) {
            // The published package does not contain the fuzz targets.
            let is_packaged = !path.starts_with("fuzz/") || root.join("fuzz").exists();
            assert!(
                !is_packaged || root.join(path).exists(),
                "{}: {path}",
                document.display()
            );
        }
    }
}

#[test]
fn every_decision_is_listed_and_complete() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/decisions");
    let list = fs::read_to_string(folder.join("README.md")).unwrap();
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name != "README.md" {
            let text = fs::read_to_string(folder.join(&name)).unwrap();
            let (number, _) = name.split_once('-').unwrap();
            assert!(list.contains(&format!("[{number}]({name})")), "{name}");
            assert!(text.starts_with(&format!("# {number} ")), "{name}");
            for part in ["**Context.**", "**Decision.**", "**Consequences.**"] {
                assert!(text.contains(part), "{name}: {part}");
            }
        }
    }
}
