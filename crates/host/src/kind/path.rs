//! What items that stand at a path share: type, owner, mode, digest and text of files.
use crate::act::Act;
use crate::ask::{Answer, Answers, Asks, Topic};
use crate::kind::{Difference, TextChange};
use crate::prelude::*;
use crate::words::{Account, Mode, Path, Word, root};
use alloc::borrow::Cow;
use incline_model::hex;
use sha2::{Digest, Sha256};

/// Type, mode and owner of paths; a link is told as a link.
pub(crate) const STAT: Topic = Topic {
    name: "stat",
    program: r#"
if ! has stat; then emit stat "$i" 127 stat; return; fi
out=$(stat -c '%f %u %g %U %G %n' -- "$@" 2>&1)
status=$?
if [ "$status" -eq 1 ]; then status=0; fi
emit stat "$i" "$status" "$out""#,
    split: Some(split_stat),
    aside: false,
};

/// SHA-256 of files, each beside the digest that it is expected to have. `same` stays set while all have theirs: then
/// nothing has to be looked for in `sums`, which a shell is slow at.
pub(crate) const SUM: Topic = Topic {
    name: "sum",
    program: r#"
if ! has sha256sum; then emit sum "$i" 127 sha256sum; return; fi
wanted=$1
shift
out=$(sha256sum -- "$@")
status=$?
if [ "$status" -eq 1 ]; then status=0; fi
found=
IFS=$NL
set -f
for line in $out; do found="$found${line%% *}$NL"; done
unset IFS
set +f
if [ "$found" != "$wanted" ]; then same=; fi
sums="$sums$NL$out$NL"
emit sum "$i" "$status" "$out""#,
    split: Some(split_sums),
    aside: true,
};

/// SHA-512 of files.
pub(crate) const SUM512: Topic = Topic {
    name: "sum512",
    program: r#"
if ! has sha512sum; then emit sum512 "$i" 127 sha512sum; return; fi
out=$(sha512sum -- "$@" 2>/dev/null)
status=$?
if [ "$status" -eq 1 ]; then status=0; fi
emit sum512 "$i" "$status" "$out""#,
    split: Some(split_sums),
    aside: false,
};

/// The text of files whose digest is not the second word. Asked after [`SUM`], to which both words were told, too; a longer
/// text than can be shown is cut by the host.
pub(crate) const TEXT: Topic = Topic {
    name: "text",
    program: r#"
if [ -n "$same" ]; then return; fi
while [ $# -gt 1 ]; do
  case "$sums" in
  *"$NL$2  $1$NL"*) ;;
  *) if [ -f "$1" ]; then emit text "$i" 0 "$(head -c 65537 -- "$1"; printf x)"; fi ;;
  esac
  i=$((i + 1))
  shift 2
done"#,
    split: None,
    aside: false,
};

/// Where links point.
pub(crate) const LINK: Topic = Topic {
    name: "link",
    program: r#"
for path; do
  if [ -L "$path" ]; then emit link "$i" 0 "$(readlink -- "$path")"; else emit link "$i" 1 ''; fi
  i=$((i + 1))
done"#,
    split: None,
    aside: false,
};

/// The SHA-256 of the run's key and the file: what it holds is compared and never read back.
pub(crate) const KEYED: Topic = Topic {
    name: "keyed",
    program: r#"
for path; do
  if [ -f "$path" ]; then emit keyed "$i" 0 "$( (printf %s "$NONCE"; cat -- "$path") | sha256sum)"; else emit keyed "$i" 1 ''; fi
  i=$((i + 1))
done"#,
    split: None,
    aside: false,
};

/// SELinux types of paths.
const SELINUX: Topic = Topic {
    name: "selinux",
    program: r#"
for path; do
  if [ -e /sys/fs/selinux/enforce ]; then emit selinux "$i" 0 "$(stat -c %C -- "$path")"; else emit selinux "$i" 125 'SELinux is not at work on the host'; fi
  i=$((i + 1))
done"#,
    split: None,
    aside: false,
};

/// The largest text that is shown, in bytes.
const SHOWN: usize = 65_536;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    /// `file`, `folder`, `link`, or what else it is.
    pub(crate) kind: &'static str,
    pub(crate) mode: Mode,
    owner: String,
    group: String,
}

