//! Colours. They are always written, and taken out again where the output is no terminal or `NO_COLOR` is set.

const RESET: &str = "\x1b[0m";

pub(crate) fn bold(text: &str) -> String {
    format!("\x1b[1m{text}{RESET}")
}

pub(crate) fn dim(text: &str) -> String {
    format!("\x1b[2m{text}{RESET}")
}

pub(crate) fn green(text: &str) -> String {
    format!("\x1b[32m{text}{RESET}")
}

pub(crate) fn yellow(text: &str) -> String {
    format!("\x1b[33m{text}{RESET}")
}

pub(crate) fn red(text: &str) -> String {
    format!("\x1b[31m{text}{RESET}")
}

pub(crate) fn magenta(text: &str) -> String {
    format!("\x1b[35m{text}{RESET}")
}
