//! What no longer holds: CloudFormation's own drift detection, reads of incline's own for what it cannot see, and
//! what the
//! inventory is ahead by. Nothing is changed. What is not covered and what was not checked are two things, and
//! neither is in
//! sync: the first no API shows, the second could not be read this time.
mod applied;
mod compare;
mod coverage;
mod detect;
mod guards;
mod machines;
mod network;
pub mod serving;

use crate::error::Error;
use crate::session::Session;
pub(crate) use applied::{Applied, Resource, text};
use futures_util::future::join_all;
use incline_model::desired::Desired;
use incline_model::drift::{Finding, SiteDrift, State};
use incline_model::inventory::aws::{Ignore, matches};
use incline_model::lock::{Need, Pin};
use incline_model::observed::{Condition, Observed};
use incline_model::plan::{SitePlan, Verb};
use incline_model::site::Aws;
use std::collections::BTreeSet;

/// From what age on a machine image is told of, in days: Flatcar unpublishes its images after nine months, and a
/// group that
/// names one can then launch nothing.
pub(crate) const OLD_IMAGE_DAYS: u64 = 183;
/// How long before its end a certificate is told of, in days.
pub(crate) const CERTIFICATE_DAYS: u64 = 30;

/// What looking gathers.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    findings: Vec<Finding>,
    /// Resources that were looked at, by stack and logical id.
    seen: BTreeSet<(String, String)>,
}

impl Gathered {
    fn finding(&mut self, resource: &Resource, state: State) {
        self.seen.insert((resource.stack.clone(), resource.id.clone()));
        self.findings.push(Finding {
            target: resource.stack.clone(),
            resource: resource.id.clone(),
            kind: resource.kind.clone(),
            physical: resource.physical.clone(),
            state,
            age: None,
        });
    }

    /// A property that is not as it was applied.
    pub(crate) fn drifted(
        &mut self,
        resource: &Resource,
        property: &str,
        expected: impl ToString,
        actual: impl ToString,
    ) {
        let (property, expected, actual) = (property.to_owned(), expected.to_string(), actual.to_string());
        self.finding(resource, State::Drifted { property, expected, actual });
    }

    /// What drifted in a stack: resource and property.
    pub(crate) fn drifted_in(&self, stack: &str) -> Vec<(String, String)> {
        let of_stack = self.findings.iter().filter(|finding| finding.target == stack);
        of_stack
            .filter_map(|finding| match &finding.state {
                State::Drifted { property, .. } => Some((finding.resource.clone(), property.clone())),
                _ => None,
            })
            .collect()
    }

    /// Why a resource, or the stack that it is in, was not checked; none where it was.
    pub(crate) fn not_checked(&self, stack: &str, resource: &str) -> Option<&str> {
        let mut of_it = self
            .findings
            .iter()
            .filter(|finding| finding.target == stack && (finding.resource == resource || finding.resource.is_empty()));
        of_it.find_map(|finding| match &finding.state {
            State::NotChecked { why } => Some(why.as_str()),
            _ => None,
        })
    }

    /// Something that is there no more.
    pub(crate) fn gone(&mut self, resource: &Resource) {
        self.drifted(resource, "", "there", "gone");
    }

    pub(crate) fn warn(&mut self, resource: &Resource, what: String) {
        self.finding(resource, State::Warning { what });
    }

    /// A resource that was looked at.
    pub(crate) fn looked_at(&mut self, resource: &Resource) {
        self.seen.insert((resource.stack.clone(), resource.id.clone()));
    }

    /// A read that failed because what it is about is gone, or for another reason.
    pub(crate) fn gone_or_failed(&mut self, resource: &Resource, error: &Error) {
        if error.is_missing() { self.gone(resource) } else { self.failed(resource, error) }
    }

    /// A read that failed: denied, unreachable, timed out.
    pub(crate) fn failed(&mut self, resource: &Resource, error: &Error) {
        self.finding(resource, State::NotChecked { why: error.to_string() });
    }
}

