//! What the documents point to is there.

use std::fs;
use std::path::{Path, PathBuf};

/// Every document of the crate.
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

/// The targets of links, without those to other places and within the page.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .filter_map(|target| target.split('#').next())
}

/// Paths of the repository that stand in backticks.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    const FOLDERS: [&str; 5] = ["src/", "tests/", "examples/", "docs/", "fuzz/"];
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| FOLDERS.iter().any(|folder| code.starts_with(folder)))
        .filter(|code| !code.contains(['*', ' ', '\n']))
}

#[test]
fn every_link_leads_somewhere() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text) {
            let target = document.parent().unwrap().join(link);
            assert!(target.exists(), "{}: {link}", document.display());
        }
    }
}

#[test]
fn every_path_that_is_named_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for path in paths(&text) {
            // The package has no fuzz targets.
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
fn every_decision_is_listed() {
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
