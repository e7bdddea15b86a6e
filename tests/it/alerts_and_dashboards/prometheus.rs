//! A real Prometheus server.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::stack;
use crate::port::free_port;

/// The longest time that a test waits for an expected state. The rules are evaluated once a minute.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// A running Prometheus server with the rules of the stack, which scrapes an endpoint every two seconds.
pub(crate) struct Prometheus {
    child: Child,
    port: u16,
    folder: TempDir,
}

/// A sample of a response: its labels and its value.
pub(crate) type Sample = (serde_json::Map<String, Value>, f64);

impl Prometheus {
    /// Starts a server that scrapes a port as the job `job`. With `honor_labels`, the label `job` of the scraped data takes
    /// precedence.
    pub(crate) fn start(job: &str, honor_labels: bool, scraped_port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rules = stack("prometheus/rules.yaml");
        let alerts = stack("prometheus/alerts.yaml");
        // Every JSON document is a YAML document.
        let config = serde_json::json!({
            // The rules define their own interval. This one is the default step of subqueries.
            "global": { "scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s" },
            "rule_files": [rules, alerts],
            "scrape_configs": [{
                "job_name": job,
                "honor_labels": honor_labels,
                "static_configs": [{ "targets": [format!("localhost:{scraped_port}")] }],
            }],
        });
        fs::write(folder.path().join("prometheus.yaml"), config.to_string()).unwrap();
        let port = free_port();
        let child = Command::new("prometheus")
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yaml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut prometheus = Self {
            child,
            port,
            folder,
        };
        prometheus.wait("ready", |prometheus| prometheus.get("/-/ready").0 == 200);
        prometheus
    }

    /// Polls until `condition` returns true. Panics after [`PATIENCE`].
    #[track_caller]
    pub(crate) fn wait(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            let ended = self.child.try_wait().unwrap();
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(ended.is_none(), "Prometheus ended: {log}");
            assert!(
                Instant::now() < deadline,
                "Prometheus is not {what} after {PATIENCE:?}: {log}"
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Returns the status and the body; status 0 if the server does not respond.
    fn get(&self, path: &str) -> (u16, String) {
        let exchange = || {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
            let mut response = String::new();
            stream.read_to_string(&mut response).map(|_| response)
        };
        let response: std::io::Result<String> = exchange();
        let Ok(response) = response else {
            return (0, String::new());
        };
        let (head, body) = response.split_once("\r\n\r\n").unwrap_or_default();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (status.unwrap_or(0), body.to_owned())
    }

    /// Returns the current samples of a query, or the error message.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<Sample>, String> {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (status, body) = self.get(&format!("/api/v1/query?query={escaped}"));
        if status != 200 {
            return Err(format!("{status} {body}"));
        }
        let response: Value = serde_json::from_str(&body).unwrap();
        let data = &response["data"];
        let number = |value: &Value| value[1].as_str().unwrap().parse().unwrap();
        Ok(match data["resultType"].as_str() {
            Some("vector") => {
                let samples = data["result"].as_array().unwrap();
                let sample = |s: &Value| {
                    (
                        s["metric"].as_object().unwrap().clone(),
                        number(&s["value"]),
                    )
                };
                samples.iter().map(sample).collect()
            }
            Some("scalar") => vec![(serde_json::Map::new(), number(&data["result"]))],
            other => panic!("{other:?} for {query}"),
        })
    }

    /// Returns the only value of a query, or `None` if there is no data.
    #[track_caller]
    pub(crate) fn value(&self, query: &str) -> Option<f64> {
        let samples = self.query(query).unwrap();
        assert!(samples.len() <= 1, "{query}: {samples:?}");
        samples.first().map(|(_, value)| *value)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