impl Session {
    /// Looks for drift in a site. `observed` and `plan` are a look at it; `today` is a day as RFC 3339 writes it.
    pub async fn drift(
        &self,
        site: &Aws,
        desired: &Desired,
        observed: &Observed,
        plan: &SitePlan,
        place: &str,
        today: &str,
    ) -> SiteDrift {
        let settled: Vec<&str> = observed
            .stacks
            .iter()
            .filter(|(_, stack)| stack.status.condition() == Condition::Settled)
            .map(|(name, _)| name.as_str())
            .collect();
        let api = serving::last_day(format!("api.{}", site.typed().domain), 6443);
        let ((applied, mut gathered), last) = tokio::join!(self.gather(observed, &settled, today), api);
        serving::tell(site, &applied, last.as_deref(), today, &mut gathered);
        self.image(site, &applied, today, &mut gathered).await;
        for blocked in &plan.blocked {
            let state = State::NotChecked { why: format!("{}; {}", blocked.cause, blocked.hint) };
            gathered.findings.push(of_stack(&blocked.target, state));
        }
        gathered.findings.extend(unsettled(observed, plan));
        let mut findings = gathered.findings;
        findings.extend(pending(plan));
        let (in_sync, unseen) = sorted(&applied.resources, &gathered.seen, &findings);
        findings.extend(unseen);
        findings.extend(coverage::beside(desired.site.as_str()));
        let findings = ignoring(findings, &site.typed().drift.ignore, today);
        let (site, place) = (desired.site.to_string(), place.to_owned());
        SiteDrift { site, place, in_sync, findings, ..SiteDrift::default() }
    }

    /// What was applied, and what looking at it found: CloudFormation's detection for some stacks, own reads for all.
    pub(crate) async fn gather(&self, observed: &Observed, detected: &[&str], today: &str) -> (Applied, Gathered) {
        let mut gathered = Gathered::default();
        let applied = self.applied(observed, &mut gathered).await;
        let (detected, network, machines, guards) = tokio::join!(
            self.detect(detected, &applied),
            self.look_at_network(&applied),
            self.look_at_machines(&applied),
            self.look_at_guards(&applied, today),
        );
        let mut told = BTreeSet::new();
        // A finding that both tell is told once.
        for part in [network, machines, guards, detected] {
            gathered.seen.extend(part.seen);
            for finding in part.findings {
                if told.insert(finding.clone()) {
                    gathered.findings.push(finding);
                }
            }
        }
        (applied, gathered)
    }

    /// Which of the site's machines run, and what a reader should know of them.
    ///
    /// # Errors
    /// They cannot be looked at.
    pub async fn site_nodes(&self, site: &Aws, today: &str) -> Result<(Vec<crate::Node>, Vec<String>), Error> {
        let typed = site.typed();
        let pools = typed.pools.iter().map(|pool| format!("{}-pool-{}", typed.name, pool.name));
        let members = site.members();
        let members = members.iter().map(|member| format!("{}-control-plane-{}", typed.name, member.zone.letter()));
        let groups: Vec<String> = members.chain(pools).collect();
        let nodes = self.nodes(&groups).await?;
        let mut warnings = Vec::new();
        for pool in &typed.pools {
            let group = format!("{}-pool-{}", typed.name, pool.name);
            let zones: Vec<usize> = site
                .pool_zones(pool)
                .iter()
                .map(|zone| nodes.iter().filter(|node| node.group == group && node.zone == zone.as_str()).count())
                .collect();
            if let (Some(least), Some(most)) = (zones.iter().min(), zones.iter().max())
                && most - least > 1
            {
                let names: Vec<String> =
                    site.pool_zones(pool).iter().zip(&zones).map(|(zone, number)| format!("{zone} {number}")).collect();
                warnings.push(format!("{group} is out of balance: {}", names.join(", ")));
            }
        }
        let Pin::Pinned(ami) = &site.pins().ami else {
            let region = &typed.region;
            warnings.push(format!(
                "the machine image for {region} is not pinned: `{}`",
                Need::Ami(region.clone()).command()
            ));
            return Ok((nodes, warnings));
        };
        let image = ami.id.as_str().to_owned();
        if let Some(age) = self.image_age(&image, today).await? {
            if age >= OLD_IMAGE_DAYS {
                warnings.push(format!(
                    "the machine image {image} is {age} days old; Flatcar unpublishes images after nine months"
                ));
            }
        } else {
            warnings.push(format!("the machine image {image} is not there any more: no node can be launched from it"));
        }
        Ok((nodes, warnings))
    }
}

