//! Looking at stacks.
use crate::error::Error;
use crate::session::Session;
use crate::{artifacts, nodes};
use aws_sdk_cloudformation::types::Stack as Told;
use futures_util::stream::{self, StreamExt};
use incline_model::desired::{Desired, Parameter, Roll, Stack};
use incline_model::observed::{Condition, DeployedResource, DeployedStack, Observed, Status};
use std::collections::{BTreeMap, BTreeSet};

/// How many stacks of a site are looked at side by side: CloudFormation throttles an account's reads beyond about ten a
/// second.
const SIDE_BY_SIDE: usize = 6;
/// The tag by which incline knows its own.
pub(crate) const MARK: &str = "incline:site";

/// An error of CloudFormation's.
pub(crate) fn failed<E, R>(
    operation: &str,
) -> impl FnOnce(aws_smithy_runtime_api::client::result::SdkError<E, R>) -> Error
where
    E: aws_smithy_types::error::metadata::ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    Error::from_sdk("cloudformation", operation)
}

impl Session {
    /// Looks at all stacks of a site: those that must be, and those that bear its mark. Stacks that cannot be looked at
    /// are told as such.
    ///
    /// # Errors
    /// The list of stacks cannot be had at all.
    pub async fn observe(&self, desired: &Desired) -> Result<Observed, Error> {
        let site = desired.site.as_str();
        let wished: BTreeMap<&str, &Stack> = desired.stacks.iter().map(|stack| (stack.name.as_str(), stack)).collect();
        let mut observed = Observed::default();
        let mut looks = Vec::new();
        for told in self.all_stacks().await? {
            let name = told.stack_name().unwrap_or_default().to_owned();
            let status = Status(told.stack_status().map_or(String::new(), |status| status.as_str().to_owned()));
            let mark = told.tags().iter().find(|tag| tag.key() == Some(MARK)).and_then(|tag| tag.value());
            let marked = mark == Some(site);
            if let Some(other) = mark.filter(|_| !marked && status.0 != "DELETE_COMPLETE") {
                observed.others.entry(other.to_owned()).or_default().insert(name.clone());
            }
            // An empty stack under review may not show its tags yet.
            let ours = marked || (status.condition() == Condition::Reviewing && wished.contains_key(name.as_str()));
            if ours {
                looks.push((name, told));
            } else if wished.contains_key(name.as_str()) {
                let why = format!(
                    "a stack of this name is there, and does not bear the tag {MARK}: {site}; it is not incline's"
                );
                observed.unseen.insert(name, why);
            }
        }
        let mut seen = stream::iter(looks.into_iter().map(|(name, told)| {
            let roll = wished.get(name.as_str()).map(|stack| stack.roll.clone()).unwrap_or_default();
            async move { (name, self.whole(&told, &roll).await) }
        }))
        .buffer_unordered(SIDE_BY_SIDE);
        while let Some((name, look)) = seen.next().await {
            match look {
                Ok(Some(stack)) => drop(observed.stacks.insert(name, stack)),
                Ok(None) => {}
                Err(error) => drop(observed.unseen.insert(name, error.to_string())),
            }
        }
        drop(seen);
        self.node_configurations(desired, &mut observed).await;
        Ok(observed)
    }

    /// The configurations that machines boot from now, where others are wished for: what the difference of two digests
    /// means. One that cannot be read is told with the reason.
    async fn node_configurations(&self, desired: &Desired, observed: &mut Observed) {
        for artifact in &desired.artifacts {
            let stack = observed.stacks.get(&format!("{}-{}", desired.site, artifact.role));
            let Some((bucket, key)) = stack.and_then(|stack| artifacts::pointed_to(&stack.template)) else { continue };
            // The key holds the digest.
            if key == artifact.key {
                continue;
            }
            match self.wire.s3("GetObject", "GET", &bucket, &format!("/{key}"), &[], &[]).await {
                Ok(answer) => {
                    let text = String::from_utf8_lossy(&answer.body).into_owned();
                    observed.nodes.insert(artifact.role.clone(), text);
                }
                Err(error) => {
                    tracing::info!(%error, key, "the node configuration cannot be read");
                    observed.unread.insert(artifact.role.clone(), format!("s3://{bucket}/{key}: {error}"));
                }
            }
        }
    }

    /// One stack, if it is there.
    pub(crate) async fn stack(&self, name: &str, roll: &Roll) -> Result<Option<DeployedStack>, Error> {
        match self.describe(name).await? {
            Some(told) => self.whole(&told, roll).await,
            None => Ok(None),
        }
    }

