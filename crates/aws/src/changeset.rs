//! Change sets: made, judged, carried out, removed.
use crate::error::Error;
use crate::session::Session;
use crate::stacks::failed;
use aws_sdk_cloudformation::types::{
    Capability, ChangeAction, ChangeSetStatus, ChangeSetType, DeploymentMode, ExecutionStatus, Parameter, Replacement,
    RequiresRecreation, Tag,
};
use incline_model::desired::{INLINE_TEMPLATE_BYTES, Stack};
use incline_model::plan::{Replaces, Verb};
use incline_plan::{Judged, digest};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is asked of CloudFormation: a stack as it must be, all its parameters known.
#[derive(Debug, Clone)]
pub(crate) struct Wish<'a> {
    pub(crate) stack: &'a str,
    /// The template's text, or where it lies in S3.
    pub(crate) body: Body<'a>,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Whether the stack is made by it.
    pub(crate) is_new: bool,
    /// Whether what drifted is brought back by it, too.
    pub(crate) reverts: bool,
}

/// A template on its way.
#[derive(Debug, Clone)]
pub(crate) enum Body<'a> {
    Inline(&'a str),
    Url { url: String, sha512: String },
}

impl Body<'_> {
    /// Whether a template must go through S3.
    pub(crate) fn is_large(stack: &Stack) -> bool {
        stack.body.len() > INLINE_TEMPLATE_BYTES
    }
}

/// A change set that was made.
#[derive(Debug, Clone)]
pub(crate) struct ChangeSet {
    pub(crate) id: String,
    pub(crate) stack_id: String,
    /// What it does, as CloudFormation judges it.
    pub(crate) judged: Vec<Judged>,
    /// Why there is nothing to carry out, if there is nothing.
    pub(crate) empty: Option<String>,
}

impl Wish<'_> {
    /// The change set's name: the same wish has the same, so that a run after a crash finds what was made before it.
    pub(crate) fn name(&self) -> String {
        let body = match &self.body {
            Body::Inline(text) => digest(text),
            Body::Url { sha512, .. } => sha512.clone(),
        };
        let all = format!("{body} {:?} {:?} {} {}", self.parameters, self.tags, self.is_new, self.reverts);
        format!("incline-{}", digest(&all).get(..24).unwrap_or_default())
    }
}

impl Session {
    /// Makes a change set, or finds the one that an earlier run made, and waits until CloudFormation has judged it.
    pub(crate) async fn change_set(&self, wish: &Wish<'_>) -> Result<ChangeSet, Error> {
        let name = wish.name();
        match self.offered(wish, &name).await? {
            Found::Usable(change_set) => return Ok(change_set),
            // One that was carried out, or that another change made obsolete, keeps the name: it is of no use.
            Found::Useless(_) => self.delete_change_set(wish.stack, &name).await?,
        }
        match self.offered(wish, &name).await? {
            Found::Usable(change_set) => Ok(change_set),
            Found::Useless(why) => Err(Error::new("cloudformation", "CreateChangeSet", "Failed", why)),
        }
    }

    async fn offered(&self, wish: &Wish<'_>, name: &str) -> Result<Found, Error> {
        match self.create_change_set(wish, name).await {
            Err(error) if !error.code.starts_with("AlreadyExists") => Err(error),
            _ => self.judged(wish.stack, name).await,
        }
    }

    async fn create_change_set(&self, wish: &Wish<'_>, name: &str) -> Result<(), Error> {
        let mut request = self
            .cloudformation
            .create_change_set()
            .stack_name(wish.stack)
            .change_set_name(name)
            .client_token(name)
            .change_set_type(if wish.is_new { ChangeSetType::Create } else { ChangeSetType::Update })
            .capabilities(Capability::CapabilityNamedIam)
            .include_nested_stacks(false)
            .set_deployment_mode(wish.reverts.then_some(DeploymentMode::RevertDrift));
        request = match &wish.body {
            Body::Inline(text) => request.template_body(*text),
            Body::Url { url, .. } => request.template_url(url),
        };
        for (key, value) in &wish.parameters {
            request = request.parameters(Parameter::builder().parameter_key(key).parameter_value(value).build());
        }
        for (key, value) in &wish.tags {
            request = request.tags(Tag::builder().key(key).value(value).build());
        }
        request.send().await.map(drop).map_err(failed("CreateChangeSet"))
    }

