//! The System of stacks: a step is looked at and carried out.
use crate::changeset::{Body, ChangeSet, Wish};
use crate::error::Error;
use crate::fetched::not_there;
use crate::follow::succeeded;
use crate::restore::is_direct;
use crate::session::Session;
use crate::stacks::failed;
use incline_exec::{Ended, Lane, Look, Say, Stop, System};
use incline_model::desired::{Desired, Parameter, Roll, Stack};
use incline_model::event::Trouble;
use incline_model::observed::{Condition, DeployedStack, Observed};
use incline_model::plan::{Change, Expectation, Reason, Step, Verb};
use incline_plan::{Judged, Table, fingerprint, is_fulfilled, starts_machines, surprises};
use serde_json::Value;
use sha2::{Digest, Sha512};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// A site's part of the system: who is asked, and what must be.
#[derive(Debug, Clone)]
pub struct Part {
    /// The site's session.
    pub session: Session,
    /// What the site must be; empty for a site that is to go.
    pub desired: Desired,
}

/// The stacks of some sites.
#[derive(Debug)]
pub struct Stacks<'a> {
    parts: BTreeMap<String, Part>,
    table: &'a Table,
    /// How many stacks are changed side by side.
    width: usize,
    pub(crate) stop: Stop,
    /// Outputs that are known, by stack.
    outputs: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    /// Sites of which all that machines fetch was found.
    found: Mutex<BTreeSet<String>>,
}

impl<'a> Stacks<'a> {
    /// The stacks of these sites; `observed` is what the plan was made against, by site.
    pub fn new(
        parts: BTreeMap<String, Part>,
        observed: &BTreeMap<String, Observed>,
        table: &'a Table,
        width: usize,
        stop: Stop,
    ) -> Self {
        let mut outputs: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for seen in observed.values() {
            outputs.extend(seen.elsewhere.clone());
            outputs.extend(seen.stacks.iter().filter_map(|(name, stack)| Some((name.clone(), stack.outputs.clone()?))));
        }
        Self { parts, table, width, stop, outputs: Mutex::new(outputs), found: Mutex::default() }
    }

    /// The site of a stack: the longest name that begins the stack's.
    fn part(&self, target: &str) -> Result<&Part, Trouble> {
        self.parts
            .iter()
            .filter(|(site, _)| target.strip_prefix(site.as_str()).is_some_and(|rest| rest.starts_with('-')))
            .max_by_key(|(site, _)| site.len())
            .map(|(_, part)| part)
            .ok_or_else(|| Trouble::new(format!("{target} belongs to no site of this run")))
    }

    fn known(&self, stack: &str) -> Option<BTreeMap<String, String>> {
        self.outputs.lock().ok()?.get(stack).cloned()
    }

    fn learn(&self, stack: &str, outputs: Option<BTreeMap<String, String>>) {
        if let Ok(mut known) = self.outputs.lock() {
            match outputs {
                Some(outputs) => drop(known.insert(stack.to_owned(), outputs)),
                None => drop(known.remove(stack)),
            }
        }
    }

    /// An output of a stack, of whichever site.
    async fn output(&self, stack: &str, output: &str) -> Result<Option<String>, Trouble> {
        if let Some(value) = self.known(stack).and_then(|outputs| outputs.get(output).cloned()) {
            return Ok(Some(value));
        }
        let Ok(part) = self.part(stack) else { return Ok(None) };
        let outputs = part.session.outputs(stack).await.map_err(Trouble::from)?;
        self.learn(stack, outputs.clone());
        Ok(outputs.and_then(|outputs| outputs.get(output).cloned()))
    }

    async fn value(&self, parameter: &Parameter) -> Result<Option<String>, Trouble> {
        match parameter {
            Parameter::Value(value) => Ok(Some(value.clone())),
            Parameter::Output { stack, output } => self.output(stack, output).await,
        }
    }

