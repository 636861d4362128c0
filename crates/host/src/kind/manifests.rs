//! Objects of the cluster, applied by the API server under incline's name
//! (<https://kubernetes.io/docs/reference/using-api/server-side-apply/>).
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{FileName, Path};
use serde::{Deserialize, Serialize};

/// Whether the objects of a file are in the cluster as the file says. The API server itself compares: it alone knows its
/// defaults. kubectl's status: 0 for alike, 1 for different, more where it failed.
const MANIFESTS: Topic = Topic {
    name: "manifests",
    program: r#"
for file; do
  if ! [ -e /etc/kubernetes/admin.conf ] || ! [ -e "$file" ] || ! has kubectl; then emit manifests "$i" 127 kubectl
  else
    out=$($T kubectl --kubeconfig /etc/kubernetes/admin.conf diff --server-side --force-conflicts --field-manager=incline --filename "$file" 2>&1 3<&- 9>&-)
    status=$?
    case $status in
    0) out= ;;
    1) out=$(printf '%s\n' "$out" | sed -n 's/^diff .*\/\([^/]*\)$/\1/p') ;;
    124) ;;
    *) status=125 ;;
    esac
    emit manifests "$i" "$status" "$out"
  fi
  i=$((i + 1))
done"#,
    split: None,
    aside: false,
};

/// Objects of the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Manifests {
    /// What they are called together.
    pub name: FileName,
    /// The file on the host that holds them.
    pub file: Path,
}

impl Kind for Manifests {
    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&MANIFESTS, &[self.file.as_str()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        match known!(seen.get_if_there(&MANIFESTS, &[self.file.as_str()])) {
            // The cluster or the file comes first.
            None => {
                difference.missing = true;
                difference.add("applied", None, Some(true.into()));
            }
            Some(answer) if answer.is_yes() => {}
            Some(answer) => {
                for object in answer.text().lines() {
                    difference.add(object, Some("differs".into()), Some("as in the file".into()));
                }
            }
        }
        difference.judged()
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        act.script(
            r#"run timeout 120 kubectl --kubeconfig /etc/kubernetes/admin.conf apply --server-side --force-conflicts --field-manager=incline --filename "$1""#,
            &[self.file.as_str()],
        );
    }
}
