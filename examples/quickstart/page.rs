//! Text output in columns: width, color, wrapping.

use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};

/// The style of a piece of text on a color terminal.
#[derive(Clone, Copy)]
pub(crate) enum Tone {
    Plain,
    /// Headings and figures.
    Strong,
    /// Names of metrics and events.
    Name,
    /// Keys, lines, units.
    Faint,
    /// Failures and rejections.
    Bad,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "1",
            Self::Name => "36",
            Self::Faint => "2",
            Self::Bad => "31",
        }
    }
}

/// A line of output that consists of styled pieces.
#[derive(Clone, Default)]
pub(crate) struct Text {
    pieces: Vec<(Tone, String)>,
}

impl Text {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(mut self, tone: Tone, piece: impl Into<String>) -> Self {
        self.pieces.push((tone, piece.into()));
        self
    }

    pub(crate) fn append(mut self, other: Text) -> Self {
        self.pieces.extend(other.pieces);
        self
    }

    /// Pads the text on the right with blanks, up to a width.
    pub(crate) fn pad(self, width: usize) -> Self {
        let missing = width.saturating_sub(self.width());
        self.add(Tone::Plain, " ".repeat(missing))
    }

    pub(crate) fn width(&self) -> usize {
        self.pieces.iter().map(|(_, it)| it.chars().count()).sum()
    }
}

/// Distributes words over as few lines as possible, with two blanks between words. Returns at least one line.
pub(crate) fn wrap(words: impl IntoIterator<Item = Text>, width: usize) -> Vec<Text> {
    let mut lines = vec![Text::new()];
    for word in words {
        let Some(line) = lines.last_mut() else { break };
        if line.width() == 0 {
            *line = word;
        } else if line.width() + 2 + word.width() <= width {
            *line = std::mem::take(line).add(Tone::Plain, "  ").append(word);
        } else {
            lines.push(word);
        }
    }
    lines
}

/// The output before it is printed.
pub(crate) struct Page {
    pub(crate) width: usize,
    color: bool,
    text: String,
}

impl Page {
    /// Creates a page for standard output. Uses color only on a terminal, and not if `NO_COLOR` is set.
    pub(crate) fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        let wish = env::var("COLUMNS").ok().and_then(|it| it.parse().ok());
        let window = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        Self {
            width: wish.or(window.filter(|_| terminal)).unwrap_or(100),
            color: terminal && env::var_os("NO_COLOR").is_none_or(|it| it.is_empty()),
            text: String::new(),
        }
    }

    pub(crate) fn line(&mut self, mut line: Text) {
        while line.pieces.pop_if(|(_, it)| it.trim().is_empty()).is_some() {}
        for (tone, piece) in &line.pieces {
            match tone.code() {
                code if self.color && !code.is_empty() => {
                    self.text.push_str(&format!("\x1b[{code}m{piece}\x1b[0m"));
                }
                _ => self.text.push_str(piece),
            }
        }
        self.text.push('\n');
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// Adds a heading with a rule below it.
    pub(crate) fn heading(&mut self, title: &str, note: &str) {
        self.blank();
        self.line(
            Text::new()
                .add(Tone::Strong, title)
                .add(Tone::Faint, format!("  {note}")),
        );
        self.line(Text::new().add(Tone::Faint, "─".repeat(self.width.min(120))));
    }

    /// Adds a paragraph that is wrapped between words.
    pub(crate) fn paragraph(&mut self, tone: Tone, indent: usize, text: &str) {
        let mut line = String::new();
        for word in text.split(' ') {
            if !line.is_empty()
                && indent + line.chars().count() + 1 + word.chars().count() > self.width
            {
                self.line(Text::new().pad(indent).add(tone, std::mem::take(&mut line)));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(Text::new().pad(indent).add(tone, line));
    }

    /// Prints the page and empties it. A reader that closes the pipe (`| head`) is not an error.
    pub(crate) fn print(&mut self) -> io::Result<()> {
        let text = std::mem::take(&mut self.text);
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            done => done,
        }
    }
}