    /// All parameters of a stack, none missing.
    async fn parameters(&self, stack: &Stack) -> Result<BTreeMap<String, String>, Trouble> {
        let mut values = BTreeMap::new();
        for (name, parameter) in &stack.parameters {
            match (self.value(parameter).await?, parameter) {
                (Some(value), _) => drop(values.insert(name.clone(), value)),
                (None, Parameter::Output { stack, output }) => {
                    return Err(Trouble::new(format!(
                        "the parameter {name} takes {output} of {stack}, which is not there"
                    ))
                    .hint("apply the other site too"));
                }
                (None, Parameter::Value(_)) => {}
            }
        }
        Ok(values)
    }

    /// What is known of the stacks that a stack takes outputs of.
    async fn observed(&self, stack: &Stack) -> Result<Observed, Trouble> {
        let mut observed = Observed::default();
        for parameter in stack.parameters.values() {
            if let Parameter::Output { stack, output } = parameter
                && let Some(value) = self.output(stack, output).await?
            {
                observed.elsewhere.entry(stack.clone()).or_default().insert(output.clone(), value);
            }
        }
        Ok(observed)
    }

    async fn create_or_update(&self, part: &Part, step: &Step, say: &Say) -> Result<(), Ended> {
        let target = step.target.as_str();
        let stack = part
            .desired
            .stacks
            .iter()
            .find(|stack| stack.name == target)
            .ok_or_else(|| Trouble::new(format!("{target} is not part of its site")))?;
        self.machines_can_boot(part, step).await?;
        let session = &part.session;
        if let Some(mend) = &step.mend {
            self.mend(session, target, mend, say).await?;
        }
        let there = session.describe(target).await?;
        let is_new = there
            .as_ref()
            .is_none_or(|told| told.stack_status().is_some_and(|status| status.as_str() == "REVIEW_IN_PROGRESS"));
        let own = |path: &str| ["StackPolicy", "TerminationProtection"].contains(&path);
        let by_service = |change: &Change| {
            change.reason == Reason::Drifted && change.properties.iter().all(|p| is_direct(&change.kind, &p.path))
        };
        // What a stack is after it was mended was not known when the plan was made.
        let mended = step.mend.is_some();
        if is_new
            || mended
            || step.changes.iter().any(|c| !by_service(c))
            || step.settings.iter().any(|s| !own(&s.path))
        {
            self.change(part, stack, step, is_new, say).await?;
        }
        self.restore(part, step, say).await?;
        self.set_policy(session, target, &stack.policy).await?;
        self.protect(session, target, stack.protected).await?;
        if let Some(Roll::Refresh(refresh)) = &step.roll {
            session.refresh(target, refresh, &self.stop, say).await?;
        }
        Ok(())
    }

    /// Looks whether all is there that machines fetch while they boot, before a step that starts machines. Once found,
    /// it is not looked for again in this run.
    async fn machines_can_boot(&self, part: &Part, step: &Step) -> Result<(), Trouble> {
        let site = part.desired.site.as_str();
        let is_found = self.found.lock().is_ok_and(|found| found.contains(site));
        if is_found || !starts_machines(step) {
            return Ok(());
        }
        let missing = part.session.missing(&part.desired.fetched).await;
        if !missing.is_empty() {
            return Err(not_there(&missing));
        }
        if let Ok(mut found) = self.found.lock() {
            found.insert(site.to_owned());
        }
        Ok(())
    }

