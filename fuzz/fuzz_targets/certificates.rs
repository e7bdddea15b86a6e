//! Any bytes as certificate and key: a configuration comes of it, and nothing of the file shows.
#![no_main]

use std::cell::OnceCell;
use std::path::Path;

use claude_code_telemetry::Config;
use libfuzzer_sys::fuzz_target;
use tempfile::NamedTempFile;

thread_local! {
    static FILE: OnceCell<NamedTempFile> = const { OnceCell::new() };
}

/// What a host can see of a configuration with this file as certificate and key.
fn shown(path: &Path) -> String {
    let path = path.to_str().expect("text");
    let config = Config::builder()
        .environment([
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("OTEL_LOGS_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://localhost:4318"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", path),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", path),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", path),
        ])
        .build();
    format!("{}{config:?}", config.explain())
}

fuzz_target!(|bytes: &[u8]| {
    FILE.with(|file| {
        let file = file.get_or_init(|| NamedTempFile::new().expect("a file"));
        std::fs::write(file, b"").expect("written");
        let usual = shown(file.path());
        std::fs::write(file, bytes).expect("written");
        let shown = shown(file.path());
        // Lines that are long enough not to be there by chance, and are no words of the library's.
        for line in bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| line.len() > 24)
        {
            if let Ok(line) = std::str::from_utf8(line) {
                assert!(usual.contains(line) || !shown.contains(line), "{shown}");
            }
        }
    });
});
