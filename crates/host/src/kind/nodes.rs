//! The nodes of the cluster, beside those of the inventory: labels are set, and a node that left the inventory is drained and
//! taken out. Only nodes that bear the site's label are incline's.
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::Word;
use incline_model::plan::Impact;
use serde::{Deserialize, Serialize};

/// The nodes, a line each: name, tab, labels as JSON.
const NODES: Topic = Topic {
    name: "nodes",
    program: r#"
if ! [ -e /etc/kubernetes/admin.conf ] || ! has kubectl; then emit nodes "$i" 127 kubectl; return; fi
out=$($T kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes --output 'jsonpath={range .items[*]}{.metadata.name}{"\t"}{.metadata.labels}{"\n"}{end}' 2>&1 3<&- 9>&-)
status=$?
case $status in 0 | 124) ;; *) status=125 ;; esac
emit nodes "$i" "$status" "$out""#,
    split: None,
    aside: false,
};

/// The label by which incline knows the nodes that it made.
pub const SITE: &str = "incline/site";

/// The nodes of the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Nodes {
    /// The site's name.
    pub site: Word,
    /// Each node, with its labels.
    pub nodes: BTreeMap<String, BTreeMap<String, String>>,
}

impl Kind for Nodes {
    fn subject(&self) -> String {
        self.site.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&NODES, &[]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        // Before there is a cluster, there are no nodes to compare; each comes with its labels.
        let Some(answer) = known!(seen.get_if_there(&NODES, &[])) else { return Judgement::Same };
        for line in answer.text().lines() {
            let (name, labels) = line.split_once('\t').unwrap_or((line, ""));
            let has: BTreeMap<String, String> = serde_json::from_str(labels).unwrap_or_default();
            match self.nodes.get(name) {
                Some(wished) => {
                    let mut label = |key: &str, value: &str| {
                        let is = has.get(key).map(|value| value.as_str().into());
                        if has.get(key).map(String::as_str) != Some(value) {
                            difference.add(&format!("{name}.{key}"), is, Some(value.into()));
                        }
                    };
                    label(SITE, self.site.as_str());
                    wished.iter().for_each(|(key, value)| label(key, value));
                }
                None if has.get(SITE).map(String::as_str) == Some(self.site.as_str()) => {
                    difference.add(
                        name,
                        Some("a node, and not in the inventory".into()),
                        Some("drained, removed".into()),
                    );
                }
                // Somebody else's.
                None => {}
            }
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        act.script("export KUBECONFIG=/etc/kubernetes/admin.conf", &[]);
        for change in &difference.properties {
            let label = |name: &String| Some((name.clone(), change.path.strip_prefix(name)?.strip_prefix('.')?));
            match self.nodes.keys().find_map(label) {
                Some((name, key)) => {
                    let value = change.after.as_ref().and_then(|value| value.as_str()).unwrap_or_default();
                    act.run(&["kubectl", "label", "node", &name, &format!("{key}={value}"), "--overwrite"]);
                }
                None => act.script(RETIRE, &[&change.path]),
            }
        }
    }

    fn impact(&self, difference: &Difference) -> Impact {
        if self.rolls(difference) > 0 { Impact::RollsNodes } else { Impact::None }
    }

    fn rolls(&self, difference: &Difference) -> u16 {
        // A label's path has a dot; a node's name has none.
        difference.properties.iter().filter(|change| !change.path.contains('.')).fold(0, |count, _| count + 1)
    }
}

/// Budgets are honoured: a workload that may not be disturbed now keeps the node, and the stage fails with its name.
const RETIRE: &str = r#"
drain "$1"
forget "$1"
run kubectl delete node "$1""#;
