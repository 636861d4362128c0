//! What would change, as data: it can be shown, saved, reviewed and compared. The same inputs give the same bytes.
use crate::desired::{Roll, Stage};
use crate::fetch::Missing;
use crate::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the plan's JSON. It grows with every change that a reader could trip over.
pub const FORMAT: u32 = 2;

/// The plan of an estate, or of some of its sites.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The version of this format.
    pub format: u32,
    /// What the plan was made against.
    pub basis: Basis,
    /// The sites, by name.
    pub sites: Vec<SitePlan>,
    /// Sites that have stacks and no inventory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<Orphan>,
}

/// A site whose stacks are there and which no inventory names: it was renamed, removed, or moved to another account or
/// region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Orphan {
    /// The site that the stacks' tags name.
    pub site: String,
    /// The account and region of the stacks, for the eye.
    pub place: String,
    /// The stacks.
    pub stacks: Vec<String>,
}

/// What a plan was made against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Nothing: as if no stack existed.
    Nothing,
    /// A folder of templates rendered or fetched earlier.
    Folder,
    /// What AWS said at that moment.
    Live,
}

/// The plan of one site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SitePlan {
    /// The site's name.
    pub site: String,
    /// Its account and region, for the eye.
    pub place: String,
    /// Digests (SHA-256) of what the plan was made from: the inventory, the lock file, the templates.
    pub inputs: BTreeMap<String, String>,
    /// The steps, in order of stage, then target. A target without changes has none.
    pub steps: Vec<Step>,
    /// Targets that are as they must be.
    pub unchanged: Vec<String>,
    /// Targets that cannot be planned, each with why and the way out.
    pub blocked: Vec<Blocked>,
    /// Fingerprints of all targets that were seen: what the plan was made against.
    pub seen: BTreeMap<String, String>,
    /// What a reader should know that is no change.
    pub notes: Vec<String>,
    /// What machines would fetch and is not there; looked for only where the plan starts machines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// What is left of drift; none where the site's resources were not looked at for drift, but only what was applied to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Left>,
}

/// What no step of a plan repairs, though the site was looked at for drift.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    /// Drift that incline cannot repair.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_repaired: Vec<Drifted>,
    /// What was not checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_checked: Vec<Drifted>,
}

/// A target, and what is the matter with a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drifted {
    /// The target.
    pub target: String,
    /// Which part, what is the matter, and the way out.
    pub what: String,
}

/// A target that cannot be planned, or a site of which a change is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// The stack; or the host, as `SITE/HOST`, or one of its stages; or the site, where a change is refused.
    pub target: String,
    /// Why.
    pub cause: String,
    /// What is in the way, one a line: resources with their state and AWS's reason.
    pub details: Vec<String>,
    /// The way out.
    pub hint: String,
    /// Whether waiting is the way out: CloudFormation is at work.
    pub busy: bool,
    /// The change that is refused, where one is: nothing of the site is planned then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Box<Refused>>,
}

/// A change of the inventory that would cost the site its cluster or its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// The inventory's key.
    pub key: String,
    /// What is deployed.
    pub deployed: String,
    /// What the inventory says.
    pub desired: String,
}

/// One target's change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The stack; or the stage of a host, as `SITE/HOST/STAGE`.
    pub target: String,
    /// When it runs.
    pub stage: Stage,
    /// Its place in the site's order: steps with the same number run side by side, lower numbers first. The steps of
    /// hosts all have the same: what they wait for is in `needs`.
    pub order: u16,
    /// Steps that must be done before it, where they are part of the plan: of other sites, or of the site's hosts.
    pub needs: Vec<String>,
    /// What happens to the target.
    pub verb: Verb,
    /// Why.
    pub reason: Reason,
    /// The worst that it does.
    pub impact: Impact,
    /// How many machines run from the target.
    pub nodes: u16,
    /// What must still be true of the target for the step to run.
    pub expectation: Expectation,
    /// What is done first, to a stack that an earlier operation left unfinished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<Mend>,
    /// Who replaces its machines, where they are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll: Option<Roll>,
    /// Resources that the stack would retain and that its removal takes along, since they were named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub release: Vec<String>,
    /// The resources, or the host's items, that change.
    pub changes: Vec<Change>,
    /// Tags, parameters and other properties of the stack itself that change.
    pub settings: Vec<PropertyChange>,
    /// Text files that change: of the node configuration, or of the host.
    pub files: Vec<FileChange>,
}

impl Step {
    /// A step that changes nothing yet, and waits for nothing.
    pub fn new(target: String, stage: Stage, verb: Verb, reason: Reason, expectation: Expectation) -> Self {
        Self {
            target,
            stage,
            order: 0,
            needs: Vec::new(),
            verb,
            reason,
            impact: Impact::None,
            nodes: 0,
            expectation,
            mend: None,
            roll: None,
            release: Vec::new(),
            changes: Vec::new(),
            settings: Vec::new(),
            files: Vec::new(),
        }
    }
}

/// How a stack is brought out of the state that an earlier operation left it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mend {
    /// The way out.
    pub way: Way,
    /// The state, in AWS's word.
    pub state: String,
    /// What failed, one a line: resource, state, AWS's reason.
    pub because: Vec<String>,
    /// Resources that are passed over on the way, since they were named.
    pub without: Vec<String>,
}

/// The way out of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The stack holds nothing and is deleted.
    DeleteEmpty,
    /// What failed half way is rolled back (`RollbackStack`).
    RollBack,
    /// A rollback that failed is taken up again (`ContinueUpdateRollback`).
    ContinueRollback,
    /// A deletion that failed is taken up again.
    FinishDeletion,
}

