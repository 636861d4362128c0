//! Own reads of machines: what launch templates say, which version groups and their machines run from, how old images are.
use super::applied::{Applied, Resource};
use super::network::{items, word};
use super::{Gathered, OLD_IMAGE_DAYS, compare};
use crate::error::Error;
use crate::nodes::EC2;
use crate::session::Session;
use incline_model::lock::Pin;
use incline_model::site::Aws;
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Session {
    pub(crate) async fn look_at_machines(&self, applied: &Applied) -> Gathered {
        let mut gathered = Gathered::default();
        for template in applied.of("AWS::EC2::LaunchTemplate") {
            if let Err(error) = self.launch_template(template, &mut gathered).await {
                gathered.gone_or_failed(template, &error);
            }
        }
        let groups = applied.of("AWS::AutoScaling::AutoScalingGroup");
        if let Err(error) = self.groups_run(&groups, &mut gathered).await {
            groups.iter().for_each(|group| gathered.failed(group, &error));
        }
        gathered
    }

    /// The machine image that the site boots from: whether it is there, and how old it is.
    pub(crate) async fn image(&self, site: &Aws, applied: &Applied, today: &str, gathered: &mut Gathered) {
        // Without a pin there is no image to look for; the plan shows that the site lacks one.
        let Pin::Pinned(ami) = &site.pins().ami else { return };
        let image = ami.id.as_str();
        let template = applied
            .of("AWS::EC2::LaunchTemplate")
            .into_iter()
            .find(|t| t.text("/LaunchTemplateData/ImageId").as_deref() == Some(image));
        if let Some(template) = template {
            match self.image_age(image, today).await {
                Ok(None) => gathered.drifted(
                    template,
                    "LaunchTemplateData.ImageId",
                    image,
                    "not there any more: nothing can be launched from it",
                ),
                Ok(Some(age)) if age >= OLD_IMAGE_DAYS => {
                    gathered.warn(
                        template,
                        format!(
                            "the machine image {image} is {age} days old; Flatcar unpublishes images after nine months"
                        ),
                    );
                }
                Ok(Some(_)) => {}
                Err(error) => gathered.failed(template, &error),
            }
        }
    }

    /// The newest version's data against what was applied. CloudFormation cannot read it: to it, it is write-only.
    async fn launch_template(&self, template: &Resource, gathered: &mut Gathered) -> Result<(), Error> {
        let parameters = [("LaunchTemplateId", template.physical.as_str()), ("LaunchTemplateVersion.1", "$Latest")];
        let answer = self.wire.query("ec2", EC2, "DescribeLaunchTemplateVersions", &parameters).await?;
        let Some(version) = items(&answer, "/launchTemplateVersionSet").into_iter().next() else {
            gathered.gone(template);
            return Ok(());
        };
        let data = version.get("launchTemplateData").cloned().unwrap_or(Value::Null);
        let Some(expected) = template.value("/LaunchTemplateData").cloned() else { return Ok(()) };
        // CloudFormation adds tags of its own.
        let mut expected = expected;
        if let Some(map) = expected.as_object_mut() {
            map.remove("TagSpecifications");
        }
        compare::ec2(gathered, template, "LaunchTemplateData", &expected, &data);
        Ok(())
    }

    /// Groups' bounds and balancers, and whether their machines run from what the group asks for. The size between the
    /// bounds is an autoscaler's.
    async fn groups_run(&self, groups: &[&Resource], gathered: &mut Gathered) -> Result<(), Error> {
        let names: Vec<String> = groups.iter().map(|group| group.physical.clone()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let found = self.groups(&names).await?;
        let nodes = self.nodes(&names).await?;
        for group in groups {
            let Some(is) = found.iter().find(|is| is.auto_scaling_group_name() == Some(&group.physical)) else {
                gathered.gone(group);
                continue;
            };
            compare::scalar(gathered, group, "/MinSize", is.min_size().map(|size| json!(size.to_string())).as_ref());
            compare::scalar(gathered, group, "/MaxSize", is.max_size().map(|size| json!(size.to_string())).as_ref());
            if group.value("/LoadBalancerNames").is_some() {
                let expected = group.list("/LoadBalancerNames").iter().map(super::applied::text).collect();
                let actual: BTreeSet<String> = is.load_balancer_names().iter().cloned().collect();
                compare::set(gathered, group, "LoadBalancerNames", &expected, &actual);
            }
            for suspended in is.suspended_processes() {
                let name = suspended.process_name().unwrap_or_default();
                gathered.drifted(
                    group,
                    &format!("Processes.{name}"),
                    "runs",
                    format!("suspended: {}", suspended.suspension_reason().unwrap_or_default()),
                );
            }
            let outdated: Vec<&str> = nodes
                .iter()
                .filter(|node| node.group == group.physical && node.is_outdated())
                .map(|node| node.id.as_str())
                .collect();
            if let Some(first) = nodes.iter().find(|node| node.group == group.physical && node.is_outdated()) {
                gathered.drifted(
                    group,
                    "Instances.LaunchTemplate.Version",
                    &first.wanted,
                    format!("{} on {}", first.version, outdated.join(", ")),
                );
            }
        }
        Ok(())
    }

    /// How old a machine image is, in days; none if it is not there.
    pub(crate) async fn image_age(&self, image: &str, today: &str) -> Result<Option<u64>, Error> {
        let answer = match self.wire.query("ec2", EC2, "DescribeImages", &[("ImageId.1", image)]).await {
            Err(error) if error.is_missing() || error.code.starts_with("InvalidAMIID") => return Ok(None),
            answer => answer?,
        };
        let made = items(&answer, "/imagesSet").first().map(|image| word(image, "/creationDate"));
        Ok(made.and_then(|made| Some(days(today)?.saturating_sub(days(made.get(..10)?)?))))
    }
}

/// The number of a day, counted from a day long ago (Howard Hinnant's days from civil).
pub(super) fn days(date: &str) -> Option<u64> {
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    Some(year * 365 + year / 4 - year / 100 + year / 400 + of_year)
}

#[cfg(test)]
mod tests {
    use super::days;

    #[test]
    fn days_are_counted() {
        let between = |from: &str, to: &str| days(to).unwrap() - days(from).unwrap();
        assert_eq!(between("2026-11-24", "2026-11-24"), 0);
        assert_eq!(between("2024-02-28", "2024-03-01"), 2);
        assert_eq!(between("2025-02-28", "2025-03-01"), 1);
        assert_eq!(between("2025-12-31", "2026-01-01"), 1);
        assert_eq!(between("2000-01-01", "2026-01-01"), 9497);
        assert!(days("soon").is_none());
    }
}