    /// Uploads what the stack and its machines fetch, makes the change set, compares it with the plan, carries it out and
    /// follows it to its end.
    async fn change(&self, part: &Part, stack: &Stack, step: &Step, is_new: bool, say: &Say) -> Result<(), Ended> {
        let (target, session) = (step.target.as_str(), &part.session);
        session.make_linked_roles(target, &stack.template, say).await?;
        let mut wish = self.wish(part, stack, is_new, Some(say)).await?;
        wish.reverts = step.changes.iter().any(|change| change.reason == Reason::Drifted);
        if !is_new {
            self.set_policy(session, target, &exception(&stack.policy, step)).await?;
        }
        let change_set = session.change_set(&wish).await?;
        if let Some(why) = &change_set.empty {
            say.progress(target, format!("CloudFormation finds nothing to change: {why}"));
            session.delete_change_set(target, &wish.name()).await?;
            return Ok(());
        }
        let unexpected = surprises(step, &change_set.judged);
        if !unexpected.is_empty() {
            session.delete_change_set(target, &wish.name()).await?;
            return Err(Trouble::new("CloudFormation would do what the plan does not name")
                .details(unexpected)
                .hint("nothing was changed. `incline plan --change-sets` shows what CloudFormation would do")
                .into());
        }
        say.sent(target, format!("change set {}", change_set.id));
        if let Some(Roll::Member(member)) = &step.roll {
            let volume = self.value(&member.volume).await?.unwrap_or_default();
            session.before_member(target, member, &volume, &wish.name(), &self.stop, say).await?;
        }
        let since = session.newest_event(&change_set.stack_id).await?;
        session.execute(&change_set).await?;
        let end = session.follow(target, &change_set.stack_id, since.as_deref(), &self.stop, say).await?;
        succeeded(&end, &["CREATE_COMPLETE", "UPDATE_COMPLETE"])?;
        if let Some(Roll::Member(member)) = &step.roll {
            session.members_answer(target, member, false, &self.stop, say).await?;
        }
        Ok(())
    }

