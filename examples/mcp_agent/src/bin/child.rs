//! A child process that prints the trace context of its environment.

fn main() {
    println!("{}", mcp_agent::server::environment());
}
