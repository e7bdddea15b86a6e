//! A host program that a test drives. Each line of standard input is a command, each line of standard output its
//! response.
//!
//! It is a separate program and not part of the test binary, because limits, signals and users apply to a whole
//! process, and because it is also built with `panic = "abort"`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[cfg(unix)]
fn main() {
    unix::main();
}

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{self, BufRead, Write};
    use std::sync::{Arc, Mutex};

    use claude_code_telemetry::{
        Commit, Config, Identity, Service, Session, SessionOptions, Telemetry, UserPrompt,
    };
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use nix::sys::signal::{SigHandler, SigSet, Signal};
    use nix::unistd::Uid;
    use opentelemetry::metrics::MeterProvider;
    use serde_json::{Value, json};

    /// The writer of the console exporter: a file in the home directory, because standard output holds the responses.
    /// The first write opens it, so that it uses no file descriptor in tests that limit their number.
    #[derive(Default)]
    struct Console(Option<File>);

    impl Write for Console {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.is_none() {
                let home = std::env::var("HOME").map_err(io::Error::other)?;
                self.0 = Some(File::create(home + "/console")?);
            }
            self.0.as_mut().map_or(Ok(0), |file| file.write(bytes))
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.as_mut().map_or(Ok(()), Write::flush)
        }
    }

    struct Host {
        telemetry: Telemetry,
        session: Session,
        diagnostics: Arc<Mutex<Vec<String>>>,
    }

    pub(super) fn main() {
        let mut host = None;
        for line in std::io::stdin().lock().lines() {
            let line = line.unwrap();
            let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
            let response = match command {
                "user" => become_unprivileged_user(argument.parse().unwrap()),
                "limit-threads" => limit(Resource::RLIMIT_NPROC, argument),
                "limit-files" => limit(Resource::RLIMIT_NOFILE, argument),
                "default-sigpipe" => default_sigpipe(),
                "start" => {
                    host = Some(Host::start());
                    Value::Null
                }
                "block-sigterm" => block_sigterm(),
                "wait-for-sigterm" => wait_for_sigterm(),
                "diagnose" => json!(Config::load().diagnose().to_string()),
                command => host.as_ref().expect("started").respond(command, argument),
            };
            println!("{response}");
        }
    }

    /// Drops the superuser's privileges, because thread limits do not apply to the superuser.
    fn become_unprivileged_user(id: u32) -> Value {
        nix::unistd::setuid(Uid::from_raw(id)).unwrap();
        Value::Null
    }

    /// Sets a soft limit; `max` raises it to the hard limit.
    fn limit(resource: Resource, limit: &str) -> Value {
        let (_, most) = getrlimit(resource).unwrap();
        setrlimit(resource, limit.parse().unwrap_or(most), most).unwrap();
        Value::Null
    }

    /// Restores the default action of SIGPIPE, which hosts in other languages have, and Rust programs that undo what
    /// Rust sets at startup.
    #[allow(unsafe_code)]
    fn default_sigpipe() -> Value {
        // SAFETY: the default action runs no code of this program.
        unsafe { nix::sys::signal::signal(Signal::SIGPIPE, SigHandler::SigDfl) }.unwrap();
        Value::Null
    }

    /// Blocks SIGTERM on this thread, like a host that reads a signalfd.
    fn block_sigterm() -> Value {
        sigterm().thread_block().unwrap();
        Value::Null
    }

    /// Waits for a pending SIGTERM and returns its name.
    fn wait_for_sigterm() -> Value {
        json!(sigterm().wait().unwrap().as_str())
    }

    fn sigterm() -> SigSet {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGTERM);
        signals
    }

    impl Host {
        /// Starts telemetry with the configuration of the environment.
        fn start() -> Self {
            let diagnostics = Arc::new(Mutex::new(Vec::new()));
            let sink = Arc::clone(&diagnostics);
            let telemetry = Telemetry::builder(Config::load(), Service::new("host", "1.2.3"))
                .console_writer(Console::default())
                .on_diagnostic(move |diagnostic| sink.lock().unwrap().push(diagnostic.to_string()))
                .start();
            let options = SessionOptions::from(Identity::new().user_id("user"));
            Self {
                session: telemetry.session(options.id("session")),
                telemetry,
                diagnostics,
            }
        }

        fn respond(&self, command: &str, argument: &str) -> Value {
            match command {
                // `prompts COUNT BYTES` records prompts of this length, which are never truncated.
                "prompts" => {
                    let (count, size) = argument.split_once(' ').unwrap();
                    let text = "x".repeat(size.parse().unwrap());
                    for _ in 0..count.parse().unwrap() {
                        self.session
                            .record_user_prompt(UserPrompt::new(text.clone()));
                    }
                    Value::Null
                }
                "commit" => {
                    self.session.record_commit(Commit::new());
                    Value::Null
                }
                // Adds to a counter that the host created.
                "count-hit" => {
                    let meter = self.telemetry.providers().meter_provider().meter("host");
                    meter.u64_counter("hits").build().add(1, &[]);
                    Value::Null
                }
                "flush" => {
                    let report = self.telemetry.flush();
                    json!({"complete": report.is_complete(), "in_time": report.in_time})
                }
                "flush-async" => {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .build()
                        .unwrap();
                    let report = runtime.block_on(self.telemetry.flush_async());
                    json!({"complete": report.is_complete(), "in_time": report.in_time})
                }
                "reconfigure" => json!(self.telemetry.reconfigure(Config::load())),
                "shutdown" => json!({"complete": self.telemetry.shutdown().is_complete()}),
                "health" => {
                    let health = self.telemetry.health();
                    let exporters = health.exporters.iter().map(|exporter| {
                        json!({
                            "signal": exporter.signal.to_string(),
                            "exporter": exporter.exporter.to_string(),
                            "state": format!("{:?}", exporter.state),
                            "delivered": exporter.delivered,
                            "queued": exporter.queued,
                            "lost": exporter.dropped.total(),
                            "error": exporter.last_error.as_ref().map(|error| error.message.clone()),
                            "addresses": exporter.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
                        })
                    });
                    exporters.collect()
                }
                "diagnostics" => json!(*self.diagnostics.lock().unwrap()),
                other => json!(format!("unknown: {other}")),
            }
        }
    }
}
