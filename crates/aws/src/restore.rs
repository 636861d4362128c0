//! Bringing back what drifted and CloudFormation cannot see: it is set back by the service itself. All else goes by a
//! drift-aware change set.
use crate::drift::Resource;
use crate::drift::text;
use crate::error::Error;
use crate::nodes::{EC2, ELB};
use crate::session::Session;
use incline_model::plan::PropertyChange;
use serde_json::{Value, json};

/// Whether a property is set back by the service itself.
pub(crate) fn is_direct(kind: &str, property: &str) -> bool {
    match kind {
        "AWS::ElasticLoadBalancing::LoadBalancer" | "AWS::EC2::VPNGatewayRoutePropagation" => true,
        "AWS::EC2::SecurityGroup" => property.starts_with("SecurityGroup"),
        "AWS::ECR::Repository" => property == "RepositoryPolicyText",
        "AWS::EC2::VPNConnection" => property.starts_with("VpnTunnelOptionsSpecifications."),
        "AWS::AutoScaling::AutoScalingGroup" => {
            ["Processes.", "Instances.", "MinSize", "MaxSize"].iter().any(|part| property.starts_with(part))
        }
        _ => false,
    }
}

impl Session {
    /// Sets the drifted properties of a resource back, and says what was done.
    pub(crate) async fn restore(&self, resource: &Resource, changes: &[PropertyChange]) -> Result<Vec<String>, Error> {
        match resource.kind.as_str() {
            "AWS::ElasticLoadBalancing::LoadBalancer" => self.restore_balancer(resource, changes).await,
            "AWS::EC2::VPNGatewayRoutePropagation" => self.restore_propagation(resource).await,
            "AWS::EC2::SecurityGroup" => self.restore_rules(resource, changes).await,
            "AWS::EC2::VPNConnection" => self.restore_tunnels(resource, changes).await,
            "AWS::AutoScaling::AutoScalingGroup" => self.restore_group(resource, changes).await,
            "AWS::ECR::Repository" => self.restore_repository(resource).await,
            _ => Ok(Vec::new()),
        }
    }

    /// The policy that was applied, or none: CloudFormation does not see a policy where its template has none.
    async fn restore_repository(&self, repository: &Resource) -> Result<Vec<String>, Error> {
        let target = "AmazonEC2ContainerRegistry_V20150921";
        match repository.value("/RepositoryPolicyText") {
            Some(policy) => {
                let body = json!({ "repositoryName": repository.physical, "policyText": policy.to_string() });
                self.wire.json("ecr", target, "SetRepositoryPolicy", &body).await?;
                Ok(vec!["its policy is set back".to_owned()])
            }
            None => {
                let body = json!({ "repositoryName": repository.physical });
                self.wire.json("ecr", target, "DeleteRepositoryPolicy", &body).await?;
                Ok(vec!["the policy that somebody made is gone".to_owned()])
            }
        }
    }

    async fn elb(&self, operation: &str, parameters: &[(String, String)]) -> Result<(), Error> {
        let parameters: Vec<(&str, &str)> =
            parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        self.wire.query("elasticloadbalancing", ELB, operation, &parameters).await.map(drop)
    }

