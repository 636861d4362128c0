//! Following what CloudFormation does to a stack, to its end.
use crate::error::Error;
use crate::session::Session;
use crate::stacks::failed;
use incline_exec::{Ended, Say, Stop};
use incline_model::event::{Event, Trouble};
use std::collections::BTreeSet;
use std::time::Duration;

/// Between two looks: short at first, for what is done at once, and slower for what takes minutes.
const FIRST: Duration = Duration::from_millis(150);
const SLOWEST: Duration = Duration::from_secs(5);
/// How many looks in a row may fail for reasons that pass, each after its own retries.
const PATIENCE: usize = 6;

/// How an operation on a stack ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct End {
    /// The stack's state, in AWS's word; `DELETE_COMPLETE` for a stack that is gone.
    pub(crate) status: String,
    /// What failed, first things first: resource, type, reason.
    pub(crate) failures: Vec<String>,
}

impl Session {
    /// The newest event of a stack, from which on another operation's events are told apart.
    pub(crate) async fn newest_event(&self, stack: &str) -> Result<Option<String>, Error> {
        let answer = self.cloudformation.describe_stack_events().stack_name(stack).send().await;
        match answer.map_err(failed("DescribeStackEvents")) {
            Ok(answer) => Ok(answer.stack_events().first().and_then(|event| event.event_id()).map(ToOwned::to_owned)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Follows the operation under way on a stack, given by its ARN, to its end. `since` is the newest event from before
    /// it began; without, the operation's own beginning is looked for.
    pub(crate) async fn follow(
        &self,
        target: &str,
        stack: &str,
        since: Option<&str>,
        stop: &Stop,
        say: &Say,
    ) -> Result<End, Ended> {
        let mut told = BTreeSet::new();
        let mut end = End::default();
        let mut pause = FIRST;
        let mut failed_looks = 0;
        loop {
            // The state is asked for before the events: when it is an end, no event is missing.
            let look = async {
                let status = self.describe(stack).await?;
                let status = status.and_then(|told| told.stack_status().map(|status| status.as_str().to_owned()));
                Ok((status, self.events(stack, since, &told).await?))
            };
            match look.await {
                Ok((status, events)) => {
                    failed_looks = 0;
                    for (id, event) in events {
                        told.insert(id);
                        if let Some(failure) = failure(target, &event) {
                            end.failures.push(failure);
                        }
                        say.event(event);
                        pause = FIRST;
                    }
                    end.status = status.unwrap_or_else(|| "DELETE_COMPLETE".to_owned());
                    if !end.status.ends_with("_IN_PROGRESS") || end.status == "REVIEW_IN_PROGRESS" {
                        return Ok(end);
                    }
                }
                Err(error) if Error::is_transient(&error) && failed_looks < PATIENCE => {
                    failed_looks += 1;
                    say.progress(target, format!("cannot look at the moment: {error}"));
                }
                Err(error) => {
                    let error: Error = error;
                    let mut trouble = Trouble::from(error);
                    trouble.details.push(format!("CloudFormation goes on with {target} by itself"));
                    return Err(Ended::Failed(trouble));
                }
            }
            let mut stop = stop.clone();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.said() => {
                    return Err(Ended::Interrupted(
                        Trouble::new(format!("CloudFormation goes on by itself ({})", end.status))
                            .hint("run the same command again: it follows what is under way, and goes on from there"),
                    ));
                }
            }
            pause = (pause * 3 / 2).min(SLOWEST);
        }
    }

    /// The events after `since` that were not told yet, oldest first.
    async fn events(
        &self,
        stack: &str,
        since: Option<&str>,
        told: &BTreeSet<String>,
    ) -> Result<Vec<(String, Event)>, Error> {
        let mut pages = self.cloudformation.describe_stack_events().stack_name(stack).into_paginator().send();
        let mut events = Vec::new();
        'pages: while let Some(page) = pages.next().await {
            let page = match page.map_err(failed("DescribeStackEvents")) {
                Err(error) if error.is_missing() => break,
                page => page?,
            };
            for event in page.stack_events() {
                let id = event.event_id().unwrap_or_default();
                if since == Some(id) || told.contains(id) {
                    break 'pages;
                }
                let resource = event.logical_resource_id().unwrap_or_default();
                let status = event.resource_status().map_or("", |status| status.as_str());
                let name = event.stack_name().unwrap_or_default();
                events.push((
                    id.to_owned(),
                    Event::Resource {
                        target: name.to_owned(),
                        resource: resource.to_owned(),
                        kind: event.resource_type().unwrap_or_default().to_owned(),
                        status: status.to_owned(),
                        reason: event.resource_status_reason().unwrap_or_default().to_owned(),
                    },
                ));
                // Where the operation began, when nobody says since when.
                let begins = resource == name
                    && ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"].contains(&status);
                if since.is_none() && begins {
                    break 'pages;
                }
            }
        }
        events.reverse();
        Ok(events)
    }
}

/// A failure that led to others: those others say only that they were cancelled, and the stack only sums up.
fn failure(target: &str, event: &Event) -> Option<String> {
    let Event::Resource { resource, kind, status, reason, .. } = event else { return None };
    let follows = reason.is_empty() || reason.to_ascii_lowercase().contains("cancelled");
    (status.ends_with("_FAILED") && resource != target && !follows).then(|| format!("{resource} ({kind}): {reason}"))
}

/// Whether an operation ended as it should; if not, the reason first.
pub(crate) fn succeeded(end: &End, good: &[&str]) -> Result<(), Ended> {
    if good.contains(&end.status.as_str()) {
        return Ok(());
    }
    let cause = end.failures.first().map_or_else(|| format!("the stack ended in {}", end.status), Clone::clone);
    let mut trouble = Trouble::new(cause);
    trouble.details = end.failures.iter().skip(1).cloned().collect();
    trouble.details.push(format!("the stack is in {}", end.status));
    if end.status.contains("ROLLBACK_COMPLETE") {
        trouble.hint =
            Some("CloudFormation went back to what was before. When the cause is gone, run it again".to_owned());
    }
    Err(Ended::Failed(trouble))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_and_echoes_are_not() {
        let event = |resource: &str, status: &str, reason: &str| Event::Resource {
            target: "s".into(),
            resource: resource.into(),
            kind: "K".into(),
            status: status.into(),
            reason: reason.into(),
        };
        assert_eq!(failure("s", &event("Nat", "CREATE_FAILED", "limit")).as_deref(), Some("Nat (K): limit"));
        assert_eq!(failure("s", &event("Vpc", "CREATE_FAILED", "Resource creation cancelled")), None);
        assert_eq!(
            failure("s", &event("s", "UPDATE_ROLLBACK_FAILED", "The following resource(s) failed: [Nat]")),
            None
        );
        assert_eq!(failure("s", &event("Nat", "CREATE_COMPLETE", "")), None);
    }
}
