//! The links of the documents work in the repository and in the rustdoc.

use std::collections::{BTreeMap, BTreeSet};
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

/// The folders of other packages, which the published package does not contain.
const OTHER_PACKAGES: [&str; 3] = ["fuzz", "examples/mcp_agent", "examples/rig_agent"];

/// Returns the text without blocks of code.
fn prose(text: &str) -> String {
    let blocks = text.split("\n```").step_by(2);
    blocks.collect::<Vec<_>>().join("\n")
}

/// Returns the targets of inline links, except links to other sites and within the page.
fn inline_links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with('#'))
}

/// Returns the labels of reference links: `[text][label]`.
fn labels(text: &str) -> impl Iterator<Item = &str> {
    let links = text.split("][").skip(1);
    links.filter_map(|rest| rest.split(']').next())
}

/// Returns the labels and targets of the definitions of reference links: lines of the form `[label]: target`.
fn definitions(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix('['));
    let pairs = lines.filter_map(|line| line.split_once("]: "));
    pairs.filter(|(label, _)| !label.contains(']')).collect()
}

/// Returns the relative targets of all links: a path, and a heading after `#`.
fn links(text: &str) -> Vec<&str> {
    let defined = definitions(text).into_values();
    let relative = defined.filter(|target| !target.contains("://"));
    inline_links(text).chain(relative).collect()
}

/// Returns the anchors of the headings, by the rules of GitHub and rustdoc.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// Returns the names of the documents that `src/docs.rs` publishes, and the labels that it defines for them.
fn published() -> (Vec<String>, BTreeSet<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs.rs");
    let source = fs::read_to_string(path).unwrap();
    let (pages, _) = source.split_once("#[cfg(doctest)]").unwrap();
    let after = |text: &str, start: &str, end: &str| -> Vec<String> {
        let rest = text.split(start).skip(1);
        rest.map(|rest| rest.split(end).next().unwrap().to_owned())
            .collect()
    };
    let mut labels = after(pages, "\"[", "]: crate::docs::");
    labels.extend(after(pages, "source!(\"", "\""));
    let labels = labels.into_iter().filter(|label| !label.contains('\n'));
    (
        after(pages, "include_str!(\"../docs/", "\")"),
        labels.collect(),
    )
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
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = document.parent().unwrap().join(path);
            assert!(target.exists(), "{}: {link}", document.display());
            if !heading.is_empty() {
                let anchors = anchors(&prose(&fs::read_to_string(&target).unwrap()));
                let exists = anchors.iter().any(|anchor| anchor == heading);
                assert!(exists, "{}: {link}", document.display());
            }
        }
    }
}

#[test]
fn no_link_leads_to_another_package() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let others: Vec<_> = OTHER_PACKAGES
        .iter()
        .filter_map(|folder| root.join(folder).canonicalize().ok())
        .collect();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text) {
            let path = link.split('#').next().unwrap();
            let target = document.parent().unwrap().join(path);
            let target = target.canonicalize().unwrap();
            let is_packaged = !others.iter().any(|other| target.starts_with(other));
            assert!(is_packaged, "{}: {link}", document.display());
        }
    }
}

#[test]
fn every_link_within_a_document_has_an_existing_heading() {
    for document in documents() {
        let text = prose(&fs::read_to_string(&document).unwrap());
        let anchors = anchors(&text);
        for rest in text.split("](#").skip(1) {
            let heading = rest.split(')').next().unwrap();
            let exists = anchors.iter().any(|anchor| anchor == heading);
            assert!(exists, "{}: #{heading}", document.display());
        }
    }
}

#[test]
fn every_document_for_hosts_is_published_in_the_rustdoc() {
    let (mut published, _) = published();
    published.extend(["CONTRIBUTING.md".to_owned()]);
    published.sort_unstable();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.path().is_file());
    let mut names: Vec<_> = files
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(published, names);
}

#[test]
fn no_relative_link_is_left_unresolved_in_the_rustdoc() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let (pages, in_rustdoc) = published();
    let mut used = BTreeSet::new();
    for page in &pages {
        let text = fs::read_to_string(folder.join(page)).unwrap();
        let prose = prose(&text);
        // An inline link cannot have one target in the repository and another in the rustdoc. Links with labels can.
        assert_eq!(inline_links(&prose).next(), None, "{page}");
        let in_repository: BTreeSet<_> = definitions(&prose).into_keys().collect();
        let labels: BTreeSet<_> = labels(&prose).collect();
        assert_eq!(labels, in_repository, "{page}: used and defined labels");
        used.extend(labels.into_iter().map(str::to_owned));
    }
    assert_eq!(
        used, in_rustdoc,
        "labels in the documents and in src/docs.rs"
    );
}

#[test]
fn every_mentioned_path_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for path in paths(&text) {
            let mut others = OTHER_PACKAGES.iter();
            let other = others.find(|folder| path.starts_with(**folder));
            let is_present = other.is_none_or(|folder| root.join(folder).exists());
            assert!(
                !is_present || root.join(path).exists(),
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
