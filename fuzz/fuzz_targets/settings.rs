//! Any bytes as a settings file: a file that is not a JSON object causes a warning, and the other layers still apply.
#![no_main]

use std::cell::OnceCell;

use claude_code_telemetry::{Config, SettingsFiles};
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
        let config = Config::builder()
            .environment([("OTEL_SERVICE_NAME", "still-there")])
            .settings_files(
                SettingsFiles::none()
                    .managed_folder("/nowhere")
                    .user_file(path),
            )
            .build();
        let mut names = config
            .explain()
            .settings()
            .iter()
            .map(|setting| setting.name());
        assert!(names.any(|name| name == "OTEL_SERVICE_NAME"));
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let json = serde_json::from_slice::<serde_json::Value>(text);
        if !json.is_ok_and(|json| json.is_object()) {
            assert!(!config.warnings().is_empty());
        }
    });
});