    /// What is asked of CloudFormation for a stack. With somebody to tell, what it needs in S3 is put there first.
    async fn wish<'s>(
        &self,
        part: &Part,
        stack: &'s Stack,
        is_new: bool,
        say: Option<&Say>,
    ) -> Result<Wish<'s>, Ended> {
        let mut body = Body::Inline(&stack.body);
        if Body::is_large(stack) {
            let sha512: String = incline_model::hex(&Sha512::digest(stack.body.as_bytes()));
            let key = format!("templates/{sha512}.yaml");
            let bucket = self.put(part, stack, &key, &stack.body, say).await?;
            body = Body::Url { url: format!("{}/{key}", part.session.wire.bucket_url(&bucket)), sha512 };
        }
        let role = stack.name.strip_prefix(part.desired.site.as_str()).unwrap_or_default().trim_start_matches('-');
        if say.is_some()
            && let Some(artifact) = part.desired.artifacts.iter().find(|artifact| artifact.role == role)
        {
            self.put(part, stack, &artifact.key, &artifact.content, say).await?;
        }
        Ok(Wish {
            stack: &stack.name,
            body,
            parameters: self.parameters(stack).await?,
            tags: stack.tags.clone(),
            is_new,
            reverts: false,
        })
    }

    /// Puts an object into the site's artifact bucket, and gives the bucket.
    async fn put(
        &self,
        part: &Part,
        stack: &Stack,
        key: &str,
        content: &str,
        say: Option<&Say>,
    ) -> Result<String, Ended> {
        let site = part.desired.site.as_str();
        let bucket = self.output(&format!("{site}-data"), "ArtifactBucketName").await?;
        let encryption = self.output(&format!("{site}-keys"), "DataKeyArn").await?;
        let (Some(bucket), Some(encryption)) = (bucket, encryption) else {
            return Err(Trouble::new(format!(
                "{} needs {key} in S3, and the site's bucket is not there yet",
                stack.name
            ))
            .hint(format!("a template of more than 51,200 bytes can only stand after {site}-data: make it smaller"))
            .into());
        };
        if part.session.upload(&bucket, key, &encryption, content).await?
            && let Some(say) = say
        {
            say.sent(&stack.name, format!("s3://{bucket}/{key}"));
        }
        Ok(bucket)
    }

    /// Sets back by the services themselves what drifted and CloudFormation cannot see.
    async fn restore(&self, part: &Part, step: &Step, say: &Say) -> Result<(), Ended> {
        let drifted: Vec<&Change> = step.changes.iter().filter(|change| change.reason == Reason::Drifted).collect();
        if drifted.is_empty() {
            return Ok(());
        }
        let observed = part.session.observe(&part.desired).await?;
        let (applied, _) = part.session.gather(&observed, &[], "").await;
        for change in drifted {
            let direct: Vec<_> =
                change.properties.iter().filter(|property| is_direct(&change.kind, &property.path)).cloned().collect();
            let found = applied.resources.iter().find(|r| r.stack == step.target && r.id == change.resource);
            let Some(resource) = found.filter(|_| !direct.is_empty()) else { continue };
            for done in part.session.restore(resource, &direct).await? {
                say.sent(&step.target, format!("{}: {done}", change.resource));
            }
        }
        Ok(())
    }

    /// Whether what a step brings back is back.
    async fn is_back(&self, part: &Part, step: &Step) -> Result<bool, Trouble> {
        let drifted: Vec<&Change> = step.changes.iter().filter(|change| change.reason == Reason::Drifted).collect();
        if drifted.is_empty() {
            return Ok(true);
        }
        let observed = part.session.observe(&part.desired).await.map_err(Trouble::from)?;
        let (_, gathered) = part.session.gather(&observed, &[step.target.as_str()], "").await;
        // A read that failed proves nothing.
        if let Some(why) = drifted.iter().find_map(|change| gathered.not_checked(&step.target, &change.resource)) {
            return Err(Trouble::new(format!("not checked after the repair: {why}")).hint("run `incline drift`"));
        }
        let still = gathered.drifted_in(&step.target);
        Ok(!drifted.iter().any(|change| {
            still.iter().any(|(resource, property)| {
                *resource == change.resource && change.properties.iter().any(|known| known.path == *property)
            })
        }))
    }

    /// Lets CloudFormation judge a step, without carrying anything out: what it would do, or why it cannot be asked.
    /// `keep` leaves the change set for a later apply.
    ///
    /// # Errors
    /// The change set cannot be made.
    pub async fn judge(&self, step: &Step, keep: bool) -> Result<Result<Vec<Judged>, String>, Trouble> {
        let part = self.part(&step.target)?;
        let Some(stack) = part.desired.stacks.iter().find(|stack| stack.name == step.target) else {
            return Ok(Err("a removal has no change set".to_owned()));
        };
        if step.mend.is_some() {
            return Ok(Err("an earlier operation must be mended first".to_owned()));
        }
        for parameter in stack.parameters.values() {
            if let Parameter::Output { stack, output } = parameter
                && self.output(stack, output).await?.is_none()
            {
                return Ok(Err(format!("it takes {output} of {stack}, which is not there yet")));
            }
        }
        if Body::is_large(stack) {
            return Ok(Err("its template goes through S3, and planning uploads nothing".to_owned()));
        }
        let is_new = step.verb == Verb::Create;
        let wish = match self.wish(part, stack, is_new, None).await {
            Ok(wish) => wish,
            Err(Ended::Failed(trouble) | Ended::Interrupted(trouble)) => return Err(trouble),
        };
        let change_set = part.session.change_set(&wish).await.map_err(Trouble::from)?;
        if !keep || change_set.empty.is_some() {
            self.withdraw(&part.session, &wish, &change_set).await.map_err(Trouble::from)?;
        }
        Ok(Ok(change_set.judged))
    }

    /// Removes a change set, and the empty stack that it made.
    async fn withdraw(&self, session: &Session, wish: &Wish<'_>, change_set: &ChangeSet) -> Result<(), Error> {
        session.delete_change_set(wish.stack, &wish.name()).await?;
        if wish.is_new
            && let Some(told) = session.describe(&change_set.stack_id).await?
            && told.stack_status().is_some_and(|status| status.as_str() == "REVIEW_IN_PROGRESS")
        {
            session
                .cloudformation
                .delete_stack()
                .stack_name(&change_set.stack_id)
                .send()
                .await
                .map_err(failed("DeleteStack"))?;
        }
        Ok(())
    }

    /// Sets a stack's policy, where it is another.
    async fn set_policy(&self, session: &Session, target: &str, policy: &Value) -> Result<(), Error> {
        let is = session
            .cloudformation
            .get_stack_policy()
            .stack_name(target)
            .send()
            .await
            .map_err(failed("GetStackPolicy"))?;
        let is = is.stack_policy_body().and_then(|text| serde_json::from_str::<Value>(text).ok());
        if is.as_ref() == Some(policy) {
            return Ok(());
        }
        let request =
            session.cloudformation.set_stack_policy().stack_name(target).stack_policy_body(policy.to_string());
        request.send().await.map(drop).map_err(failed("SetStackPolicy"))
    }

    /// Sets a stack's termination protection, where it is otherwise.
    pub(crate) async fn protect(&self, session: &Session, target: &str, protected: bool) -> Result<(), Error> {
        let is = session.describe(target).await?;
        if is.is_none_or(|told| told.enable_termination_protection() == Some(protected)) {
            return Ok(());
        }
        let request = session
            .cloudformation
            .update_termination_protection()
            .stack_name(target)
            .enable_termination_protection(protected);
        request.send().await.map(drop).map_err(failed("UpdateTerminationProtection"))
    }

    /// Follows whatever CloudFormation is at work on, to its end: another run's, a person's, or this one's before it was
    /// interrupted.
    ///
    /// # Errors
    /// incline is told to stop, or cannot look.
    pub async fn attach(&self, target: &str, say: &Say) -> Result<(), Ended> {
        let session = &self.part(target)?.session;
        let Some(told) = session.describe(target).await? else { return Ok(()) };
        let id = told.stack_id().unwrap_or(target).to_owned();
        session.follow(target, &id, None, &self.stop, say).await.map(drop)
    }
}

