//! What a person at a terminal is asked.
use std::io::{BufRead, IsTerminal, Write};

/// Whether a person can be asked: both ends are a terminal.
pub(crate) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Asks for a yes. Without a terminal, the answer is no.
pub(crate) fn confirm(question: &str) -> bool {
    is_interactive() && matches!(answer(&format!("{question} [y/N] ")).trim(), "y" | "Y" | "yes")
}

/// Waits for Enter.
pub(crate) fn pause() {
    answer("\x1b[2mPress Enter to go on.\x1b[0m ");
}

fn answer(prompt: &str) -> String {
    print!("{prompt}");
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    let _ = std::io::stdin().lock().read_line(&mut line);
    line
}
