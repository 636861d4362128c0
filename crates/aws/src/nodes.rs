//! Machines: which run from what, and how they are replaced.
use crate::error::Error;
use crate::session::Session;
use aws_sdk_autoscaling::types::{AutoScalingGroup, InstanceRefreshStatus, RefreshPreferences};
use incline_exec::{Ended, Say, Stop};
use incline_model::desired::{Member, Refresh};
use incline_model::event::Trouble;
use serde_json::Value;
use std::time::Duration;

/// The version of EC2's API that requests are written to.
pub(crate) const EC2: &str = "2016-11-15";
/// The version of the classic load balancers' API.
pub(crate) const ELB: &str = "2012-06-01";
/// How long the control plane may take to be well before a member of it is replaced.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between two looks at machines.
const PAUSE: Duration = Duration::from_secs(2);

/// A machine of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The Auto Scaling Group.
    pub group: String,
    /// The instance's id.
    pub id: String,
    /// Its zone.
    pub zone: String,
    /// Its type.
    pub kind: String,
    /// Its state in the group: `InService`, `Terminating` …
    pub state: String,
    /// Whether it is healthy.
    pub healthy: bool,
    /// The version of its launch template.
    pub version: String,
    /// The version that its group asks for.
    pub wanted: String,
}

impl Node {
    /// Whether it runs from another version than its group asks for.
    pub fn is_outdated(&self) -> bool {
        self.version != self.wanted
    }
}

/// Machines of a group that run from another launch template than the group asks for.
pub(crate) async fn outdated(session: &Session, group: &str) -> Result<Vec<String>, Error> {
    let nodes = session.nodes(&[group.to_owned()]).await?;
    Ok(nodes.into_iter().filter(Node::is_outdated).map(|node| node.id).collect())
}

/// The launch template that a group asks for: its id and version.
fn wanted(group: &AutoScalingGroup) -> (String, String) {
    let mixed =
        group.mixed_instances_policy().and_then(|policy| policy.launch_template()?.launch_template_specification());
    mixed.or(group.launch_template()).map_or_else(Default::default, |wanted| {
        (wanted.launch_template_id().unwrap_or_default().to_owned(), wanted.version().unwrap_or_default().to_owned())
    })
}

impl Session {
    /// The groups of these names that are there.
    pub(crate) async fn groups(&self, names: &[String]) -> Result<Vec<AutoScalingGroup>, Error> {
        let mut found = Vec::new();
        // AWS takes fifty names at once.
        for names in names.chunks(50) {
            let request =
                self.autoscaling.describe_auto_scaling_groups().set_auto_scaling_group_names(Some(names.to_vec()));
            let mut pages = request.into_paginator().send();
            while let Some(page) = pages.next().await {
                found.extend(
                    page.map_err(Error::from_sdk("autoscaling", "DescribeAutoScalingGroups"))?
                        .auto_scaling_groups
                        .unwrap_or_default(),
                );
            }
        }
        Ok(found)
    }

    /// The machines of some groups, by group and zone.
    ///
    /// # Errors
    /// They cannot be looked at.
    pub async fn nodes(&self, groups: &[String]) -> Result<Vec<Node>, Error> {
        let mut nodes = Vec::new();
        for group in self.groups(groups).await? {
            let (_, version) = wanted(&group);
            nodes.extend(group.instances().iter().map(|instance| Node {
                group: group.auto_scaling_group_name().unwrap_or_default().to_owned(),
                id: instance.instance_id().unwrap_or_default().to_owned(),
                zone: instance.availability_zone().unwrap_or_default().to_owned(),
                kind: instance.instance_type().unwrap_or_default().to_owned(),
                state: instance.lifecycle_state().map_or(String::new(), |state| state.as_str().to_owned()),
                healthy: instance.health_status() == Some("Healthy"),
                version:
                    instance.launch_template().and_then(|template| template.version()).unwrap_or_default().to_owned(),
                wanted: version.clone(),
            }));
        }
        nodes.sort_by(|a, b| (&a.group, &a.zone, &a.id).cmp(&(&b.group, &b.zone, &b.id)));
        Ok(nodes)
    }