fn split_stat(questions: &[Vec<String>], answer: &Answer) -> Vec<Answer> {
    let text = answer.text();
    let (mut found, mut failed) = (BTreeMap::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.splitn(6, ' ');
        let facts: Vec<&str> = words.by_ref().take(5).collect();
        match (u32::from_str_radix(facts.first().unwrap_or(&""), 16), words.next()) {
            (Ok(_), Some(path)) => {
                found.insert(path, line);
            }
            _ => failed.push(line),
        }
    }
    let one = |question: &Vec<String>| {
        let path = question.first().map_or("", String::as_str);
        if let Some(line) = found.get(path) {
            return Answer::yes(*line);
        }
        // GNU's stat quotes names that a shell would not take, so that an error's path is not always found in it: with
        // none but these two errors, all that was not found is not there.
        match failed.iter().find(|line| line.contains(path)) {
            Some(line) if is_absence(line) => Answer::no(),
            Some(line) => Answer::unknown(*line),
            None if failed.iter().all(|line| is_absence(line)) && !failed.is_empty() => Answer::no(),
            None => Answer::unknown("the host said nothing about it"),
        }
    };
    questions.iter().map(one).collect()
}

/// Whether an error means that there is nothing; any other means that nobody knows.
fn is_absence(error: &str) -> bool {
    error.ends_with("No such file or directory") || error.ends_with("Not a directory")
}

fn split_sums(questions: &[Vec<String>], answer: &Answer) -> Vec<Answer> {
    let text = answer.text();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        // GNU marks a name in which it has escaped something with a backslash in front of the line.
        let (escaped, line) = line.strip_prefix('\\').map_or((false, line), |line| (true, line));
        let Some((sum, name)) = line.split_once("  ") else { continue };
        let name = if escaped { name.replace(r"\r", "\r").replace(r"\\", r"\") } else { name.to_owned() };
        found.insert(name, sum);
    }
    let one = |question: &Vec<String>| {
        question.first().and_then(|path| found.get(path)).map_or(Answer::no(), |sum| Answer::yes(*sum))
    };
    questions.iter().map(one).collect()
}

/// What stands at a path; `None` for nothing.
pub(crate) fn stat(seen: &Answers, path: &Path) -> Result<Option<Stat>, String> {
    let answer = seen.get(&STAT, &[path.as_str()])?;
    if !answer.is_yes() {
        return Ok(None);
    }
    let text = answer.text();
    let words: Vec<&str> = text.splitn(6, ' ').collect();
    let [raw, uid, gid, owner, group, _] = words.as_slice() else {
        return Err("stat said something unexpected".to_owned());
    };
    let raw = u32::from_str_radix(raw, 16).map_err(|_| "stat said something unexpected".to_owned())?;
    // Types of inode(7).
    let kind = match raw & 0o170_000 {
        0o100_000 => "file",
        0o040_000 => "folder",
        0o120_000 => "link",
        0o060_000 => "block device",
        0o020_000 => "character device",
        0o010_000 => "pipe",
        _ => "socket",
    };
    let name = |name: &str, number: &str| if name == "UNKNOWN" { number.to_owned() } else { name.to_owned() };
    Ok(Some(Stat { kind, mode: Mode(raw & 0o7777), owner: name(owner, uid), group: name(group, gid) }))
}

/// The digest of the file at a path, where another one was expected or this very one; `None` if there is no file.
pub(crate) fn sum(seen: &Answers, path: &str, expected: &str) -> Result<Option<String>, String> {
    let answer = if expected.len() == 128 { seen.get(&SUM512, &[path])? } else { seen.get(&SUM, &[path, expected])? };
    Ok(answer.is_yes().then(|| answer.text()))
}

/// Asks for the digest of the file at a path.
pub(crate) fn ask_sum(asks: &mut Asks, path: &str, expected: &str) {
    if expected.len() == 128 {
        asks.ask(&SUM512, &[path]);
    } else {
        asks.ask(&SUM, &[path, expected]);
    }
}

/// Compares owner and mode.
pub(crate) fn compare_ownership(
    difference: &mut Difference,
    stat: &Stat,
    mode: Mode,
    owner: &Account,
    group: &Account,
) {
    difference.compare("mode", stat.mode.to_string(), mode.to_string());
    difference.compare("owner", stat.owner.as_str(), owner.as_str());
    difference.compare("group", stat.group.as_str(), group.as_str());
}

/// Asks for the SELinux type of a path that must have one.
pub(crate) fn ask_selinux(asks: &mut Asks, path: &Path, wished: Option<&Word>) {
    if wished.is_some() {
        asks.ask(&SELINUX, &[path.as_str()]);
    }
}

/// Compares the SELinux type, where one is wished for.
pub(crate) fn compare_selinux(
    difference: &mut Difference,
    seen: &Answers,
    path: &Path,
    wished: Option<&Word>,
) -> Result<(), String> {
    if let Some(wished) = wished {
        let label = seen.get(&SELINUX, &[path.as_str()])?.text();
        difference.compare("selinux", label.split(':').nth(2).unwrap_or_default(), wished.as_str());
    }
    Ok(())
}

/// A file with its content, which most kinds have one of.
pub(crate) struct Text<'a> {
    pub(crate) path: Path,
    pub(crate) content: Cow<'a, str>,
    pub(crate) mode: Mode,
    pub(crate) owner: Account,
    pub(crate) group: Account,
}

