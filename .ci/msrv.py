"""Checks that no dependency needs a newer Rust than this crate states.

Usage: cargo metadata --format-version 1 --all-features | msrv.py
"""

import json
import sys


def version(text):
    return tuple(int(part) for part in (text.split("-")[0].split(".") + ["0", "0"])[:3])


metadata = json.load(sys.stdin)
ours = next(package for package in metadata["packages"] if package["id"] == metadata["resolve"]["root"])
stated = ours["rust_version"] or sys.exit("Cargo.toml states no rust-version")
newer = [
    f"{package['name']} {package['version']} needs Rust {package['rust_version']}"
    for package in metadata["packages"]
    if package["rust_version"] and version(package["rust_version"]) > version(stated)
]
print("\n".join(newer) or f"none of {len(metadata['packages'])} packages needs more than Rust {stated}")
sys.exit(1 if newer else 0)