    /// Replaces a group's outdated machines by instance refresh, and follows it to its end. A refresh that is under way
    /// is followed, not begun again.
    pub(crate) async fn refresh(&self, target: &str, refresh: &Refresh, stop: &Stop, say: &Say) -> Result<(), Ended> {
        let checkpoints =
            (!refresh.checkpoints.is_empty()).then(|| refresh.checkpoints.iter().copied().map(i32::from).collect());
        let preferences = RefreshPreferences::builder()
            .min_healthy_percentage(i32::from(refresh.min_healthy_percent))
            .instance_warmup(i32::from(refresh.warmup_seconds))
            .set_checkpoint_delay(checkpoints.is_some().then(|| i32::from(refresh.checkpoint_minutes) * 60))
            .set_checkpoint_percentages(checkpoints)
            .skip_matching(true)
            .build();
        let started = self
            .autoscaling
            .start_instance_refresh()
            .auto_scaling_group_name(&refresh.group)
            .preferences(preferences)
            .send()
            .await
            .map_err(Error::from_sdk("autoscaling", "StartInstanceRefresh"));
        match started {
            Ok(answer) => {
                say.sent(target, format!("instance refresh {}", answer.instance_refresh_id().unwrap_or_default()));
            }
            Err(error) if error.code.starts_with("InstanceRefreshInProgress") => {
                say.progress(target, "an instance refresh is under way");
            }
            Err(error) => return Err(error.into()),
        }
        self.follow_refresh(target, &refresh.group, stop, say).await
    }

    async fn follow_refresh(&self, target: &str, group: &str, stop: &Stop, say: &Say) -> Result<(), Ended> {
        let mut last = None;
        loop {
            let answer = self
                .autoscaling
                .describe_instance_refreshes()
                .auto_scaling_group_name(group)
                .max_records(1)
                .send()
                .await
                .map_err(Error::from_sdk("autoscaling", "DescribeInstanceRefreshes"))?;
            let Some(refresh) = answer.instance_refreshes().first() else {
                return Err(Trouble::new(format!("the instance refresh of {group} is not there any more")).into());
            };
            let percent = refresh.percentage_complete().unwrap_or(0);
            let reason = refresh.status_reason().unwrap_or_default();
            match refresh.status() {
                Some(InstanceRefreshStatus::Successful) => return Ok(()),
                Some(
                    InstanceRefreshStatus::Failed
                    | InstanceRefreshStatus::Cancelled
                    | InstanceRefreshStatus::RollbackFailed
                    | InstanceRefreshStatus::RollbackSuccessful,
                ) => {
                    let word = refresh.status().map_or("", |status| status.as_str()).to_lowercase();
                    return Err(Trouble::new(format!(
                        "the instance refresh of {group} {word} at {percent} %: {reason}"
                    ))
                    .hint("nodes that were replaced stay. When the cause is gone, the same command replaces the rest")
                    .into());
                }
                _ => {}
            }
            if last != Some(percent) {
                let left = refresh.instances_to_update().unwrap_or(0);
                say.progress(target, format!("instance refresh {percent} %, {left} to go{}", said(reason)));
                last = Some(percent);
            }
            let hint = format!("run the same command again to follow it; `incline nodes … --cancel {group}` stops it");
            pause(stop, PAUSE, || {
                Trouble::new(format!("the instance refresh of {group} goes on by itself ({percent} %)")).hint(hint)
            })
            .await?;
        }
    }

    /// Stops a group's instance refresh. Machines that were replaced stay.
    ///
    /// # Errors
    /// There is none, or it cannot be stopped.
    pub async fn cancel_refresh(&self, group: &str) -> Result<(), Error> {
        let request = self.autoscaling.cancel_instance_refresh().auto_scaling_group_name(group);
        request.send().await.map(drop).map_err(Error::from_sdk("autoscaling", "CancelInstanceRefresh"))
    }

    /// Sets a group's size, which is otherwise an autoscaler's.
    ///
    /// # Errors
    /// The group takes no such size.
    pub async fn set_size(&self, group: &str, size: u16) -> Result<(), Error> {
        let request =
            self.autoscaling.set_desired_capacity().auto_scaling_group_name(group).desired_capacity(i32::from(size));
        request.send().await.map(drop).map_err(Error::from_sdk("autoscaling", "SetDesiredCapacity"))
    }

    /// What must be before a member of the control plane is replaced: all others answer, the site's own check agrees, and
    /// the member's disk has a snapshot.
    pub(crate) async fn before_member(
        &self,
        target: &str,
        member: &Member,
        volume: &str,
        change: &str,
        stop: &Stop,
        say: &Say,
    ) -> Result<(), Ended> {
        self.members_answer(target, member, true, stop, say).await?;
        if let Some((program, arguments)) = member.precheck.split_first() {
            say.progress(target, format!("precheck: {program}"));
            precheck(target, &member.name, program, arguments).await?;
        }
        self.snapshot(target, member, volume, change, stop, say).await
    }

