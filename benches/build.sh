#!/usr/bin/env bash
# Measures what the crate adds to a minimal host, for each set of features: crates, clean build time, binary size.
#
#   benches/build.sh [FEATURES...]     for example: benches/build.sh '' grpc http console default
#
# Runs a clean release build for each set, in a folder that is deleted at the end. Sizes are those of stripped binaries.
set -euo pipefail
crate=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(($#)) || set -- '' console grpc http default

mkdir "$work/src"
cat >"$work/src/main.rs" <<'RUST'
fn main() {
    #[cfg(feature = "telemetry")]
    {
        use claude_code_telemetry::{ApiRequest, Config, Identity, Service, Telemetry};
        let telemetry = Telemetry::start(Config::load(), Service::new("host", "1"));
        let session = telemetry.session(Identity::new());
        session.record_api_request(ApiRequest::new("model").cost_usd(0.1));
        telemetry.shutdown();
    }
    println!("done");
}
RUST

# manifest FEATURES: writes the host's manifest with the crate and these features of it.
manifest() {
  local list='' name
  for name in ${1//,/ }; do list+="\"$name\", "; done
  cat >"$work/Cargo.toml" <<TOML
[package]
name = "host"
version = "0.0.0"
edition = "2024"
[features]
telemetry = ["dep:claude-code-telemetry"]
[dependencies]
claude-code-telemetry = { path = "$crate", optional = true, default-features = false, features = [${list%, }] }
[profile.release]
strip = true
[workspace]
TOML
}

# build FLAGS...: runs a clean build and sets seconds, size and crates.
build() {
  rm -rf "$work/target"
  local start=$SECONDS
  cargo build --quiet --release --manifest-path "$work/Cargo.toml" "$@"
  seconds=$((SECONDS - start))
  size=$(stat -c %s "$work/target/release/host")
  crates=$(cargo tree --manifest-path "$work/Cargo.toml" --edges normal,build --prefix none --no-dedupe "$@" |
    sed 's/ (.*//' | sort -u | wc -l)
}

manifest ''
build
bare=$size
echo "| features | crates | clean build, s | added, KiB |"
echo "| --- | ---: | ---: | ---: |"
for features in "$@"; do
  manifest "$features"
  cargo fetch --quiet --manifest-path "$work/Cargo.toml"
  build --features telemetry
  echo "| ${features:-none} | $((crates - 1)) | $seconds | $(((size - bare) / 1024)) |"
done
