//! The test rows of all variables.

use super::*;
use crate::config::tls::Trust;

/// Returns at least one row for every variable. `folder` contains a certificate and its key.
pub(super) fn rows(folder: &Path) -> Vec<Row> {
    // Shows whether the console exporter is on, or `off` if the OTLP exporter of the signal is off.
    let console = |is_on: Option<bool>| is_on.map_or("off".to_owned(), |is_on| is_on.to_string());
    let mut rows = vec![
        Row::boolean("CLAUDE_CODE_ENABLE_TELEMETRY", false, |c| c.enabled),
        Row::boolean("OTEL_SDK_DISABLED", false, |c| !c.enabled),
        Row::boolean("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", false, |c| {
            c.spans.otlp.is_some()
        }),
        Row::boolean("ENABLE_ENHANCED_TELEMETRY_BETA", false, |c| {
            c.spans.otlp.is_some()
        })
        .without("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA"),
        Row::boolean("OTEL_LOG_USER_PROMPTS", false, |c| c.content.user_prompts),
        Row::boolean("OTEL_LOG_TOOL_DETAILS", false, |c| c.content.tool_details),
        Row::boolean("OTEL_LOG_TOOL_CONTENT", false, |c| c.content.tool_content),
        Row::boolean("OTEL_LOG_RAW_API_BODIES", false, |c| {
            c.content.raw_api_bodies
        }),
        Row::boolean("OTEL_METRICS_INCLUDE_SESSION_ID", true, |c| {
            c.attributes.session_id
        }),
        Row::boolean("OTEL_METRICS_INCLUDE_VERSION", false, |c| {
            c.attributes.version
        }),
        Row::boolean("OTEL_METRICS_INCLUDE_ACCOUNT_UUID", true, |c| {
            c.attributes.account_uuid
        }),
        Row::boolean("OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES", true, |c| {
            c.attributes.resource_attributes
        }),
        Row::boolean("CLAUDE_CODE_OTEL_DIAG_STDERR", false, |c| {
            c.get(&variables::DIAG_STDERR)
        }),
        Row::new(
            "OTEL_SERVICE_NAME",
            |c| c.get(&variables::SERVICE_NAME),
            "",
            (" a b ", "a b"),
            None,
            "",
        ),
        Row::new(
            "OTEL_RESOURCE_ATTRIBUTES",
            |c| format!("{:?}", c.get(&variables::RESOURCE_ATTRIBUTES)),
            "[]",
            ("a=1", "[(\"a\", \"1\")]"),
            Some(("b,a=1", "[(\"a\", \"1\")]")),
            "[]",
        ),
        Row::new(
            "CLAUDE_CODE_MAX_RETRIES",
            |c| c.max_retries().to_string(),
            "10",
            ("3", "3"),
            Some(("4294967296", "10")),
            "10",
        ),
        Row::new(
            "CLAUDE_CODE_OTEL_CONTENT_MAX_LENGTH",
            |c| c.content.max_length.to_string(),
            "61440",
            ("1000", "1000"),
            Some(("10", "61440")),
            "61440",
        ),
        Row::new(
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            |c| format!("{:?}", c.get(&variables::TEMPORALITY)),
            "Delta",
            ("Cumulative", "Cumulative"),
            Some(("cumul", "Delta")),
            "Delta",
        ),
        Row::new(
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            |c| format!("{:?}", c.get(&variables::TEMPORALITY)),
            "Delta",
            ("LOWMEMORY", "LowMemory"),
            None,
            "Delta",
        ),
        Row::new(
            "OTEL_METRICS_EXPORTER",
            move |c| console(c.metrics.otlp.is_some().then_some(c.metrics.console)),
            "off",
            ("console, otlp", "true"),
            Some(("otlp,consle", "false")),
            "off",
        ),
        Row::new(
            "OTEL_LOGS_EXPORTER",
            move |c| console(c.events.otlp.is_some().then_some(c.events.console)),
            "off",
            ("otlp,console", "true"),
            Some(("prometheus,otlp", "false")),
            "off",
        ),
        Row::new(
            "OTEL_TRACES_EXPORTER",
            move |c| console(c.spans.otlp.is_some().then_some(c.spans.console)),
            "off",
            ("otlp,console", "true"),
            Some(("jaeger", "off")),
            "off",
        ),
    ];
    rows.extend(Row::duration(
        "OTEL_METRIC_EXPORT_INTERVAL",
        "60000",
        Some("100"),
        |c| c.metrics.interval,
    ));
    rows.extend(Row::duration(
        "OTEL_LOGS_EXPORT_INTERVAL",
        "5000",
        Some("10"),
        |c| c.events.interval,
    ));
    rows.extend(Row::duration(
        "OTEL_TRACES_EXPORT_INTERVAL",
        "5000",
        Some("10"),
        |c| c.spans.interval,
    ));
    rows.extend(Row::duration(
        "CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS",
        "5000",
        None,
        |c| c.get(&variables::FLUSH_TIMEOUT),
    ));
    rows.extend(Row::duration(
        "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS",
        "2000",
        None,
        |c| c.get(&variables::SHUTDOWN_TIMEOUT),
    ));
    for (part, signal) in [
        ("", 0),
        ("METRICS_", 0),
        ("", 1),
        ("LOGS_", 1),
        ("", 2),
        ("TRACES_", 2),
    ] {
        rows.extend(otlp_rows(part, signal));
        rows.extend(tls_rows(part, signal, folder));
    }
    rows.extend(helper_rows());
    rows.extend(proxy_rows());
    rows
}

