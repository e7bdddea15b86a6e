//! Any bytes as a certificate and key file: the configuration is built, and its output reveals nothing of the file.
#![no_main]

use std::cell::OnceCell;
use std::path::Path;

use claude_code_telemetry::Config;
use libfuzzer_sys::fuzz_target;
use tempfile::NamedTempFile;

thread_local! {
    static FILE: OnceCell<NamedTempFile> = const { OnceCell::new() };
}

/// Returns everything that a host can print of a configuration with this file as certificate and key.
fn displayed(path: &Path) -> String {
    let path = path.to_str().expect("the path is UTF-8");
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
        let for_empty_file = displayed(file.path());
        std::fs::write(file, bytes).expect("written");
        let text = displayed(file.path());
        // Short lines, which could occur by chance, and lines that the output for an empty file contains do not count.
        for line in bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| line.len() > 24)
        {
            if let Ok(line) = std::str::from_utf8(line) {
                assert!(
                    for_empty_file.contains(line) || !text.contains(line),
                    "{text}"
                );
            }
        }
    });
});
