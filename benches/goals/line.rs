//! A goal's line, and children of this process that measure what only a fresh process can show.

use std::fmt::Display;
use std::process::Command;

/// The argument that gives a child its role.
const CHILD: &str = "--child";

/// What is measured should be this or less.
pub(crate) fn at_most(name: &str, measured: f64, target: f64, unit: &str) {
    print(name, measured, target, unit, "at most", measured <= target);
}

/// What is measured should be this or more.
pub(crate) fn at_least(name: &str, measured: f64, target: f64, unit: &str) {
    print(name, measured, target, unit, "at least", measured >= target);
}

fn print(name: &str, measured: f64, target: f64, unit: &str, bound: &str, ok: bool) {
    let word = if ok { "ok" } else { "short" };
    println!(
        "goal {name}: {} {unit} target {bound} {target} {unit} {word}",
        shown(measured)
    );
}

/// A goal that cannot be measured here.
pub(crate) fn unknown(name: &str, why: &str) {
    println!("goal {name}: not measured: {why}");
}

/// What a goal's figure comes from.
pub(crate) fn note(text: impl Display) {
    println!("     {text}");
}

/// A number with as many digits as say something.
pub(crate) fn shown(number: f64) -> String {
    match number.abs() {
        small if small < 10.0 => format!("{number:.2}"),
        middle if middle < 100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// The role of this process, when it is a child.
pub(crate) fn role() -> Option<String> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next()? == CHILD).then(|| arguments.next())?
}

/// What follows the role.
pub(crate) fn argument() -> String {
    std::env::args().nth(3).unwrap_or_default()
}

/// The numbers that a child prints, each behind its name.
pub(crate) struct Said(String);

impl Said {
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        let mut words = self.0.split_whitespace();
        words.find(|word| *word == name)?;
        words.next()?.parse().ok()
    }
}

/// Runs a child.
pub(crate) fn child(role: &str, argument: &str) -> Said {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([CHILD, role, argument])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Said(said)
}

/// Runs a child so many times.
pub(crate) fn children(rounds: usize, role: &str, argument: &str) -> Vec<Said> {
    (0..rounds).map(|_| child(role, argument)).collect()
}

/// The smallest number that they say behind a name.
pub(crate) fn smallest(children: &[Said], name: &str) -> Option<f64> {
    let numbers = children.iter().filter_map(|said| said.get(name));
    numbers.min_by(f64::total_cmp)
}

/// The child's side: a number behind its name.
pub(crate) fn say(name: &str, number: impl Display) {
    println!("{name} {number}");
}
