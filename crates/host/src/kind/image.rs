//! A container image in containerd's store for Kubernetes.
use super::{Difference, Judgement, Kind, known};
use crate::act::{Act, Payload};
use crate::ask::{Answer, Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::Word;
use incline_model::lock::{NOT_PINNED, Pin};
use serde::{Deserialize, Serialize};

/// Images by name, asked once for all: `NAME DIGEST`.
const IMAGES: Topic = Topic {
    name: "image",
    program: r#"
if ! has ctr; then emit image "$i" 127 ctr; return; fi
out=$($T ctr -n k8s.io images ls 2>&1)
status=$?
if [ "$status" -eq 1 ]; then status=125; fi
emit image "$i" "$status" "$out""#,
    split: Some(split),
    aside: false,
};

/// Columns of `ctr images ls`: name, media type, digest, size, platforms, labels.
fn split(questions: &[Vec<String>], answer: &Answer) -> Vec<Answer> {
    let text = answer.text();
    let one = |question: &Vec<String>| {
        let found = text.lines().find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            (words.next() == question.first().map(String::as_str)).then(|| words.nth(1).unwrap_or_default().to_owned())
        });
        found.map_or(Answer::no(), Answer::yes)
    };
    questions.iter().map(one).collect()
}

/// A container image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Image {
    /// Its full name: `mirror.example/kube-apiserver:v1.36.3`.
    pub name: Word,
    /// Its manifest's digest: `sha256:…`.
    pub digest: Pin<Word>,
    /// An archive (OCI or docker) on the machine that runs incline; without it, the host pulls the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
}

impl Kind for Image {
    fn may_come_by_itself(&self) -> bool {
        true
    }

    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&IMAGES, &[self.name.as_str()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        let Pin::Pinned(digest) = &self.digest else {
            // Without a pin there is no tag to look for.
            difference.missing = true;
            difference.add("digest", None, Some(NOT_PINNED.into()));
            return difference.judged();
        };
        // containerd may be an item of the same stage.
        match known!(seen.get_if_there(&IMAGES, &[self.name.as_str()])).filter(|answer| answer.is_yes()) {
            Some(answer) => difference.compare("digest", answer.text(), digest.as_str()),
            None => {
                difference.missing = true;
                difference.add("digest", None, Some(digest.as_str().into()));
            }
        }
        difference.judged()
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        let Pin::Pinned(digest) = &self.digest else {
            return act.call("fail", &[&format!("{} is not pinned", self.name)]);
        };
        match &self.archive {
            Some(archive) => match act.local.get(archive) {
                Some(bytes) => {
                    act.call("feed", &[&bytes.to_string(), "ctr", "-n", "k8s.io", "images", "import", "-"]);
                    act.payloads.push(Payload::File { path: archive.clone(), bytes: *bytes });
                }
                None => act.call("fail", &[&format!("{archive} is not on this machine")]),
            },
            None => {
                // By digest, so that it is the pinned one or none; then under its name.
                act.script(
                    "run ctr -n k8s.io images pull --hosts-dir /etc/containerd/certs.d \"$1@$2\"\nrun ctr -n k8s.io images tag --force \"$1@$2\" \"$1\"",
                    &[self.name.as_str(), digest.as_str()],
                );
            }
        }
    }

    fn local(&self) -> Option<&str> {
        self.archive.as_deref()
    }
}
