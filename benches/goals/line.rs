//! The output lines of goals, and child processes for measurements that need a fresh process.

use std::fmt::Display;
use std::process::Command;

/// The first argument of a child; its role follows.
const CHILD: &str = "--child";

/// Prints a goal whose measured value should be at most `target`.
pub(crate) fn at_most(name: &str, measured: f64, target: f64, unit: &str) {
    print(name, measured, target, unit, "at most", measured <= target);
}

/// Prints a goal whose measured value should be at least `target`.
pub(crate) fn at_least(name: &str, measured: f64, target: f64, unit: &str) {
    print(name, measured, target, unit, "at least", measured >= target);
}

fn print(name: &str, measured: f64, target: f64, unit: &str, bound: &str, is_met: bool) {
    let verdict = if is_met { "met" } else { "missed" };
    println!(
        "goal {name}: {} {unit} target {bound} {target} {unit} {verdict}",
        formatted(measured)
    );
}

/// Prints a goal that cannot be measured on this system.
pub(crate) fn unknown(name: &str, reason: &str) {
    println!("goal {name}: not measured: {reason}");
}

/// Prints a detail of a goal.
pub(crate) fn note(text: impl Display) {
    println!("     {text}");
}

/// Formats a number with about three significant digits.
pub(crate) fn formatted(number: f64) -> String {
    match number.abs() {
        small if small < 10.0 => format!("{number:.2}"),
        middle if middle < 100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// Returns the role of this process, or `None` if it is not a child.
pub(crate) fn role() -> Option<String> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next()? == CHILD).then(|| arguments.next())?
}

/// Returns the argument that follows the role, or an empty string.
pub(crate) fn argument() -> String {
    std::env::args().nth(3).unwrap_or_default()
}

/// The standard output of a child: pairs of a name and a number, printed by [`report`].
pub(crate) struct ChildOutput(String);

impl ChildOutput {
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        let mut words = self.0.split_whitespace();
        words.find(|word| *word == name)?;
        words.next()?.parse().ok()
    }
}

/// Runs this program as a child with a role and an argument, and returns its output.
pub(crate) fn child(role: &str, argument: &str) -> ChildOutput {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([CHILD, role, argument])
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{stdout}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    ChildOutput(stdout)
}

/// Runs a child `rounds` times, one after another.
pub(crate) fn children(rounds: usize, role: &str, argument: &str) -> Vec<ChildOutput> {
    (0..rounds).map(|_| child(role, argument)).collect()
}

/// Returns the smallest number that the children printed for a name.
pub(crate) fn smallest(children: &[ChildOutput], name: &str) -> Option<f64> {
    let numbers = children.iter().filter_map(|child| child.get(name));
    numbers.min_by(f64::total_cmp)
}

/// Prints a measured number with its name; a child calls this.
pub(crate) fn report(name: &str, number: impl Display) {
    println!("{name} {number}");
}