    /// Waits until the members answer, at two looks in a row: all of them, or all but this one.
    pub(crate) async fn members_answer(
        &self,
        target: &str,
        member: &Member,
        but_this: bool,
        stop: &Stop,
        say: &Say,
    ) -> Result<(), Ended> {
        let wanted = member.members - usize::from(but_this);
        let (mut well, began) = (0, tokio::time::Instant::now());
        while well < 2 {
            let health = self
                .wire
                .query("elasticloadbalancing", ELB, "DescribeInstanceHealth", &[("LoadBalancerName", &member.balancer)])
                .await?;
            let own: Vec<String> = self.nodes(&[target.to_owned()]).await?.into_iter().map(|node| node.id).collect();
            let states = health.get("InstanceStates").and_then(Value::as_array).cloned().unwrap_or_default();
            let text = |state: &Value, key: &str| state.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let others = states.iter().filter(|state| !but_this || !own.contains(&text(state, "InstanceId")));
            let answering = others.filter(|state| text(state, "State") == "InService").count();
            if answering >= wanted {
                well += 1;
            } else {
                well = 0;
                if began.elapsed() > PATIENCE {
                    let which = if but_this { "other " } else { "" };
                    return Err(Trouble::new(format!(
                        "{answering} of {wanted} {which}members of the control plane answer"
                    ))
                    .hint("nothing was replaced; bring the control plane back to health first")
                    .into());
                }
                say.progress(target, format!("waiting: {answering} of {wanted} members answer"));
            }
            if well < 2 {
                pause(stop, PAUSE, || Trouble::new("was waiting for the control plane to be well")).await?;
            }
        }
        Ok(())
    }

    /// Takes a snapshot of a member's disk, once for each change, and waits for it.
    async fn snapshot(
        &self,
        target: &str,
        member: &Member,
        volume: &str,
        change: &str,
        stop: &Stop,
        say: &Say,
    ) -> Result<(), Ended> {
        let of_change = [("Owner.1", "self"), ("Filter.1.Name", "tag:incline:before"), ("Filter.1.Value.1", change)];
        let found = self.wire.query("ec2", EC2, "DescribeSnapshots", &of_change).await?;
        let known = found.pointer("/snapshotSet").and_then(Value::as_array).into_iter().flatten().find(|snapshot| {
            let tags = snapshot.get("tagSet").and_then(Value::as_array).into_iter().flatten();
            tags.into_iter().any(|tag| tag.get("value").and_then(Value::as_str) == Some(change))
        });
        let id = match known {
            Some(snapshot) => snapshot.get("snapshotId").and_then(Value::as_str).unwrap_or_default().to_owned(),
            None => {
                let description = format!("{target}: etcd of member {} before it is replaced", member.name);
                let made = self
                    .wire
                    .query(
                        "ec2",
                        EC2,
                        "CreateSnapshot",
                        &[
                            ("VolumeId", volume),
                            ("Description", &description),
                            ("TagSpecification.1.ResourceType", "snapshot"),
                            ("TagSpecification.1.Tag.1.Key", "Name"),
                            ("TagSpecification.1.Tag.1.Value", target),
                            ("TagSpecification.1.Tag.2.Key", "incline:before"),
                            ("TagSpecification.1.Tag.2.Value", change),
                        ],
                    )
                    .await?;
                let id = made.get("snapshotId").and_then(Value::as_str).unwrap_or_default().to_owned();
                say.sent(target, format!("snapshot {id} of {volume}"));
                id
            }
        };
        loop {
            let seen = self.wire.query("ec2", EC2, "DescribeSnapshots", &[("SnapshotId.1", &id)]).await?;
            let text = |key: &str| {
                seen.pointer(&format!("/snapshotSet/0/{key}")).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            match text("status").as_str() {
                "completed" => return Ok(()),
                "error" => {
                    return Err(Trouble::new(format!("the snapshot {id} failed: {}", text("statusMessage"))).into());
                }
                _ => say.progress(target, format!("snapshot {id} {}", text("progress"))),
            }
            pause(stop, PAUSE, || {
                Trouble::new(format!("the snapshot {id} goes on by itself; nothing was replaced yet"))
            })
            .await?;
        }
    }
}

/// Runs the site's own check, without a shell.
async fn precheck(target: &str, member: &str, program: &str, arguments: &[String]) -> Result<(), Ended> {
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .env("INCLINE_TARGET", target)
        .env("INCLINE_SITE", target.split("-control-plane-").next().unwrap_or_default())
        .env("INCLINE_MEMBER", member)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            let lines: Vec<String> = String::from_utf8_lossy(&text).lines().map(ToOwned::to_owned).collect();
            let tail = lines.iter().rev().take(20).rev().cloned().collect();
            Err(Trouble::new(format!("the precheck {program} said no ({})", output.status))
                .details(tail)
                .hint("nothing was replaced")
                .into())
        }
        Err(error) => Err(Trouble::new(format!("the precheck {program} cannot be run: {error}"))
            .hint("nothing was replaced")
            .into()),
    }
}

fn said(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

/// Waits a while, unless incline is told to stop.
async fn pause(stop: &Stop, time: Duration, left: impl FnOnce() -> Trouble) -> Result<(), Ended> {
    let mut stop = stop.clone();
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        () = stop.said() => Err(Ended::Interrupted(left())),
    }
}