/// Stacks that an earlier operation left half way: what is in them was not read.
fn unsettled(observed: &Observed, plan: &SitePlan) -> Vec<Finding> {
    let half_way = observed.stacks.iter().filter(|(name, stack)| {
        let is_blocked = plan.blocked.iter().any(|blocked| blocked.target == **name);
        let condition = stack.status.condition();
        !is_blocked && matches!(condition, Condition::HalfDone | Condition::Stuck | Condition::HalfGone)
    });
    let why = |state: &str| format!("the stack is {state}, so its resources were not read; `incline apply` repairs it");
    half_way.map(|(name, stack)| of_stack(name, State::NotChecked { why: why(&stack.status.0) })).collect()
}

/// How many resources are in sync; and of those that were not read, which are not covered and which were not checked.
/// Of a stack that
/// was not checked, none is in sync: what else was read of it is a part.
fn sorted(resources: &[Resource], seen: &BTreeSet<(String, String)>, findings: &[Finding]) -> (usize, Vec<Finding>) {
    let (mut in_sync, mut unseen) = (0, Vec::new());
    for resource in resources {
        let told = |finding: &&Finding| {
            let is_whole = finding.resource.is_empty() && matches!(finding.state, State::NotChecked { .. });
            let is_own = finding.resource == resource.id
                && matches!(finding.state, State::Drifted { .. } | State::NotChecked { .. } | State::NotCovered { .. });
            finding.target == resource.stack && (is_own || is_whole)
        };
        if findings.iter().any(|finding| told(&finding)) {
            continue;
        }
        if seen.contains(&(resource.stack.clone(), resource.id.clone())) {
            in_sync += 1;
            continue;
        }
        let state = match coverage::of_type(&resource.kind) {
            Some(why) => State::NotCovered { why: why.to_owned() },
            None => State::NotChecked { why: "CloudFormation did not check it".to_owned() },
        };
        unseen.push(Finding {
            target: resource.stack.clone(),
            resource: resource.id.clone(),
            kind: resource.kind.clone(),
            physical: resource.physical.clone(),
            state,
            age: None,
        });
    }
    (in_sync, unseen)
}

fn of_stack(target: &str, state: State) -> Finding {
    Finding {
        target: target.to_owned(),
        resource: String::new(),
        kind: "AWS::CloudFormation::Stack".to_owned(),
        physical: String::new(),
        state,
        age: None,
    }
}

/// What the inventory is ahead by: the plan, a line a stack. A setting that incline made and somebody unmade is drift.
fn pending(plan: &SitePlan) -> Vec<Finding> {
    let mut findings = Vec::new();
    for step in &plan.steps {
        let own = |path: &str| ["StackPolicy", "TerminationProtection"].contains(&path);
        for setting in step.settings.iter().filter(|setting| own(&setting.path)) {
            let show =
                |value: &Option<serde_json::Value>| value.as_ref().map_or("nothing".to_owned(), ToString::to_string);
            let state = State::Drifted {
                property: setting.path.clone(),
                expected: show(&setting.after),
                actual: show(&setting.before),
            };
            findings.push(of_stack(&step.target, state));
        }
        if step.settings.iter().all(|setting| own(&setting.path)) && step.changes.is_empty() && step.roll.is_none() {
            continue;
        }
        let verb = match step.verb {
            Verb::Create => "is not there yet",
            Verb::Remove => "is no longer wished for",
            Verb::Update | Verb::Replace => "would be changed",
        };
        let what = format!("{verb}: {} resources; `incline plan` shows it", step.changes.len());
        findings.push(of_stack(&step.target, State::Pending { what }));
    }
    findings
}

/// Passes over what the inventory bears, for as long as it does.
fn ignoring(findings: Vec<Finding>, rules: &[Ignore], today: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = findings
        .into_iter()
        .map(|mut finding| {
            if let State::Drifted { property, expected, actual } = &finding.state {
                let place = format!("{}/{}", finding.target, finding.resource);
                let rule = rules.iter().find(|rule| {
                    let fits = rule.property.as_ref().is_none_or(|pattern| matches(pattern.as_str(), property));
                    fits && rule.until.as_str() >= today && matches(rule.place.as_str(), &place)
                });
                if let Some(rule) = rule {
                    finding.state = State::Ignored {
                        property: property.clone(),
                        expected: expected.clone(),
                        actual: actual.clone(),
                        reason: rule.reason.to_string(),
                        until: rule.until.to_string(),
                    };
                }
            }
            finding
        })
        .collect();
    findings.sort();
    findings
}

