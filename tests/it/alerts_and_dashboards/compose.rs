//! The Compose file.

use std::process::Command;

use super::{assert_succeeds, is_installed, stack, text};

/// Returns the values of all `key: value` lines, and the list items below a line that consists only of `key:`.
fn values(document: &str, key: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut list = false;
    for line in document.lines() {
        let line = line.split(" #").next().unwrap().trim();
        if let Some(item) = line.strip_prefix("- ").filter(|_| list) {
            values.push(item.trim_matches('"').to_owned());
        } else if let Some(value) = line.strip_prefix(key).and_then(|l| l.strip_prefix(':')) {
            list = value.is_empty();
            values.extend((!list).then(|| value.trim().to_owned()));
        } else {
            list = false;
        }
    }
    values
}

#[test]
fn every_image_is_pinned_by_its_version() {
    let images = values(&text("docker-compose.yaml"), "image");
    assert!(images.len() >= 5, "{images:?}");
    for image in images {
        let (_, tag) = image.rsplit_once(':').expect("an image without a tag");
        let parts: Vec<_> = tag.trim_start_matches('v').split('.').collect();
        let number = |part: &&str| part.chars().all(|c| c.is_ascii_digit());
        assert!(parts.len() == 3 && parts.iter().all(number), "{image}");
    }
}

#[test]
fn every_port_is_bound_to_the_loopback_interface() {
    let ports = values(&text("docker-compose.yaml"), "ports");
    assert!(ports.len() >= 5, "{ports:?}");
    for port in ports {
        assert!(port.starts_with("127.0.0.1:"), "{port}");
    }
}

#[test]
fn every_service_has_limits_and_keeps_its_data_in_volumes() {
    let document = text("docker-compose.yaml");
    let services = values(&document, "image").len();
    assert_eq!(values(&document, "mem_limit").len(), services);
    assert_eq!(values(&document, "cpus").len(), services);
    for mount in values(&document, "volumes") {
        let is_read_only_folder = mount.starts_with("./") && mount.ends_with(":ro");
        assert!(
            is_read_only_folder || !mount.starts_with(['.', '/']),
            "{mount}"
        );
        if let Some((path, _)) = mount.split_once(':').filter(|_| is_read_only_folder) {
            assert!(stack(path).is_dir(), "{path} is not there");
        }
    }
}

#[test]
fn compose_file_is_valid() {
    if is_installed("docker-compose") {
        let mut compose = Command::new("docker-compose");
        compose.arg("-f").arg(stack("docker-compose.yaml"));
        assert_succeeds(compose.args(["config", "--quiet"]));
    }
}