impl System for Stacks<'_> {
    fn lane(&self, _: &Step) -> Lane {
        Lane { name: "stacks", width: self.width }
    }

    async fn look(&self, step: &Step) -> Result<Look, Trouble> {
        let part = self.part(&step.target)?;
        let wished = part.desired.stacks.iter().find(|stack| stack.name == step.target && step.verb != Verb::Remove);
        let roll = wished.map(|stack| stack.roll.clone()).unwrap_or_default();
        let deployed = part.session.stack(&step.target, &roll).await?;
        let deployed =
            deployed.filter(|deployed| deployed.status.condition() != Condition::Reviewing || wished.is_none());
        self.learn(&step.target, deployed.as_ref().and_then(|deployed| deployed.outputs.clone()));
        let is_fulfilled = match (wished, &deployed) {
            (Some(stack), Some(deployed)) => {
                self.is_as_wished(stack, deployed).await? && self.is_back(part, step).await?
            }
            (Some(_), None) => false,
            (None, deployed) => deployed.is_none(),
        };
        let is = deployed.map_or(Expectation::Absent, |deployed| Expectation::Seen(fingerprint(&deployed)));
        Ok(Look { is_fulfilled, is })
    }

    async fn apply(&self, step: &Step, say: &Say) -> Result<(), Ended> {
        let part = self.part(&step.target)?;
        match step.verb {
            Verb::Remove => self.remove(&part.session, step, say).await,
            Verb::Create | Verb::Update | Verb::Replace => self.create_or_update(part, step, say).await,
        }
    }
}

impl Stacks<'_> {
    async fn is_as_wished(&self, stack: &Stack, deployed: &DeployedStack) -> Result<bool, Trouble> {
        Ok(is_fulfilled(stack, deployed, self.table, &self.observed(stack).await?))
    }
}

/// The stack policy while a step runs: without what the step names to be replaced or removed.
fn exception(policy: &Value, step: &Step) -> Value {
    let named: Vec<String> = step
        .changes
        .iter()
        .filter(|change| matches!(change.verb, Verb::Replace | Verb::Remove))
        .map(|change| format!("LogicalResourceId/{}", change.resource))
        .collect();
    let mut policy = policy.clone();
    let statements = policy.get_mut("Statement").and_then(Value::as_array_mut);
    if let Some(statements) = statements {
        for statement in statements.iter_mut().filter(|statement| statement["Effect"] == "Deny") {
            if let Some(resources) = statement.get_mut("Resource").and_then(Value::as_array_mut) {
                resources.retain(|resource| !named.iter().any(|name| resource == name));
            }
        }
        statements.retain(|statement| {
            statement.get("Resource").and_then(Value::as_array).is_none_or(|list| !list.is_empty())
        });
    }
    policy
}