    async fn restore_balancer(&self, balancer: &Resource, changes: &[PropertyChange]) -> Result<Vec<String>, Error> {
        let name = ("LoadBalancerName".to_owned(), balancer.physical.clone());
        let touched = |part: &str| changes.iter().any(|change| change.path.starts_with(part));
        let mut done = Vec::new();
        let attributes = [
            ("/CrossZone", "CrossZoneLoadBalancing.Enabled"),
            ("/ConnectionSettings/IdleTimeout", "ConnectionSettings.IdleTimeout"),
            ("/ConnectionDrainingPolicy/Enabled", "ConnectionDraining.Enabled"),
            ("/ConnectionDrainingPolicy/Timeout", "ConnectionDraining.Timeout"),
            ("/AccessLoggingPolicy/Enabled", "AccessLog.Enabled"),
            ("/AccessLoggingPolicy/EmitInterval", "AccessLog.EmitInterval"),
            ("/AccessLoggingPolicy/S3BucketName", "AccessLog.S3BucketName"),
            ("/AccessLoggingPolicy/S3BucketPrefix", "AccessLog.S3BucketPrefix"),
        ];
        if ["CrossZone", "Connection", "AccessLogging"].iter().any(|part| touched(part)) {
            let set = attributes
                .iter()
                .filter_map(|(path, key)| Some((format!("LoadBalancerAttributes.{key}"), balancer.text(path)?)));
            self.elb("ModifyLoadBalancerAttributes", &[name.clone()].into_iter().chain(set).collect::<Vec<_>>())
                .await?;
            done.push("attributes".to_owned());
        }
        if touched("HealthCheck") {
            let parts = ["Target", "Interval", "Timeout", "UnhealthyThreshold", "HealthyThreshold"];
            let set = parts.iter().filter_map(|part| {
                Some((format!("HealthCheck.{part}"), balancer.text(&format!("/HealthCheck/{part}"))?))
            });
            self.elb("ConfigureHealthCheck", &[name.clone()].into_iter().chain(set).collect::<Vec<_>>()).await?;
            done.push("health check".to_owned());
        }
        if touched("Listeners") {
            // Strays go first: they may hold the port of one that is missing.
            for change in changes.iter().filter(|change| change.path == "Listeners") {
                if let Some(port) = told(&change.before)
                    .and_then(|stray| stray.split(' ').nth(1).map(ToOwned::to_owned))
                    .filter(|_| told(&change.after).is_none())
                {
                    self.elb(
                        "DeleteLoadBalancerListeners",
                        &[name.clone(), ("LoadBalancerPorts.member.1".to_owned(), port.clone())],
                    )
                    .await?;
                    done.push(format!("the listener on {port} is gone"));
                }
            }
            for wanted in balancer.list("/Listeners") {
                let part = |key: &str| wanted.get(key).map(text).unwrap_or_default();
                let port = part("LoadBalancerPort");
                let missing = changes.iter().any(|change| {
                    told(&change.before).is_none()
                        && told(&change.after).is_some_and(|line| line.split(' ').nth(1) == Some(&port))
                });
                if !missing {
                    continue;
                }
                let mut request = vec![name.clone()];
                for key in ["LoadBalancerPort", "InstancePort", "Protocol", "InstanceProtocol", "SSLCertificateId"] {
                    if !part(key).is_empty() {
                        request.push((format!("Listeners.member.1.{key}"), part(key)));
                    }
                }
                self.elb("CreateLoadBalancerListeners", &request).await?;
                let policies: Vec<String> =
                    wanted.get("PolicyNames").and_then(Value::as_array).into_iter().flatten().map(text).collect();
                if !policies.is_empty() {
                    let mut request = vec![name.clone(), ("LoadBalancerPort".to_owned(), port.clone())];
                    request.extend(
                        policies
                            .iter()
                            .enumerate()
                            .map(|(index, policy)| (format!("PolicyNames.member.{}", index + 1), policy.clone())),
                    );
                    self.elb("SetLoadBalancerPoliciesOfListener", &request).await?;
                }
                done.push(format!("the listener on {port} is back"));
            }
        }
        Ok(done)
    }

    async fn restore_propagation(&self, resource: &Resource) -> Result<Vec<String>, Error> {
        let gateway = resource.text("/VpnGatewayId").unwrap_or_default();
        let mut done = Vec::new();
        for table in resource.list("/RouteTableIds").iter().map(text) {
            let parameters = [("GatewayId", gateway.as_str()), ("RouteTableId", table.as_str())];
            self.wire.query("ec2", EC2, "EnableVgwRoutePropagation", &parameters).await?;
            done.push(format!("routes enter {table}"));
        }
        Ok(done)
    }

    /// Rules that are there and were never applied are revoked, those that are missing are allowed again.
    async fn restore_rules(&self, group: &Resource, changes: &[PropertyChange]) -> Result<Vec<String>, Error> {
        let mut done = Vec::new();
        for change in changes {
            let direction = if change.path.ends_with("Ingress") { "Ingress" } else { "Egress" };
            let (verb, rule, word) = match (told(&change.before), told(&change.after)) {
                (Some(stray), None) => ("Revoke", stray, "is revoked"),
                (None, Some(missing)) => ("Authorize", missing, "is allowed again"),
                _ => continue,
            };
            let mut request = vec![("GroupId".to_owned(), group.physical.clone())];
            request.extend(permission(&rule));
            let request: Vec<(&str, &str)> =
                request.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            self.wire.query("ec2", EC2, &format!("{verb}SecurityGroup{direction}"), &request).await?;
            done.push(format!("{rule} {word}"));
        }
        Ok(done)
    }

