//! The end of an audit trail, kept on a host, where whoever writes the trail on another machine cannot take it back.
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::program::{Change, finish};
use crate::secret::Secrets;
use crate::words::{Mode, Path, root};

/// Where they are kept, one file a trail.
const FOLDER: &str = "/var/lib/incline/audit";

/// What a file holds. Words: the file.
const KEPT: Topic = Topic {
    name: "anchor",
    program: r#"
if [ -f "$1" ]; then emit anchor "$i" 0 "$(cat -- "$1")"; else emit anchor "$i" 1 ''; fi
"#,
    split: None,
    aside: false,
};

/// A trail, by its id.
#[derive(Debug, Clone, Copy)]
pub struct Anchor<'a>(pub &'a str);

impl Anchor<'_> {
    fn path(self) -> String {
        format!("{FOLDER}/{}", self.0)
    }

    /// The question what a host keeps of the trail.
    pub fn asks(self) -> Asks {
        let mut asks = Asks::default();
        asks.ask(&KEPT, &[&self.path()]);
        asks
    }

    /// What a host keeps of the trail; nothing where it keeps nothing.
    ///
    /// # Errors
    /// It did not say.
    pub fn kept(self, answers: &Answers) -> Result<Option<String>, String> {
        let answer = answers.get(&KEPT, &[&self.path()])?;
        Ok(answer.is_yes().then(|| answer.text()))
    }

    /// The change that has a host keep this.
    ///
    /// # Errors
    /// The trail's id is no file name.
    pub fn keep(self, text: &str) -> Result<Change, String> {
        let path = Path::try_from(self.path()).map_err(|_| format!("`{}` is no trail", self.0))?;
        let (secrets, local) = (Secrets::new(), BTreeMap::new());
        let mut act = Act::new(&secrets, &local);
        act.run(&["mkdir", "-p", FOLDER]);
        act.put(&path, Mode(0o600), &root(), &root(), text.as_bytes());
        act.call("ashore", &[FOLDER]);
        Ok(finish(act, Vec::new()))
    }
}