    /// The outputs of a stack, if it is there.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub async fn outputs(&self, name: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
        Ok(self.describe(name).await?.map(|told| outputs(&told)))
    }

    /// Other sites' stacks that a site takes outputs of.
    pub fn elsewhere(desired: &Desired) -> BTreeSet<String> {
        let own: BTreeSet<&str> = desired.stacks.iter().map(|stack| stack.name.as_str()).collect();
        let parameters = desired.stacks.iter().flat_map(|stack| stack.parameters.values());
        parameters
            .filter_map(|parameter| match parameter {
                Parameter::Output { stack, .. } if !own.contains(stack.as_str()) => Some(stack.clone()),
                _ => None,
            })
            .collect()
    }

    /// What DescribeStacks tells of one stack, by name or ARN.
    pub(crate) async fn describe(&self, name: &str) -> Result<Option<Told>, Error> {
        match self.cloudformation.describe_stacks().stack_name(name).send().await.map_err(failed("DescribeStacks")) {
            Ok(answer) => Ok(answer.stacks.unwrap_or_default().into_iter().next()),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn all_stacks(&self) -> Result<Vec<Told>, Error> {
        let mut pages = self.cloudformation.describe_stacks().into_paginator().send();
        let mut stacks = Vec::new();
        while let Some(page) = pages.next().await {
            stacks.extend(page.map_err(failed("DescribeStacks"))?.stacks.unwrap_or_default());
        }
        Ok(stacks)
    }

    /// A stack with its template, its policy, and what its state asks for.
    async fn whole(&self, told: &Told, roll: &Roll) -> Result<Option<DeployedStack>, Error> {
        let status = Status(told.stack_status().map_or(String::new(), |status| status.as_str().to_owned()));
        if status.0 == "DELETE_COMPLETE" {
            return Ok(None);
        }
        let id = told.stack_id().unwrap_or_default();
        let condition = status.condition();
        let (template, policy) = if condition == Condition::Reviewing {
            (serde_json::Value::Null, None)
        } else {
            match tokio::try_join!(self.template(id), self.policy(id)) {
                Ok(seen) => seen,
                // It went away between two requests.
                Err(error) if error.is_missing() => return Ok(None),
                Err(error) => return Err(error),
            }
        };
        let settled = matches!(condition, Condition::Settled | Condition::Reviewing | Condition::Busy);
        let resources = if settled { Vec::new() } else { self.troubled_resources(id).await? };
        let outdated = match roll {
            Roll::Refresh(refresh) if condition == Condition::Settled => nodes::outdated(self, &refresh.group).await?,
            _ => Vec::new(),
        };
        let parameters = told.parameters().iter().filter_map(|parameter| {
            Some((parameter.parameter_key()?.to_owned(), Parameter::Value(parameter.parameter_value()?.to_owned())))
        });
        let tags = told.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())));
        Ok(Some(DeployedStack {
            id: Some(id.to_owned()),
            status,
            status_reason: told.stack_status_reason().map(ToOwned::to_owned),
            template,
            parameters: Some(parameters.collect()),
            tags: Some(tags.collect()),
            outputs: Some(outputs(told)),
            protected: told.enable_termination_protection(),
            policy: Some(policy),
            resources,
            outdated,
        }))
    }

    /// A stack's template, as it was sent, parsed.
    pub(crate) async fn template(&self, stack: &str) -> Result<serde_json::Value, Error> {
        let answer =
            self.cloudformation.get_template().stack_name(stack).send().await.map_err(failed("GetTemplate"))?;
        let text = answer.template_body().unwrap_or_default();
        incline_model::yaml::parse(stack, text).map(|node| node.value()).map_err(|faults| {
            let why = faults.first().map_or(String::new(), ToString::to_string);
            Error::new("cloudformation", "GetTemplate", "Malformed", format!("its template cannot be read: {why}"))
        })
    }

    async fn policy(&self, stack: &str) -> Result<Option<serde_json::Value>, Error> {
        let answer =
            self.cloudformation.get_stack_policy().stack_name(stack).send().await.map_err(failed("GetStackPolicy"))?;
        Ok(answer.stack_policy_body().and_then(|text| serde_json::from_str(text).ok()))
    }

    /// A stack's resources with what its events tell of them: a list of resources may leave out what was never made, and
    /// what a deletion passed over.
    async fn troubled_resources(&self, stack: &str) -> Result<Vec<DeployedResource>, Error> {
        let mut resources = self.resources(stack).await?;
        let mut pages = self.cloudformation.describe_stack_events().stack_name(stack).into_paginator().send();
        let mut told = BTreeSet::new();
        while let Some(page) = pages.next().await {
            for event in page.map_err(failed("DescribeStackEvents"))?.stack_events() {
                let id = event.logical_resource_id().unwrap_or_default();
                let status = event.resource_status().map_or("", |status| status.as_str());
                let is_stack = event.physical_resource_id() == event.stack_id();
                // The newest event of each resource, which comes first, tells its state.
                if is_stack
                    || !told.insert(id.to_owned())
                    || !(status.ends_with("_FAILED") || status == "DELETE_SKIPPED")
                {
                    continue;
                }
                let known = resources.iter().position(|resource| resource.id == id);
                let resource = DeployedResource {
                    id: id.to_owned(),
                    kind: event.resource_type().unwrap_or_default().to_owned(),
                    physical: event.physical_resource_id().unwrap_or_default().to_owned(),
                    status: status.to_owned(),
                    reason: event.resource_status_reason().unwrap_or_default().to_owned(),
                };
                match known.and_then(|at| resources.get_mut(at)) {
                    Some(known) => *known = DeployedResource { physical: known.physical.clone(), ..resource },
                    None => resources.push(resource),
                }
            }
        }
        Ok(resources)
    }

    /// A stack's resources, by name or ARN.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn resources(&self, stack: &str) -> Result<Vec<DeployedResource>, Error> {
        let mut pages = self.cloudformation.list_stack_resources().stack_name(stack).into_paginator().send();
        let mut resources = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed("ListStackResources"))?;
            resources.extend(page.stack_resource_summaries.unwrap_or_default().into_iter().map(|told| {
                DeployedResource {
                    id: told.logical_resource_id().unwrap_or_default().to_owned(),
                    kind: told.resource_type().unwrap_or_default().to_owned(),
                    physical: told.physical_resource_id().unwrap_or_default().to_owned(),
                    status: told.resource_status().map_or(String::new(), |status| status.as_str().to_owned()),
                    reason: told.resource_status_reason().unwrap_or_default().to_owned(),
                }
            }));
        }
        Ok(resources)
    }
}

fn outputs(told: &Told) -> BTreeMap<String, String> {
    told.outputs()
        .iter()
        .filter_map(|output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned())))
        .collect()
}
