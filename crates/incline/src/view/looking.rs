//! What is seen while hosts are looked at: how many have answered, and how many have not.
use super::run::look;
use super::style;
use incline_host::Sighting;
use indicatif::ProgressBar;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

/// A look at hosts that is under way.
pub(crate) struct Looking {
    bar: Option<ProgressBar>,
    count: usize,
    done: Mutex<(usize, usize)>,
}

impl Looking {
    /// A look at so many hosts. Only a terminal sees it.
    pub(crate) fn new(count: usize, json: bool) -> Self {
        let bar = (!json && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(look("{spinner:.yellow} {wide_msg}"));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar.set_message(format!("looking at {}", super::count(count, "host")));
            bar
        });
        Self { bar, count, done: Mutex::default() }
    }

    /// A host has answered, or has not.
    pub(crate) fn told(&self, sighting: &Sighting) {
        let Ok(mut done) = self.done.lock() else { return };
        done.0 += 1;
        done.1 += usize::from(!matches!(sighting, Sighting::Seen(_)));
        if let Some(bar) = &self.bar {
            let missing =
                if done.1 == 0 { String::new() } else { style::red(&format!(", {} without an answer", done.1)) };
            bar.set_message(format!("looking at {}: {} done{missing}", super::count(self.count, "host"), done.0));
        }
    }

    /// Takes it away.
    pub(crate) fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
