//! Three users who connect at the same time.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const USERS: [(&str, &str, usize); 3] = [
    ("acme", "kim@acme.example", 1),
    ("acme", "lee@acme.example", 2),
    ("umbrella", "max@umbrella.example", 3),
];

/// Runs all users concurrently, and returns the sorted summaries of their answers.
pub(crate) async fn all(server: SocketAddr) -> io::Result<Vec<String>> {
    let mut users = JoinSet::new();
    for (organization, email, prompts) in USERS {
        users.spawn(user(server, organization, email, prompts));
    }
    let mut answers: Vec<String> = users
        .join_all()
        .await
        .into_iter()
        .collect::<io::Result<_>>()?;
    answers.sort();
    Ok(answers)
}

/// Signs in, submits prompts, and disconnects.
async fn user(
    server: SocketAddr,
    organization: &str,
    email: &str,
    prompts: usize,
) -> io::Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    let (reader, mut writer) = stream.split();
    let mut answers = BufReader::new(reader).lines();
    let login = format!("login {organization} {email}\n");
    writer.write_all(login.as_bytes()).await?;
    answers.next_line().await?;
    let mut answered = 0;
    for n in 1..=prompts {
        let prompt = format!("prompt {n} of {email}\n");
        writer.write_all(prompt.as_bytes()).await?;
        answered += usize::from(answers.next_line().await?.is_some());
    }
    Ok(format!("{email}: {answered} of {prompts} prompts answered"))
}