/// What happens to a target or a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// It is made.
    Create,
    /// It is changed where it stands.
    Update,
    /// It is made anew, and the old one is removed.
    Replace,
    /// It is removed.
    Remove,
}

/// Why something changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It is wished for and not there.
    Missing,
    /// The wish has changed.
    Changed,
    /// Something that it refers to changes.
    Follows,
    /// It is there and no longer wished for.
    Unwanted,
    /// The wish was carried out, and its machines still run from what was before.
    Outdated,
    /// Somebody changed it behind incline's back; it goes back to what was applied.
    Drifted,
}

/// What a change does to those who use the site, from least to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Impact {
    /// Nothing that anyone notices: descriptions, tags, additions.
    None,
    /// Changes where it stands, without interruption.
    InPlace,
    /// Replaces machines, a few at a time.
    RollsNodes,
    /// Interrupts traffic.
    InterruptsTraffic,
    /// Loses data.
    LosesData,
}

/// What must still be true of a target for its step to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// The target is not there.
    Absent,
    /// The target has this fingerprint: SHA-256 of a stack's template, parameters, tags, policy and protection, or of how a
    /// host differs from what it must be.
    Seen(String),
}

/// A resource's change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The resource's logical id.
    pub resource: String,
    /// Its CloudFormation type.
    pub kind: String,
    /// What happens to it.
    pub verb: Verb,
    /// Why.
    pub reason: Reason,
    /// What that does.
    pub impact: Impact,
    /// Whether the removed resource or its replaced predecessor is kept (`DeletionPolicy`, `UpdateReplacePolicy`).
    pub retained: bool,
    /// The properties that change; for a created resource, all of them.
    pub properties: Vec<PropertyChange>,
}

/// A property's change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PropertyChange {
    /// The property's path: `Tags.0.Value`.
    pub path: String,
    /// Its value now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Its value then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Whether changing it means making the resource anew.
    pub replaces: Replaces,
}

impl PropertyChange {
    /// A change that makes nothing anew.
    pub fn in_place(path: impl Into<String>, before: Option<Value>, after: Option<Value>) -> Self {
        Self { path: path.into(), before, after, replaces: Replaces::Never }
    }
}

/// Whether changing a property means making the resource anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replaces {
    /// No.
    Never,
    /// Under conditions that only AWS can judge.
    Perhaps,
    /// Yes.
    Always,
}

/// A file of a node configuration that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileChange {
    /// The file's path on the node, or the unit's name.
    pub path: String,
    /// What happens to it.
    pub verb: Verb,
    /// The changed lines, as a unified diff without header; empty for created and removed files.
    pub diff: String,
}

/// How much a plan changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Stacks that change.
    pub stacks: usize,
    /// Hosts that change.
    pub hosts: usize,
    /// Tenants that change.
    pub tenants: usize,
    /// Resources to create.
    pub create: usize,
    /// Resources to change where they stand.
    pub update: usize,
    /// Resources to make anew.
    pub replace: usize,
    /// Resources to remove.
    pub remove: usize,
}

/// Whether a target is a tenant of a BIG-IP: no host's name has a colon.
pub fn is_of_tenant(target: &str) -> bool {
    target.contains("/f5:")
}

/// Whether a target is a host's or a tenant, and not a stack: no stack's name has a slash.
pub fn is_on_premises(target: &str) -> bool {
    target.contains('/')
}

impl SitePlan {
    /// How much the site's plan changes.
    pub fn totals(&self) -> Totals {
        let (hosts, stacks): (Vec<&str>, Vec<&str>) =
            self.steps.iter().map(|step| step.target.as_str()).partition(|target| is_on_premises(target));
        let (tenants, hosts): (Vec<&str>, Vec<&str>) = hosts.into_iter().partition(|target| is_of_tenant(target));
        let hosts: BTreeSet<&str> =
            hosts.into_iter().filter_map(|target| target.rsplit_once('/')).map(|(host, _)| host).collect();
        let mut totals =
            Totals { stacks: stacks.len(), hosts: hosts.len(), tenants: tenants.len(), ..Totals::default() };
        for change in self.steps.iter().flat_map(|step| &step.changes) {
            match change.verb {
                Verb::Create => totals.create += 1,
                Verb::Update => totals.update += 1,
                Verb::Replace => totals.replace += 1,
                Verb::Remove => totals.remove += 1,
            }
        }
        totals
    }
}

impl Plan {
    /// Drift that no step repairs.
    pub fn not_repaired(&self) -> impl Iterator<Item = &Drifted> {
        self.sites.iter().filter_map(|site| site.drift.as_ref()).flat_map(|left| &left.not_repaired)
    }

    /// What was not checked for drift.
    pub fn not_checked(&self) -> impl Iterator<Item = &Drifted> {
        self.sites.iter().filter_map(|site| site.drift.as_ref()).flat_map(|left| &left.not_checked)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.sites.iter().all(|site| site.steps.is_empty())
    }

    /// All changes that are refused.
    pub fn refused(&self) -> impl Iterator<Item = &Blocked> {
        self.blocked().filter(|blocked| blocked.refused.is_some())
    }

    /// All that cannot be planned.
    pub fn blocked(&self) -> impl Iterator<Item = &Blocked> {
        self.sites.iter().flat_map(|site| &site.blocked)
    }
}