    /// Tunnel options are set back by the tunnel's outside address; the tunnel is down for a while.
    async fn restore_tunnels(&self, connection: &Resource, changes: &[PropertyChange]) -> Result<Vec<String>, Error> {
        let answer = self
            .wire
            .query("ec2", EC2, "DescribeVpnConnections", &[("VpnConnectionId.1", &connection.physical)])
            .await?;
        let options = answer
            .pointer("/vpnConnectionSet/0/options/tunnelOptionSet")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let mut done = Vec::new();
        for (index, wanted) in connection.list("/VpnTunnelOptionsSpecifications").iter().enumerate() {
            let properties: std::collections::BTreeSet<&str> = changes
                .iter()
                .filter_map(|change| change.path.strip_prefix(&format!("VpnTunnelOptionsSpecifications.{index}.")))
                .collect();
            let network = wanted.get("TunnelInsideCidr").map(text).unwrap_or_default();
            let outside = options.iter().find(|is| is.get("tunnelInsideCidr").map(text).as_deref() == Some(&network));
            let Some(outside) =
                outside.and_then(|is| is.get("outsideIpAddress")).map(text).filter(|_| !properties.is_empty())
            else {
                continue;
            };
            let mut request = vec![
                ("VpnConnectionId".to_owned(), connection.physical.clone()),
                ("VpnTunnelOutsideIpAddress".to_owned(), outside.clone()),
            ];
            for property in properties {
                let singular = property.strip_suffix('s').unwrap_or(property);
                match wanted.get(property) {
                    Some(Value::Array(values)) => request.extend(values.iter().enumerate().map(|(number, value)| {
                        (
                            format!("TunnelOptions.{singular}.{}.Value", number + 1),
                            value.get("Value").map(text).unwrap_or_default(),
                        )
                    })),
                    Some(value) => request.push((format!("TunnelOptions.{property}"), text(value))),
                    None => {}
                }
            }
            let request: Vec<(&str, &str)> =
                request.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            self.wire.query("ec2", EC2, "ModifyVpnTunnelOptions", &request).await?;
            done.push(format!("the tunnel at {outside} is set back"));
        }
        Ok(done)
    }

    async fn restore_group(&self, group: &Resource, changes: &[PropertyChange]) -> Result<Vec<String>, Error> {
        let mut done = Vec::new();
        let suspended: Vec<String> =
            changes.iter().filter_map(|change| change.path.strip_prefix("Processes.")).map(ToOwned::to_owned).collect();
        if !suspended.is_empty() {
            let request = self.autoscaling.resume_processes().auto_scaling_group_name(&group.physical);
            request
                .set_scaling_processes(Some(suspended.clone()))
                .send()
                .await
                .map_err(Error::from_sdk("autoscaling", "ResumeProcesses"))?;
            done.push(format!("{} run again", suspended.join(", ")));
        }
        if changes.iter().any(|change| change.path.ends_with("Size")) {
            let number = |path: &str| group.text(path).and_then(|text| text.parse().ok());
            let request = self.autoscaling.update_auto_scaling_group().auto_scaling_group_name(&group.physical);
            let request = request.set_min_size(number("/MinSize")).set_max_size(number("/MaxSize"));
            request.send().await.map_err(Error::from_sdk("autoscaling", "UpdateAutoScalingGroup"))?;
            done.push("the bounds are set back".to_owned());
        }
        Ok(done)
    }
}

/// What a change says, if there is something.
fn told(value: &Option<Value>) -> Option<String> {
    value.as_ref().and_then(Value::as_str).map(ToOwned::to_owned)
}

/// A rule in one line → the parameters by which EC2 takes it.
fn permission(rule: &str) -> Vec<(String, String)> {
    let (ports, peer) = rule.split_once(", ").unwrap_or((rule, ""));
    let (protocol, ports) = ports.split_once(' ').unwrap_or((ports, ""));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let key = |name: &str| format!("IpPermissions.1.{name}");
    let mut parameters =
        vec![(key("IpProtocol"), if protocol == "all" { "-1".to_owned() } else { protocol.to_owned() })];
    if !first.is_empty() {
        parameters.push((key("FromPort"), first.to_owned()));
        parameters.push((key("ToPort"), last.to_owned()));
    }
    let list = match peer {
        peer if peer.starts_with("sg-") => "Groups.1.GroupId",
        peer if peer.starts_with("pl-") => "PrefixListIds.1.PrefixListId",
        peer if peer.contains(':') => "Ipv6Ranges.1.CidrIpv6",
        _ => "IpRanges.1.CidrIp",
    };
    parameters.push((key(list), peer.to_owned()));
    parameters
}

#[cfg(test)]
mod tests {
    use super::permission;

    #[test]
    fn a_rule_in_one_line_is_what_ec2_takes() {
        let told = |rule: &str| {
            permission(rule)
                .into_iter()
                .map(|(key, value)| format!("{}={value}", key.trim_start_matches("IpPermissions.1.")))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(told("tcp 22, 0.0.0.0/0"), "IpProtocol=tcp FromPort=22 ToPort=22 IpRanges.1.CidrIp=0.0.0.0/0");
        assert_eq!(told("udp 1-9, sg-1"), "IpProtocol=udp FromPort=1 ToPort=9 Groups.1.GroupId=sg-1");
        assert_eq!(told("all, ::/0"), "IpProtocol=-1 Ipv6Ranges.1.CidrIpv6=::/0");
    }
}
