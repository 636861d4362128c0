//! A file that is fetched by the host or sent to it, checked by its digest before it gets its name, and perhaps unpacked.
use super::path::{STAT, ask_sum, compare_ownership, stat, sum};
use super::{Absent, Command, Difference, Item, Judgement, Kind, known};
use crate::act::{Act, Payload};
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{Digest, Mode, Path, Url, root};
use incline_model::lock::{NOT_PINNED, Pin};
use incline_model::quote::shell;
use serde::{Deserialize, Serialize};

/// Whether what was unpacked is still what the archive held: a list of digests that was made when it was unpacked, of
/// which the first line names the archive.
const UNPACKED: Topic = Topic {
    name: "unpacked",
    program: r#"
while [ $# -gt 2 ]; do
  if ! [ -f "$2" ]; then emit unpacked "$i" 1 'not unpacked'
  elif ! IFS= read -r first <"$2" || [ "$first" != "archive $3" ]; then emit unpacked "$i" 1 'another archive is unpacked'
  elif out=$(cd "$1" && grep -v '^archive ' "$2" | sha256sum -c 2>/dev/null); then emit unpacked "$i" 0 ''
  else emit unpacked "$i" 1 "$(printf '%s\n' "$out" | grep -v ': OK$')"; fi
  i=$((i + 1))
  shift 3
done"#,
    split: None,
    aside: false,
};

/// A file that is fetched or sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Artifact {
    /// Where it stands; for an archive, where it is kept.
    pub path: Path,
    /// Where it comes from.
    pub from: From,
    /// Its SHA-256 or SHA-512.
    pub digest: Pin<Digest>,
    /// Its permissions. Default: `0755`.
    #[serde(default = "everyone_runs")]
    pub mode: Mode,
    /// The folder, which must be there, that it is unpacked into: a tar archive, compressed or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpack: Option<Path>,
}

fn everyone_runs() -> Mode {
    Mode(0o755)
}

/// Where an artifact comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum From {
    /// The host fetches it.
    Url(Pin<Url>),
    /// It is sent from the machine that runs incline.
    Local(String),
}

impl Artifact {
    /// Why it cannot be compared.
    fn not_pinned() -> Judgement {
        Judgement::Unknown(
            "not checked: incline.lock pins no digest for it; `incline lock status` lists how".to_owned(),
        )
    }

    /// The list of what was unpacked.
    fn list(&self) -> String {
        format!("{}.unpacked", self.path)
    }
}