    /// Waits for CloudFormation's judgement, and reads all of it.
    async fn judged(&self, stack: &str, name: &str) -> Result<Found, Error> {
        let mut pause = Duration::from_millis(100);
        let mut judged = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut request = self
                .cloudformation
                .describe_change_set()
                .stack_name(stack)
                .change_set_name(name)
                // Values before and after, where the service tells them.
                .include_property_values(true);
            request = request.set_next_token(token.take());
            let answer = request.send().await.map_err(failed("DescribeChangeSet"))?;
            let reason = answer.status_reason().unwrap_or_default().to_owned();
            let id = answer.change_set_id().unwrap_or(name).to_owned();
            let stack_id = answer.stack_id().unwrap_or(stack).to_owned();
            match answer.status() {
                Some(ChangeSetStatus::CreateComplete) => {
                    if answer.execution_status() != Some(&ExecutionStatus::Available) {
                        return Ok(Found::Useless(format!("the change set cannot be carried out: {reason}")));
                    }
                    judged.extend(answer.changes().iter().filter_map(|change| change.resource_change()).map(verdict));
                    if let Some(more) = answer.next_token() {
                        token = Some(more.to_owned());
                        continue;
                    }
                    return Ok(Found::Usable(ChangeSet { id, stack_id, judged, empty: None }));
                }
                // There is no code for it (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeChangeSet.html):
                // whoever acts on it looks at the stack again.
                Some(ChangeSetStatus::Failed) if says_nothing_changes(&reason) => {
                    return Ok(Found::Usable(ChangeSet { id, stack_id, judged, empty: Some(reason) }));
                }
                Some(ChangeSetStatus::CreatePending | ChangeSetStatus::CreateInProgress) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 3 / 2).min(Duration::from_secs(3));
                }
                _ => return Ok(Found::Useless(reason)),
            }
        }
    }

    /// Carries a change set out. Asked twice, CloudFormation does it once.
    pub(crate) async fn execute(&self, change_set: &ChangeSet) -> Result<(), Error> {
        let token = format!("run-{}", digest(&change_set.id).get(..32).unwrap_or_default());
        let sent = self
            .cloudformation
            .execute_change_set()
            .change_set_name(&change_set.id)
            .client_request_token(token)
            // What a failed creation made is removed with it, retained or not: otherwise the next try finds its names taken.
            .retain_except_on_create(true)
            .send()
            .await;
        match sent.map_err(failed("ExecuteChangeSet")) {
            // The answer to an earlier try was lost on the way: it is being carried out already.
            Err(error) if error.code.starts_with("InvalidChangeSetStatus") => Ok(()),
            sent => sent.map(drop),
        }
    }

    pub(crate) async fn delete_change_set(&self, stack: &str, name: &str) -> Result<(), Error> {
        let answer = self.cloudformation.delete_change_set().stack_name(stack).change_set_name(name).send().await;
        match answer.map_err(failed("DeleteChangeSet")) {
            Err(error) if !error.is_missing() => Err(error),
            _ => Ok(()),
        }
    }
}

enum Found {
    Usable(ChangeSet),
    Useless(String),
}

fn says_nothing_changes(reason: &str) -> bool {
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}

/// A resource's change, in the plan's words.
fn verdict(change: &aws_sdk_cloudformation::types::ResourceChange) -> Judged {
    let verb = match change.action() {
        Some(ChangeAction::Add | ChangeAction::Import) => Verb::Create,
        Some(ChangeAction::Remove) => Verb::Remove,
        _ => Verb::Update,
    };
    let replaces = match change.replacement() {
        Some(Replacement::True) => Replaces::Always,
        Some(Replacement::Conditional) => Replaces::Perhaps,
        _ => Replaces::Never,
    };
    let properties = change.details().iter().filter_map(|detail| detail.target()).map(|target| {
        let path = target.path().or(target.name()).unwrap_or_default().trim_start_matches('/').replace('/', ".");
        let path = match target.requires_recreation() {
            Some(RequiresRecreation::Always) => format!("{path} (makes it anew)"),
            Some(RequiresRecreation::Conditionally) => format!("{path} (may make it anew)"),
            _ => path,
        };
        (path, target.before_value().map(ToOwned::to_owned), target.after_value().map(ToOwned::to_owned))
    });
    let mut properties: Vec<_> = properties.collect();
    properties.sort();
    properties.dedup();
    Judged {
        resource: change.logical_resource_id().unwrap_or_default().to_owned(),
        kind: change.resource_type().unwrap_or_default().to_owned(),
        verb,
        replaces,
        properties,
    }
}
