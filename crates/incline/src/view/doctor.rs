//! What can be reached and what cannot, for people.
use super::style;
use crate::command::doctor::Findings;

/// A block a site, a line a thing that was tried.
pub(crate) fn text(all: &[Findings]) -> String {
    let mut text = String::new();
    for findings in all {
        text.push_str(&format!("{}  {}\n", style::bold(&findings.of), style::dim(&findings.place)));
        let width = findings.tried.iter().map(|tried| tried.what.chars().count()).max().unwrap_or(0);
        for tried in &findings.tried {
            let mark = if tried.works { style::green("✓") } else { style::red("✗") };
            text.push_str(&format!("  {mark} {:<width$}  {}\n", tried.what, tried.how));
            if let Some(hint) = &tried.hint {
                text.push_str(&format!("    {:<width$}  {}\n", "", style::dim(hint)));
            }
        }
        text.push('\n');
    }
    let failed = all.iter().flat_map(|findings| &findings.tried).filter(|tried| !tried.works).count();
    text.push_str(&match failed {
        0 => format!("{}\n", style::green("All of it can be reached.")),
        1 => format!("{}\n", style::red("1 thing does not work.")),
        failed => format!("{}\n", style::red(&format!("{failed} things do not work."))),
    });
    text
}
