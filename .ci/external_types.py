"""Which other crates stand in the public signatures, from rustdoc's JSON: only those of the list below may.

Usage: external_types.py JSON

An upgrade of a crate that is not listed is nobody's breaking change; so a new name is a promise, and is made here.
"""

import json
import sys

ALLOWED = {
    "std",
    "core",
    "alloc",
    # `Content::json` takes what serialises.
    "serde",
    "serde_core",
    # `Content` is made from a `RawValue`.
    "serde_json",
    # `Telemetry::providers()` hands out the SDK's providers.
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
        """The crate that a path leads to; nothing when that is this one."""
        summary = paths.get(str(identifier))
        return external.get(summary["crate_id"]) if summary else None

    def walk(node, where):
        """Every path in a part of a signature."""
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

    looked_at = 0
    for item in doc["index"].values():
        if item["crate_id"] != 0 or item["visibility"] not in ("public", "default"):
            continue
        (kind, inner), = item["inner"].items()
        if kind == "impl":
            # What rustc adds by itself is no promise of ours.
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
        looked_at += 1
        span = item["span"]
        place = f"{span['filename']}:{span['begin'][0]}" if span else "?"
        walk(inner, f"{name} ({place})")

    # The check of the check: a change of the format must not pass for an empty interface.
    if looked_at < 300 or doc["format_version"] < 40:
        sys.exit(f"only {looked_at} items of format {doc['format_version']} were found: has rustdoc's JSON changed?")
    for crate, places in sorted(found.items()):
        print(f"{crate} is not in the list of external types:")
        for place in sorted(places):
            print(f"  {place}")
    if found:
        sys.exit(1)
    print(f"{looked_at} public items name no crate but {', '.join(sorted(ALLOWED))}")


main(sys.argv[1])
