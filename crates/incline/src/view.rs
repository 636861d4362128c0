//! What the user reads. Results go to stdout, diagnostics to stderr; colours only to a terminal that wants them.
pub(crate) mod ask;
pub(crate) mod audit;
pub(crate) mod doctor;
pub(crate) mod dot;
pub(crate) mod drift;
pub(crate) mod failure;
pub(crate) mod junit;
pub(crate) mod looking;
pub(crate) mod metrics;
pub(crate) mod news;
pub(crate) mod nodes;
pub(crate) mod page;
pub(crate) mod plan;
pub(crate) mod run;
pub(crate) mod safeguards;
pub(crate) mod sarif;
pub(crate) mod style;
pub(crate) mod svg;

use crate::error::Failure;
use std::io::Write;

/// Prints a result. A reader that has gone away (`incline plan | head`) is no failure.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::file("write", "stdout")(error)),
        _ => Ok(()),
    }
}

/// A value as JSON for people and machines, with a newline at its end.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value);
    Ok(text.map_err(|error| Failure::Other { cause: error.to_string(), hint: None })? + "\n")
}

/// Tells of something that went wrong and holds nothing up.
pub(crate) fn warn(text: &str) {
    anstream::eprintln!("{}{text}", style::yellow("warning: "));
}

/// The terminal's width in columns; 100 where there is none.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0)).clamp(60, 160)
}

/// A number and its noun.
pub(crate) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Now, as RFC 3339 writes it, in UTC.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()
}

/// Today, as RFC 3339 writes it, in UTC.
pub(crate) fn today() -> String {
    now().chars().take(10).collect()
}
