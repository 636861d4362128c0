//! Questions. Nobody is asked where nobody sits: without a terminal there is no answer.
use crate::error::Failure;
use std::io::{BufRead, IsTerminal, Write};
use zeroize::Zeroizing;

/// Whether somebody can be asked.
pub(crate) fn is_possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a line.
fn line(question: &str) -> Option<String> {
    if !is_possible() {
        return None;
    }
    eprint!("{question} ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).ok()?;
    Some(answer.trim().to_owned())
}

/// Asks for something that is not shown while it is typed.
pub(crate) fn hidden(question: &str) -> Option<Zeroizing<String>> {
    is_possible().then(|| rpassword::prompt_password(question).ok()).flatten().map(Zeroizing::new)
}

/// Asks whether to go on. Only `yes` is a yes.
pub(crate) fn yes(question: &str) -> bool {
    line(&format!("{question} Only `yes` goes on:")).is_some_and(|answer| answer == "yes")
}

/// Goes on only where a site's name is typed out: here, or as an argument.
pub(crate) fn confirmed(site: &str, argument: Option<&str>, does: &str) -> Result<(), Failure> {
    let typed = match argument {
        Some(typed) => Some(typed.to_owned()),
        None => line(&format!("This {does} {site}. Type its name to go on:")),
    };
    if typed.as_deref() == Some(site) {
        return Ok(());
    }
    Err(Failure::Other {
        cause: "nothing was removed or changed".to_owned(),
        hint: typed.is_none().then(|| format!("without a terminal, `--confirm {site}` goes on")),
    })
}

/// The code of an MFA device: from the environment, or from who sits there.
pub(crate) fn code(device: &str) -> Option<String> {
    std::env::var("INCLINE_MFA_CODE")
        .ok()
        .or_else(|| line(&format!("Code of {device}:")))
        .filter(|code| !code.is_empty())
}
