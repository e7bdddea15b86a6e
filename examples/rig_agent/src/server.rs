//! A scripted model: a server on loopback that gives the answers of a list, in the format of the Messages API, and
//! shows the trace context of each request on standard error.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The time to the first token of a streamed answer.
const THINKING: Duration = Duration::from_millis(5);

/// An answer of the model.
pub(crate) enum Answer {
    /// A response, which is streamed if the request asks for it.
    Message(Value),
    /// The beginning of a streamed response, which goes on until the client leaves.
    Endless(Value),
    /// An error with its HTTP status.
    Error(u16, Value),
    /// No response: the server closes the connection.
    Disconnect,
}

impl Answer {
    /// Returns a response that ends the turn.
    pub(crate) fn text(text: &str) -> Self {
        Self::Message(message(
            "end_turn",
            &[json!({"type": "text", "text": text})],
        ))
    }

    /// Returns a response that calls tools: their ids, names and arguments.
    pub(crate) fn tools<const N: usize>(calls: [(&str, &str, Value); N]) -> Self {
        let calls = calls.map(
            |(id, name, input)| json!({"type": "tool_use", "id": id, "name": name, "input": input}),
        );
        Self::Message(message("tool_use", &calls))
    }

    /// Returns the beginning of a response.
    pub(crate) fn endless(text: &str) -> Self {
        Self::Endless(message(
            "end_turn",
            &[json!({"type": "text", "text": text})],
        ))
    }

    /// Returns an error.
    pub(crate) fn error(status: u16, kind: &str, message: &str) -> Self {
        let error = json!({"type": kind, "message": message});
        Self::Error(status, json!({"type": "error", "error": error}))
    }
}

fn message(stop_reason: &str, content: &[Value]) -> Value {
    json!({
        "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-6",
        "content": content, "stop_reason": stop_reason, "stop_sequence": null,
        "usage": {
            "input_tokens": 1_000, "output_tokens": 200,
            "cache_read_input_tokens": 10_000, "cache_creation_input_tokens": 0,
        },
    })
}

/// Starts the server with its answers, in order, and returns its address.
pub(crate) async fn start(script: Vec<Answer>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        for (number, answer) in script.into_iter().enumerate() {
            let (client, _) = listener.accept().await?;
            // A client may leave at any time.
            let _ = respond(client, number + 1, answer).await;
        }
        io::Result::Ok(())
    });
    Ok(address)
}

/// Reads one request, shows its trace context, and answers it.
async fn respond(client: TcpStream, number: usize, answer: Answer) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let request = read_request(&mut client).await?;
    let traceparent = request.traceparent.as_deref().unwrap_or("none");
    writeln!(io::stderr(), "request {number}, traceparent: {traceparent}")?;
    let wants_stream = request.body["stream"] == json!(true);
    match answer {
        Answer::Disconnect => {}
        Answer::Error(status, error) => {
            head(&mut client, number, status, "application/json").await?;
            client.write_all(error.to_string().as_bytes()).await?;
        }
        Answer::Message(message) if !wants_stream => {
            head(&mut client, number, 200, "application/json").await?;
            client.write_all(message.to_string().as_bytes()).await?;
        }
        Answer::Message(message) => {
            head(&mut client, number, 200, "text/event-stream").await?;
            stream(&mut client, &events(message)).await?;
        }
        Answer::Endless(message) => {
            head(&mut client, number, 200, "text/event-stream").await?;
            let events = events(message);
            let begun = events
                .iter()
                .position(|event| event["type"] == "content_block_stop");
            stream(&mut client, &events[..begun.unwrap_or(0)]).await?;
            // Returns when the client closes the connection.
            client.read_u8().await?;
        }
    }
    client.shutdown().await
}

/// The parts of a request that the server reads.
struct ModelRequest {
    traceparent: Option<String>,
    body: Value,
}

/// Reads a request.
async fn read_request(client: &mut BufReader<TcpStream>) -> io::Result<ModelRequest> {
    let (mut length, mut traceparent) = (0, None);
    loop {
        let mut line = String::new();
        client.read_line(&mut line).await?;
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap_or(0),
            Some(("traceparent", value)) => traceparent = Some(value.to_owned()),
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body).await?;
    let body = serde_json::from_slice(&body)?;
    Ok(ModelRequest { traceparent, body })
}

/// Writes the status and the headers of a response whose body ends with the connection.
async fn head(
    client: &mut BufReader<TcpStream>,
    number: usize,
    status: u16,
    content_type: &str,
) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Scripted\r\ncontent-type: {content_type}\r\nrequest-id: req_{number:02}\r\n\
         connection: close\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await
}

/// Writes server-sent events. The first token comes later than the first event.
async fn stream(client: &mut BufReader<TcpStream>, events: &[Value]) -> io::Result<()> {
    for (index, event) in events.iter().enumerate() {
        if index == 1 {
            tokio::time::sleep(THINKING).await;
        }
        let name = event["type"].as_str().unwrap_or_default();
        let event = format!("event: {name}\ndata: {event}\n\n");
        client.write_all(event.as_bytes()).await?;
    }
    Ok(())
}

/// Returns the events of a streamed response.
fn events(mut message: Value) -> Vec<Value> {
    let content = std::mem::replace(&mut message["content"], json!([]));
    let stop_reason = std::mem::take(&mut message["stop_reason"]);
    let output = std::mem::replace(&mut message["usage"]["output_tokens"], json!(1));
    let mut events = vec![json!({"type": "message_start", "message": message})];
    for (index, block) in content.as_array().into_iter().flatten().enumerate() {
        let (mut start, delta) = (block.clone(), &block["input"]);
        let delta = if block["type"] == "text" {
            start["text"] = json!("");
            json!({"type": "text_delta", "text": block["text"]})
        } else {
            start["input"] = json!({});
            json!({"type": "input_json_delta", "partial_json": delta.to_string()})
        };
        events.extend([
            json!({"type": "content_block_start", "index": index, "content_block": start}),
            json!({"type": "content_block_delta", "index": index, "delta": delta}),
            json!({"type": "content_block_stop", "index": index}),
        ]);
    }
    events.extend([
        json!({
            "type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": null},
            "usage": {"output_tokens": output},
        }),
        json!({"type": "message_stop"}),
    ]);
    events
}