fn helper_rows() -> Vec<Row> {
    let command = |config: &Config| {
        let helper = config.headers_helper.as_ref();
        helper.map_or(String::new(), |helper| helper.command.expose().to_owned())
    };
    let interval = |config: &Config| {
        let helper = config.headers_helper.as_ref();
        helper.map_or(String::new(), |helper| {
            helper.interval.as_millis().to_string()
        })
    };
    let debounce = |invalid| {
        let name = "CLAUDE_CODE_OTEL_HEADERS_HELPER_DEBOUNCE_MS";
        Row::new(
            name,
            interval,
            "1740000",
            ("7000", "7000"),
            Some(invalid),
            "1740000",
        )
        .needs("otelHeadersHelper", "x")
    };
    vec![
        Row::new(
            "otelHeadersHelper",
            command,
            "",
            (" /a b ", "/a b"),
            None,
            "",
        ),
        debounce(("5s", "1740000")),
        debounce(("0", "100")),
    ]
}

fn proxy_rows() -> Vec<Row> {
    let through = |config: &Config| {
        let otlp = config.metrics.otlp.as_ref().unwrap();
        let proxy = otlp.proxy.as_ref();
        proxy.map_or("none".to_owned(), |proxy| proxy.name())
    };
    let mut rows = Vec::new();
    for (names, endpoint) in [
        (["HTTPS_PROXY", "https_proxy"], "https://h"),
        (["HTTP_PROXY", "http_proxy"], "http://h"),
        (["ALL_PROXY", "all_proxy"], "http://h"),
        (["ALL_PROXY", "all_proxy"], "https://h"),
    ] {
        for name in names {
            let row = Row::new(
                name,
                through,
                "none",
                ("http://user:secret@p:1", "p:1"),
                Some(("socks5://p:1", "none")),
                "none",
            );
            rows.push(row.needs("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint));
        }
    }
    for name in ["NO_PROXY", "no_proxy"] {
        let row = Row::new(name, through, "p:1", ("a, h", "none"), None, "p:1")
            .needs("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h")
            .needs("HTTP_PROXY", "p:1");
        rows.push(row);
    }
    rows
}

/// Returns the rows of the certificates of an https endpoint. The host is `h`.
fn tls_rows(part: &str, signal: usize, folder: &Path) -> Vec<Row> {
    let trust = probe(signal, |otlp| {
        match &otlp.tls.as_ref().unwrap().files.trust {
            Trust::Platform => "platform".to_owned(),
            Trust::PlatformAnd(file) => format!("and {}", file.variable),
            Trust::Only(file) => format!("only {}", file.variable),
        }
    });
    let identity = probe(signal, |otlp| {
        let identity = &otlp.tls.as_ref().unwrap().files.identity;
        identity.as_ref().map_or("none".to_owned(), |pair| {
            format!("{} {}", pair.certificate.variable, pair.key.variable)
        })
    });
    let text = |name| folder.join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (text("certificate.pem"), text("key.pem"));
    let missing = text("missing.pem");
    let name = |suffix| format!("OTEL_EXPORTER_OTLP_{part}{suffix}");
    let ca = format!("only {}", name("CERTIFICATE"));
    let with_certificate = format!(
        "{} OTEL_EXPORTER_OTLP_CLIENT_KEY",
        name("CLIENT_CERTIFICATE")
    );
    let with_key = format!(
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE {}",
        name("CLIENT_KEY")
    );
    // Without an exporter that uses TLS, no file is read.
    let reads = cfg!(any(feature = "grpc", feature = "http"));
    let wrong = reads.then_some((&*missing, "off"));
    let mut rows = vec![
        Row::new(
            name("CERTIFICATE"),
            trust,
            "platform",
            (&certificate, &ca),
            wrong,
            "platform",
        ),
        Row::new(
            name("CLIENT_CERTIFICATE"),
            identity,
            "off",
            (&certificate, &with_certificate),
            wrong,
            "off",
        )
        .needs("OTEL_EXPORTER_OTLP_CLIENT_KEY", &key),
        Row::new(
            name("CLIENT_KEY"),
            identity,
            "off",
            (&key, &with_key),
            wrong,
            "off",
        )
        .needs("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &certificate),
    ];
    if part.is_empty() {
        let both = "CLAUDE_CODE_CLIENT_CERT CLAUDE_CODE_CLIENT_KEY";
        rows.extend([
            Row::new(
                "CLAUDE_CODE_CLIENT_CERT",
                identity,
                "off",
                (&certificate, both),
                wrong,
                "off",
            )
            .needs("CLAUDE_CODE_CLIENT_KEY", &key),
            Row::new(
                "CLAUDE_CODE_CLIENT_KEY",
                identity,
                "off",
                (&key, both),
                wrong,
                "off",
            )
            .needs("CLAUDE_CODE_CLIENT_CERT", &certificate),
            Row::new(
                "NODE_EXTRA_CA_CERTS",
                trust,
                "platform",
                (&certificate, "and NODE_EXTRA_CA_CERTS"),
                // An unreadable file is left out, as in Node.js.
                reads.then_some((&missing, "and NODE_EXTRA_CA_CERTS")),
                "platform",
            ),
        ]);
    }
    rows.into_iter()
        .map(|row| row.needs("OTEL_EXPORTER_OTLP_ENDPOINT", "https://h"))
        .collect()
}

/// Returns a probe of the OTLP exporter of a signal.
fn probe(signal: usize, show: fn(&OtlpConfig) -> String) -> impl Fn(&Config) -> String + Copy {
    move |config: &Config| {
        exporters(config)[signal]
            .as_ref()
            .map_or("off".to_owned(), show)
    }
}

fn otlp_rows(part: &str, signal: usize) -> Vec<Row> {
    let name = |suffix| format!("OTEL_EXPORTER_OTLP_{part}{suffix}");
    let probe = |show| probe(signal, show);
    let protocol = probe(|otlp| format!("{:?}", otlp.protocol));
    let endpoint = probe(|otlp| otlp.endpoint.to_string());
    let default = [
        "http://localhost:4318/v1/metrics",
        "http://localhost:4318/v1/logs",
        "http://localhost:4318/v1/traces",
    ][signal];
    let appended = [
        "http://h/b/v1/metrics",
        "http://h/b/v1/logs",
        "http://h/b/v1/traces",
    ][signal];
    let url = if part.is_empty() {
        appended
    } else {
        "http://h/b"
    };
    let headers = probe(|otlp| {
        let shown: Vec<_> = otlp
            .headers
            .iter()
            .map(|(n, v)| format!("{n}:{}", v.value.expose()))
            .collect();
        shown.join(";")
    });
    let compression = probe(|otlp| format!("{:?}", otlp.compression));
    let timeout = probe(|otlp| otlp.timeout.as_millis().to_string());
    vec![
        Row::new(
            name("PROTOCOL"),
            protocol,
            "HttpProtobuf",
            ("http/json", "HttpJson"),
            Some(("http", "HttpProtobuf")),
            "HttpProtobuf",
        ),
        Row::new(
            name("PROTOCOL"),
            protocol,
            "HttpProtobuf",
            ("grpc", "Grpc"),
            None,
            "HttpProtobuf",
        ),
        Row::new(
            name("ENDPOINT"),
            endpoint,
            default,
            ("http://h/b", url),
            Some(("h:4318", "off")),
            default,
        ),
        Row::new(
            name("ENDPOINT"),
            protocol,
            "HttpProtobuf",
            ("http://h:4317", "Grpc"),
            Some(("ftp://h:4317", "off")),
            "HttpProtobuf",
        ),
        Row::new(
            name("INSECURE"),
            endpoint,
            "https://h:4317/",
            ("Yes", "http://h:4317/"),
            Some(("maybe", "https://h:4317/")),
            "https://h:4317/",
        )
        .needs_in_environment("OTEL_EXPORTER_OTLP_ENDPOINT", "h:4317"),
        Row::new(
            name("HEADERS"),
            headers,
            "",
            ("A=b%20c", "a:b c"),
            Some(("x,a=b", "a:b")),
            "",
        ),
        Row::new(
            name("TIMEOUT"),
            timeout,
            "10000",
            ("1", "1"),
            Some(("0", "1")),
            "10000",
        ),
        Row::new(
            name("TIMEOUT"),
            timeout,
            "10000",
            ("20", "20"),
            Some(("20ms", "10000")),
            "10000",
        ),
        Row::new(
            name("COMPRESSION"),
            compression,
            "None",
            ("gzip", "Gzip"),
            Some(("zstd", "None")),
            "None",
        ),
        Row::new(
            name("COMPRESSION"),
            compression,
            "None",
            ("none", "None"),
            Some(("GZIP", "None")),
            "None",
        ),
    ]
}