impl Session {
    /// All resources that were applied, with their properties as far as they are known.
    async fn applied(&self, observed: &Observed, gathered: &mut Gathered) -> Applied {
        let looks = observed
            .stacks
            .iter()
            .filter(|(_, stack)| stack.status.condition() == Condition::Settled)
            .map(|(name, stack)| async move { (name, stack, self.resources(name).await) });
        let mut applied = Applied::new(&self.account, &self.region);
        for (name, stack, resources) in join_all(looks).await {
            match resources {
                Ok(resources) => applied.add(name, stack, &resources),
                Err(error) => gathered.findings.push(of_stack(name, State::NotChecked { why: error.to_string() })),
            }
        }
        applied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(property: &str) -> Finding {
        Finding {
            target: "site-pool-x".into(),
            resource: "Group".into(),
            kind: "K".into(),
            physical: "p".into(),
            state: State::Drifted { property: property.into(), expected: "a".into(), actual: "b".into() },
            age: None,
        }
    }

    fn rule(place: &str, property: Option<&str>, until: &str) -> Ignore {
        Ignore {
            place: place.parse().unwrap(),
            property: property.map(|text| text.parse().unwrap()),
            reason: "ticket 1".parse().unwrap(),
            until: until.parse().unwrap(),
        }
    }

    #[test]
    fn what_was_not_read_is_not_covered_by_the_list_and_not_checked_otherwise() {
        let resource = |stack: &str, id: &str, kind: &str| {
            let mut applied = Applied::new("1", "r");
            let one = incline_model::observed::DeployedResource {
                id: id.into(),
                kind: kind.into(),
                physical: "p".into(),
                status: "CREATE_COMPLETE".into(),
                reason: String::new(),
            };
            let template = serde_json::json!({ "Resources": {} });
            applied.add(stack, &incline_model::observed::DeployedStack::from_template(template), &[one]);
            applied.resources.remove(0)
        };
        let resources = [
            resource("a", "Read", "AWS::S3::Bucket"),
            resource("a", "Record", "AWS::Route53::RecordSet"),
            resource("a", "Unread", "AWS::EC2::Route"),
            // Of a stack that CloudFormation did not check, a read of its own is not all.
            resource("b", "Read", "AWS::S3::Bucket"),
            resource("b", "Unread", "AWS::EC2::Route"),
        ];
        let seen = BTreeSet::from([("a".to_owned(), "Read".to_owned()), ("b".to_owned(), "Read".to_owned())]);
        let denied = of_stack("b", State::NotChecked { why: "denied".into() });
        let (in_sync, unseen) = sorted(&resources, &seen, &[denied]);
        assert_eq!(in_sync, 1);
        let told: Vec<String> =
            unseen.iter().map(|one| format!("{} {} {}", one.target, one.resource, one.state.class())).collect();
        assert_eq!(told, ["a Record notCovered", "a Unread notChecked"]);
    }

    #[test]
    fn the_list_of_what_is_not_covered_grows_and_shrinks_by_decision_alone() {
        let types: Vec<&str> = coverage::TYPES.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(types, ["AWS::Route53::RecordSet"]);
        let beside: Vec<&str> = coverage::BESIDE.iter().map(|(what, _)| *what).collect();
        assert_eq!(beside, ["nodes", "cluster objects"]);
    }

    #[test]
    fn drift_is_borne_where_it_is_named_and_until_its_day() {
        let class = |rules: &[Ignore]| ignoring(vec![finding("MaxSize")], rules, "2026-11-24")[0].state.class();
        assert_eq!(class(&[]), "drifted");
        assert_eq!(class(&[rule("site-pool-*/Group", None, "2026-11-24")]), "ignored");
        assert_eq!(class(&[rule("site-pool-*/Group", None, "2026-11-23")]), "drifted");
        assert_eq!(class(&[rule("site-pool-*/Group", Some("Max*"), "2027-01-01")]), "ignored");
        assert_eq!(class(&[rule("site-pool-*/Group", Some("Min*"), "2027-01-01")]), "drifted");
        assert_eq!(class(&[rule("other/*", None, "2027-01-01")]), "drifted");
    }
}