impl Kind for Artifact {
    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&STAT, &[self.path.as_str()]);
        let Pin::Pinned(digest) = &self.digest else { return };
        ask_sum(asks, self.path.as_str(), digest.as_str());
        if let Some(into) = &self.unpack {
            asks.ask(&UNPACKED, &[into.as_str(), &self.list(), digest.as_str()]);
        }
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        let stat = known!(stat(seen, &self.path));
        let Pin::Pinned(digest) = &self.digest else {
            if stat.is_some() {
                return Self::not_pinned();
            }
            difference.missing = true;
            difference.add("digest", None, Some(NOT_PINNED.into()));
            return difference.judged();
        };
        let wished = digest.as_str();
        match stat {
            None => {
                difference.missing = true;
                difference.add("digest", None, Some(wished.into()));
            }
            Some(stat) if stat.kind == "file" => {
                compare_ownership(&mut difference, &stat, self.mode, &root(), &root());
                let is = known!(sum(seen, self.path.as_str(), wished));
                difference.compare("digest", is, wished);
            }
            Some(stat) => difference.add("type", Some(stat.kind.into()), Some("file".into())),
        }
        if let Some(into) = &self.unpack {
            let answer = known!(seen.get(&UNPACKED, &[into.as_str(), &self.list(), wished]));
            if !answer.is_yes() {
                difference.add(
                    "unpacked",
                    Some(answer.text().trim().replace('\n', ", ").into()),
                    Some(into.as_str().into()),
                );
            }
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        let (path, mode) = (self.path.as_str(), self.mode.to_string());
        // Nothing is applied that is not pinned; were it sent all the same, the host refuses it.
        let Pin::Pinned(digest) = &self.digest else { return act.call("fail", &[&format!("{path} is not pinned")]) };
        if difference.has("digest") || difference.has("type") {
            act.call("beside", &[path]);
            match &self.from {
                From::Url(Pin::Pinned(url)) => act.call("fetch", &[url.as_str()]),
                From::Url(Pin::Missing) => act.call("fail", &[&format!("{path} is not pinned")]),
                From::Local(file) => match act.local.get(file) {
                    Some(bytes) => {
                        act.script("path=$3\nreceive \"$1\" \"$2\"", &[&mode, &bytes.to_string(), path]);
                        act.payloads.push(Payload::File { path: file.clone(), bytes: *bytes });
                    }
                    None => act.call("fail", &[&format!("{file} is not on this machine")]),
                },
            }
            let program = if digest.as_str().len() == 128 { "sha512sum" } else { "sha256sum" };
            act.call("check", &[path, program, digest.as_str()]);
            act.call("settle", &[path, &mode, "root", "root"]);
        } else {
            act.ownership(&self.path, self.mode, &root(), &root(), difference);
        }
        if let (Some(into), true) = (&self.unpack, difference.has("unpacked")) {
            // The list gets its name last: what was cut off while it was unpacked is unpacked again.
            act.script(
                r#"
run tar -x -f "$1" -C "$2"
beside "$3"
{ printf 'archive %s\n' "$4"; tar -t -f "$1" | while IFS= read -r name; do if [ -f "$2/$name" ] && [ ! -L "$2/$name" ]; then (cd "$2" && sha256sum -- "$name"); fi; done; } >"$temporary"
settle "$3" 0644 root root"#,
                &[path, into.as_str(), &self.list(), digest.as_str()],
            );
        }
    }

    fn local(&self) -> Option<&str> {
        match &self.from {
            From::Local(file) => Some(file),
            From::Url(_) => None,
        }
    }

    fn undo(&self) -> Option<Item> {
        let Some(into) = &self.unpack else { return Absent::at(&self.path) };
        let (path, list, into) = (shell(self.path.as_str()), shell(&self.list()), shell(into.as_str()));
        let script = format!(
            "if [ -e {list} ]; then sed -n 's/^[0-9a-f]\\{{64\\}}  //p' {list} | (cd {into} && while IFS= read -r file; do rm -f -- \"$file\"; done); fi; \
             rm -f -- {list} {path}"
        );
        Command::removal(self.path.to_string(), script, self.path.as_str()).map(Item::Command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Answer;
    use crate::words::Mode;
    use alloc::vec;

    fn unpinned() -> Artifact {
        let text =
            r#"{"path": "/opt/x", "from": {"url": "(not pinned)"}, "digest": "(not pinned)", "unpack": "/opt/y"}"#;
        serde_json::from_str(text).unwrap()
    }

    fn judged(stat: Answer) -> Judgement {
        let mut seen = Answers::default();
        seen.answers.insert((STAT.name, vec!["/opt/x".to_owned()]), stat);
        unpinned().judge(&seen, &Secrets::new())
    }

    #[test]
    fn what_is_not_pinned_is_never_in_sync() {
        let Judgement::Unknown(why) = judged(Answer::yes("81ed 0 0 root root /opt/x")) else {
            panic!("a file without a digest to compare it with is not checked")
        };
        assert!(why.starts_with("not checked: incline.lock pins no digest for it"), "{why}");
        let Judgement::Differs(difference) = judged(Answer::no()) else { panic!("what is not there is missing") };
        assert!(difference.missing);
        assert_eq!(difference.properties[0].after, Some(NOT_PINNED.into()));
    }

    #[test]
    fn a_pin_is_a_digest_or_missing_and_nothing_else() {
        assert_eq!((unpinned().digest, unpinned().mode), (Pin::Missing, Mode(0o755)));
        let read = |digest: &str| {
            let text = format!(r#"{{"path": "/x", "from": {{"url": "https://a/x"}}, "digest": "{digest}"}}"#);
            serde_json::from_str::<Artifact>(&text)
        };
        let pinned = read(&"a".repeat(128)).unwrap();
        assert_eq!(serde_json::to_value(&pinned).unwrap()["digest"], "a".repeat(128));
        for bad in ["", "not pinned", "(not pinned) ", "latest"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
