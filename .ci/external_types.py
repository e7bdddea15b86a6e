"""Checks that public signatures name only the crates of the list below, with rustdoc's JSON.

Usage: external_types.py JSON

An upgrade of a crate that is not in the list is not a breaking change. An addition to the list is a promise to users.
"""

import json
import sys

ALLOWED = {
    "std",
    "core",
    "alloc",
    # `Content::json` takes any value that serializes.
    "serde",
    "serde_core",
    # `Content` can be created from a `RawValue`.
    "serde_json",
    # `inject_headers` takes the `HeaderMap` of a request, which hosts have from their HTTP client. The crate is stable.
    "http",
    # `Telemetry::providers()` returns the SDK's providers.
    "opentelemetry",
    "opentelemetry_sdk",
}


def main(path):
    with open(path, encoding="utf-8") as file:
        doc = json.load(file)
    external = {int(number): crate["name"] for number, crate in doc["external_crates"].items()}
    paths = doc["paths"]
    found = {}

    def crate_of(identifier):
        """Returns the crate of a path, or `None` if it is this crate."""
        summary = paths.get(str(identifier))
        return external.get(summary["crate_id"]) if summary else None

    def walk(node, where):
        """Collects the foreign crates of all paths in a part of a signature."""
        if isinstance(node, list):
            for part in node:
                walk(part, where)
        elif isinstance(node, dict):
            if "id" in node and ("path" in node or "name" in node) and "args" in node:
                crate = crate_of(node["id"])
                if crate is not None and crate not in ALLOWED:
                    name = node.get("path") or node.get("name")
                    found.setdefault(crate, set()).add(f"{name} in {where}")
            for part in node.values():
                walk(part, where)

    checked = 0
    for item in doc["index"].values():
        if item["crate_id"] != 0 or item["visibility"] not in ("public", "default"):
            continue
        (kind, inner), = item["inner"].items()
        if kind == "impl":
            # The compiler adds these implementations, so they are not a promise of this crate.
            if inner.get("is_synthetic") or inner.get("blanket_impl"):
                continue
            inner = {name: inner[name] for name in ("generics", "trait", "for")}
            name = "impl " + json.dumps(inner["for"])[:80]
        elif kind in ("module", "macro", "proc_macro"):
            continue
        elif kind == "use":
            name, inner = inner["source"], {}
            target = item["inner"]["use"]["id"]
            crate = crate_of(target) if target is not None else None
            if crate is not None and crate not in ALLOWED:
                found.setdefault(crate, set()).add(f"re-export of {name}")
        else:
            name = item["name"] or "?"
        checked += 1
        span = item["span"]
        location = f"{span['filename']}:{span['begin'][0]}" if span else "?"
        walk(inner, f"{name} ({location})")

    # Checks this script itself: a change of the JSON format must not look like an empty interface.
    if checked < 300 or doc["format_version"] < 40:
        sys.exit(f"only {checked} items of format {doc['format_version']} were found: has rustdoc's JSON changed?")
    for crate, locations in sorted(found.items()):
        print(f"{crate} is not in the list of external types:")
        for location in sorted(locations):
            print(f"  {location}")
    if found:
        sys.exit(1)
    print(f"{checked} public items name only the crates {', '.join(sorted(ALLOWED))}")


main(sys.argv[1])