impl<'a> Text<'a> {
    /// A file that is root's, and that everyone reads.
    pub(crate) fn of_root(path: Path, content: impl Into<Cow<'a, str>>) -> Self {
        Self { path, content: content.into(), mode: Mode(0o644), owner: root(), group: root() }
    }

    /// Asks what [`Self::compare`] needs.
    pub(crate) fn ask(&self, asks: &mut Asks) {
        let (path, expected) = (self.path.as_str(), digest(self.content.as_bytes()));
        asks.ask(&STAT, &[path]);
        ask_sum(asks, path, &expected);
        asks.ask(&TEXT, &[path, &expected]);
    }

    /// How the file differs, with its lines where it is text. Owner and mode of something else than a file are not
    /// compared: it goes.
    ///
    /// # Errors
    /// Nobody knows how it is.
    pub(crate) fn compare(&self, seen: &Answers) -> Result<Difference, String> {
        let mut difference = Difference::default();
        let expected = digest(self.content.as_bytes());
        match stat(seen, &self.path)? {
            None => {
                difference.missing = true;
                difference.add("content", None, Some(shown(&expected).into()));
            }
            Some(stat) if stat.kind == "file" => {
                let is = sum(seen, self.path.as_str(), &expected)?.ok_or("it cannot be read")?;
                compare_ownership(&mut difference, &stat, self.mode, &self.owner, &self.group);
                difference.compare("content", shown(&is), shown(&expected));
            }
            Some(stat) => difference.add("type", Some(stat.kind.into()), Some("file".into())),
        }
        if difference.is_of_content()
            && let Some(after) = text(self.content.as_bytes())
        {
            let before = seen.get(&TEXT, &[self.path.as_str(), &expected]).ok();
            let before = before.and_then(|answer| answer.text.strip_suffix(b"x")).and_then(text);
            difference.texts.push(TextChange { path: self.path.to_string(), before, after });
        }
        Ok(difference)
    }

    /// Writes the file, or brings back what alone differs: its owner and mode.
    pub(crate) fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        if difference.is_of_content() {
            self.write(act);
        } else {
            act.ownership(&self.path, self.mode, &self.owner, &self.group, difference);
        }
    }

    /// Writes the file.
    pub(crate) fn write(&self, act: &mut Act<'_>) {
        act.put(&self.path, self.mode, &self.owner, &self.group, self.content.as_bytes());
    }
}

/// A text that can be shown.
fn text(bytes: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(bytes).ok().filter(|text| text.len() <= SHOWN && !text.contains('\0'))?;
    Some(text.to_owned())
}

/// SHA-256, hexadecimal.
pub(crate) fn digest(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// A digest as a plan shows it.
pub(crate) fn shown(digest: &str) -> String {
    format!("sha256:{}", digest.get(..12).unwrap_or(digest))
}
