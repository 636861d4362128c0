//! Programs for hosts, and what they say back.
use crate::act::{Act, Payload};
use crate::ask::{Answers, Asks};
use crate::frame::{Frame, Garbled, Reader};
use crate::host::{Host, View, needed};
use crate::kind::{Difference, Judgement};
use crate::mark::PLACE;
use crate::prelude::*;
use crate::secret::Secrets;
use crate::ticket::Ticket;
use crate::words::{Mode, Path, root};
use incline_model::desired::Stage;
use incline_model::quote::shell;

/// The command that a program is started by that nothing follows: the shell reads it from its standard input.
pub const SHELL: &str = "/bin/sh -s";

/// The command that a program is started by that contents follow: it reads so many bytes of its standard input, and runs them. dd is the
/// one tool of which every make reads no byte more than it is told to, so that contents can follow.
///
/// `exec` saves a process where the login shell knows it; all login shells know this line's quotes.
pub fn bootstrap(bytes: usize) -> String {
    format!(r#"/bin/sh -c 'eval "$(dd bs=$0 count=1 iflag=fullblock 2>/dev/null)"' {bytes}"#)
}

/// Library text as it is sent: without comments.
pub(crate) fn bare(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#') && !line.is_empty())
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// In braces, so that a shell that got only part of it runs none of it.
fn whole(text: &str) -> String {
    format!("{{\n{text}}}\n")
}

fn opening(nonce: &str, who: &str, asks: &Asks) -> String {
    let library = bare(include_str!("library.sh"));
    format!("NONCE={}\nWHO={}\n{library}{}", shell(nonce), shell(who), asks.program())
}

/// A program that looks, and ends. `nonce` is new for every run; `who` is told to whoever finds the host locked.
pub fn look(nonce: &str, who: &str, asks: &Asks) -> String {
    whole(&format!("{}look\nprobe\nlooked\nemit asked 0 0 ''\nemit end 0 0 ''\nexit 0\n", opening(nonce, who, asks)))
}

/// A program that looks, keeps everyone else off, and waits for another program: its length in bytes on a line, then
/// itself, then its payloads. It ends without one.
pub fn hold(nonce: &str, who: &str, asks: &Asks) -> String {
    let library = bare(include_str!("changes.sh"));
    whole(&format!(
        "{library}{}lock\nprobe\nemit asked 0 0 ''\nif IFS= read -r bytes <&3 && [ -n \"$bytes\" ]; then eval \"$(take \"$bytes\")\"; fi\n",
        opening(nonce, who, asks)
    ))
}

/// A program that does what another host needs. It changes nothing that is an item of this one, and takes no lock.
pub(crate) fn errand(nonce: &str, who: &str, text: &str) -> String {
    let library = bare(include_str!("changes.sh"));
    whole(&format!("{library}{}{text}exit 0\n", opening(nonce, who, &Asks::default())))
}

/// A change of one stage of a host.
#[derive(Debug)]
pub struct Change {
    /// The program.
    pub program: String,
    /// What follows it, in order.
    pub payloads: Vec<Payload>,
    /// The items that are touched, by the numbers by which the program speaks of them.
    pub items: Vec<String>,
}

/// What makes a stage of a host so, given how it is. `ticket` lets it into its cluster, where it joins one. `local` has the lengths in bytes of the files that may be sent.
///
/// # Errors
/// The mark cannot be read.
pub fn change(
    host: &Host,
    site: &str,
    stage: Stage,
    (seen, view): (&Answers, &View),
    secrets: &Secrets,
    ticket: Option<&Ticket>,
    local: &BTreeMap<String, u64>,
) -> Result<Change, String> {
    let old = host.mark(site).read(seen)?;
    let (before, after) = host.stage_marks(stage, &old, view);
    let mut act = Act { ticket, ..Act::new(secrets, local) };
    let mut items = Vec::new();
    mark(&mut act, old.with(stage.name(), before));
    let mut due: BTreeSet<String> = view.pending.iter().cloned().collect();
    for (entry, seen) in host.entries(stage).iter().zip(&view.items) {
        if let Judgement::Differs(difference) = &seen.judgement {
            // What an item stands on is told before it: a mount finds the daemon with the configuration of this very run.
            let told_now = |handler: &String| {
                entry.item.after().iter().any(|unit| handler.split_once(' ').is_some_and(|(_, of)| of == unit.as_str()))
            };
            let now = due.extract_if(.., told_now).collect();
            for handler in needed(now) {
                told(&mut act, &mut items, handler);
            }
            announced(&mut act, &mut items, entry.item.id(), |act| entry.item.act(difference, act));
            due.extend(entry.handlers());
        }
    }
    for (id, item) in &view.unwanted {
        announced(&mut act, &mut items, id.clone(), |act| item.act(&Difference::default(), act));
    }
    for handler in needed(due) {
        told(&mut act, &mut items, handler);
    }
    // A mark that says that all is done must not outlive what was done.
    let folders: Vec<String> = core::mem::take(&mut act.folders).into_iter().collect();
    act.call("ashore", &folders.iter().map(String::as_str).collect::<Vec<_>>());
    mark(&mut act, old.with(stage.name(), after));
    Ok(finish(act, items))
}

/// A change that looks at the host once more before it ends.
pub(crate) fn finish(mut act: Act<'_>, items: Vec<String>) -> Change {
    act.text.push_str("release\nprobe\nemit asked 0 0 ''\nemit end 0 0 ''\n");
    Change { program: whole(&act.text), payloads: act.payloads, items }
}

fn announced(act: &mut Act<'_>, items: &mut Vec<String>, name: String, work: impl FnOnce(&mut Act<'_>)) {
    let number = items.len().to_string();
    items.push(name);
    act.text.push_str(&format!("I={number}\nemit begin {number} 0 ''\n"));
    work(act);
    act.text.push_str(&format!("emit done {number} 0 ''\n"));
}

/// Tells a unit.
fn told(act: &mut Act<'_>, items: &mut Vec<String>, handler: String) {
    let (verb, unit) = handler.split_once(' ').unwrap_or((&handler, ""));
    announced(act, items, handler.clone(), |act| act.call("started", &[verb, unit]));
}

/// Writes the mark, or takes it away where nothing of incline is left.
fn mark(act: &mut Act<'_>, text: Option<String>) {
    let Ok(path) = Path::try_from(PLACE.to_owned()) else { return };
    let Some(text) = text else {
        act.script("run rm -f -- \"$1\"\nif [ -d \"$2\" ]; then ashore \"$2\"; fi", &[PLACE, path.folder()]);
        return;
    };
    act.call("run", &["mkdir", "-p", path.folder()]);
    act.put(&path, Mode(0o600), &root(), &root(), text.as_bytes());
}

/// What a host says while a program runs.
#[derive(Debug)]
pub enum Heard {
    /// Somebody else is at work there.
    Busy(String),
    /// It cannot be worked on.
    Refused(String),
    /// All questions are answered.
    Asked(Box<Answers>),
    /// An item is begun.
    Begun(usize),
    /// An item is done.
    Done(usize),
    /// An item failed, and with it the stage.
    Failed(usize, String),
    /// A ticket was made.
    Ticket(Box<Ticket>),
    /// The program has come to its end.
    End,
}

/// One conversation with a host: the stream of what it says → what that means.
#[derive(Debug)]
pub struct Conversation {
    reader: Reader,
    asks: Asks,
    nonce: String,
    frames: Vec<Frame>,
}

impl Conversation {
    /// A conversation in which these questions are asked.
    pub fn new(nonce: &str, asks: Asks) -> Self {
        Self { reader: Reader::new(nonce), asks, nonce: nonce.to_owned(), frames: Vec::new() }
    }

    /// Takes more of the stream in.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.reader.feed(bytes);
    }

    /// What was heard next, if it is whole.
    ///
    /// # Errors
    /// What came is not what our program says.
    pub fn hear(&mut self) -> Result<Option<Heard>, Garbled> {
        while let Some(frame) = self.reader.frame()? {
            let text = || String::from_utf8_lossy(&frame.text).into_owned();
            return Ok(Some(match frame.topic.as_str() {
                "busy" => Heard::Busy(text()),
                "refused" => Heard::Refused(text()),
                "begin" => Heard::Begun(frame.index),
                "done" => Heard::Done(frame.index),
                "failed" => Heard::Failed(frame.index, text()),
                "ticket" => Heard::Ticket(Box::new(Ticket::read(&frame))),
                "end" => Heard::End,
                "asked" => {
                    let frames = core::mem::take(&mut self.frames);
                    let answers = Answers { answers: self.asks.answers(&frames), nonce: self.nonce.clone() };
                    Heard::Asked(Box::new(answers))
                }
                _ => {
                    self.frames.push(frame);
                    continue;
                }
            }));
        }
        Ok(None)
    }
}
