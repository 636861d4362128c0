//! CloudFormation's own drift detection, stack by stack, side by side.
use super::applied::{Applied, Resource};
use super::{Gathered, of_stack};
use crate::error::Error;
use crate::session::Session;
use crate::stacks::failed;
use aws_sdk_cloudformation::types::{StackDriftDetectionStatus, StackResourceDriftStatus};
use futures_util::stream::{self, StreamExt};
use incline_model::drift::{NOTHING, State};
use std::time::Duration;

/// How many stacks are looked at side by side.
const SIDE_BY_SIDE: usize = 6;

impl Session {
    pub(crate) async fn detect(&self, stacks: &[&str], applied: &Applied) -> Gathered {
        let mut looks = Vec::new();
        for stack in stacks {
            looks.push(async move {
                let mut gathered = Gathered::default();
                if let Err(error) = self.detect_in(stack, applied, &mut gathered).await {
                    gathered.findings.push(of_stack(stack, State::NotChecked { why: error.to_string() }));
                }
                gathered
            });
        }
        let mut all = Gathered::default();
        let mut looks = stream::iter(looks).buffer_unordered(SIDE_BY_SIDE);
        while let Some(part) = looks.next().await {
            all.findings.extend(part.findings);
            all.seen.extend(part.seen);
        }
        all
    }

    async fn detect_in(&self, stack: &str, applied: &Applied, gathered: &mut Gathered) -> Result<(), Error> {
        let started = self
            .cloudformation
            .detect_stack_drift()
            .stack_name(stack)
            .send()
            .await
            .map_err(failed("DetectStackDrift"))?;
        let id = started.stack_drift_detection_id().unwrap_or_default().to_owned();
        let mut pause = Duration::from_millis(200);
        loop {
            let answer =
                self.cloudformation.describe_stack_drift_detection_status().stack_drift_detection_id(&id).send().await;
            let answer = answer.map_err(failed("DescribeStackDriftDetectionStatus"))?;
            match answer.detection_status() {
                Some(StackDriftDetectionStatus::DetectionInProgress) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 3 / 2).min(Duration::from_secs(5));
                }
                // It failed for some resources; the others' results are there.
                Some(StackDriftDetectionStatus::DetectionFailed) => {
                    let why = answer.detection_status_reason().unwrap_or("for no reason given").to_owned();
                    gathered
                        .findings
                        .push(of_stack(stack, State::NotChecked { why: format!("drift detection failed: {why}") }));
                    break;
                }
                _ => break,
            }
        }
        let mut token: Option<String> = None;
        loop {
            let request =
                self.cloudformation.describe_stack_resource_drifts().stack_name(stack).set_next_token(token.take());
            let answer = request.send().await.map_err(failed("DescribeStackResourceDrifts"))?;
            for drift in answer.stack_resource_drifts() {
                let id = drift.logical_resource_id().unwrap_or_default();
                let Some(resource) = applied.resources.iter().find(|r| r.stack == stack && r.id == id) else {
                    continue;
                };
                one(gathered, resource, drift);
            }
            token = answer.next_token().map(ToOwned::to_owned);
            if token.is_none() {
                return Ok(());
            }
        }
    }
}

fn one(gathered: &mut Gathered, resource: &Resource, drift: &aws_sdk_cloudformation::types::StackResourceDrift) {
    match drift.stack_resource_drift_status() {
        Some(StackResourceDriftStatus::InSync) => gathered.looked_at(resource),
        Some(StackResourceDriftStatus::Deleted) => gathered.gone(resource),
        Some(StackResourceDriftStatus::Modified) => {
            let differences = drift.property_differences();
            for difference in differences {
                let property = difference.property_path().unwrap_or_default().trim_start_matches('/').replace('/', ".");
                // The size is an autoscaler's: what it made of it is no drift.
                if property == "DesiredCapacity" {
                    gathered.looked_at(resource);
                    continue;
                }
                let value = |text: Option<&str>| text.filter(|text| *text != "null").unwrap_or(NOTHING).to_owned();
                gathered.drifted(
                    resource,
                    &property,
                    value(difference.expected_value()),
                    value(difference.actual_value()),
                );
            }
            if differences.is_empty() {
                gathered.drifted(resource, "", "as applied", "modified, and CloudFormation does not say how");
            }
        }
        // Reading it failed, whatever else may be read of it.
        Some(status) if status.as_str() == "UNKNOWN" => {
            let why = "CloudFormation could not read it".to_owned();
            gathered.finding(resource, State::NotChecked { why });
        }
        // CloudFormation does not read its type: another read may.
        _ => {}
    }
}
