//! What kubeadm would make of a configuration (a dry run of `kubeadm init`), beside what it has made.
use super::{Difference, Judgement, TextChange};
use crate::ask::Answer;
use crate::prelude::*;

/// How what is differs from what would be. A host answers with kubeadm's version and, for each file, its path, what it would be and
/// what it is; where kubeadm takes no such configuration, with what was made and why: all of it set apart by a record separator.
pub(super) fn compare(answer: &Answer, config: &str, mut difference: Difference) -> Judgement {
    let text = answer.text();
    let mut parts = text.trim_end().split('\u{1e}');
    let kubeadm = parts.next().unwrap_or_default();
    let parts: Vec<&str> = parts.collect();
    if let [is, why] = parts.as_slice() {
        // A kubeadm of another version takes no such configuration: it is replaced first.
        if config.contains(&format!("kubernetesVersion: \"{kubeadm}\"")) {
            return Judgement::Unknown(format!("kubeadm cannot say what it would make: {}", why.trim()));
        }
        difference.add("version", Some((*is).into()), Some("that of the configuration".into()));
        return difference.judged();
    }
    for three in parts.chunks(3) {
        let [path, would, is] = three else { continue };
        if would.trim_end() != is.trim_end() {
            let name = path.rsplit('/').next().unwrap_or(path);
            let name = name.split_once('.').map_or(name, |(stem, _)| stem);
            difference.add(name, Some("made of other settings".into()), Some("made of these".into()));
            difference.texts.push(TextChange {
                path: (*path).to_owned(),
                before: Some(format!("{}\n", is.trim_end())),
                after: format!("{}\n", would.trim_end()),
            });
        }
    }
    difference.judged()
}
