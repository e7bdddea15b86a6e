//! Any bytes as certificate and key: a configuration comes of it, and nothing of the file shows.
#![no_main]

use std::cell::OnceCell;

use claude_code_telemetry::Config;
use libfuzzer_sys::fuzz_target;
use tempfile::NamedTempFile;

thread_local! {
    static FILE: OnceCell<NamedTempFile> = const { OnceCell::new() };
}

fuzz_target!(|bytes: &[u8]| {
    FILE.with(|file| {
        let path = file
            .get_or_init(|| NamedTempFile::new().expect("a file"))
            .path();
        std::fs::write(path, bytes).expect("written");
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
        let shown = format!("{}{config:?}", config.explain());
        // Lines that are long enough not to be there by chance.
        for line in bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| line.len() > 24)
        {
            if let Ok(line) = std::str::from_utf8(line) {
                assert!(!shown.contains(line), "{shown}");
            }
        }
    });
});
