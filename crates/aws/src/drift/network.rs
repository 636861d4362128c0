//! Own reads of the network: security groups' rules, route propagation, VPN tunnels, classic load balancers.
use super::Gathered;
use super::applied::{Applied, Resource, text};
use super::compare;
use crate::error::Error;
use crate::nodes::{EC2, ELB};
use crate::session::Session;
use incline_model::drift::NOTHING;
use serde_json::Value;
use std::collections::BTreeSet;

/// The items of a list in an answer.
pub(super) fn items<'v>(value: &'v Value, path: &str) -> Vec<&'v Value> {
    value.pointer(path).and_then(Value::as_array).into_iter().flatten().collect()
}

/// A text in an answer; empty where it is not there.
pub(super) fn word(value: &Value, path: &str) -> String {
    value.pointer(path).map(text).unwrap_or_default()
}

impl Session {
    pub(crate) async fn look_at_network(&self, applied: &Applied) -> Gathered {
        let mut gathered = Gathered::default();
        let groups = applied.of("AWS::EC2::SecurityGroup");
        if let Err(error) = self.rules(applied, &groups, &mut gathered).await {
            groups.iter().for_each(|resource| gathered.failed(resource, &error));
        }
        let propagation = applied.of("AWS::EC2::VPNGatewayRoutePropagation");
        if let Err(error) = self.propagation(&propagation, &mut gathered).await {
            propagation.iter().for_each(|resource| gathered.failed(resource, &error));
        }
        for connection in applied.of("AWS::EC2::VPNConnection") {
            if let Err(error) = self.tunnels(connection, &mut gathered).await {
                gathered.gone_or_failed(connection, &error);
            }
        }
        for balancer in applied.of("AWS::ElasticLoadBalancing::LoadBalancer") {
            if let Err(error) = self.balancer(balancer, &mut gathered).await {
                gathered.gone_or_failed(balancer, &error);
            }
        }
        gathered
    }

    /// A request to EC2 that names things by number: `GroupId.1`, `GroupId.2` …
    pub(super) async fn ec2_by_ids(&self, operation: &str, name: &str, ids: &[String]) -> Result<Value, Error> {
        let named: Vec<(String, String)> =
            ids.iter().enumerate().map(|(index, id)| (format!("{name}.{}", index + 1), id.clone())).collect();
        let parameters: Vec<(&str, &str)> = named.iter().map(|(key, id)| (key.as_str(), id.as_str())).collect();
        self.wire.query("ec2", EC2, operation, &parameters).await
    }

    /// Rules that are there and were never applied, and those that were applied and are gone.
    async fn rules(&self, applied: &Applied, groups: &[&Resource], gathered: &mut Gathered) -> Result<(), Error> {
        if groups.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = groups.iter().map(|group| group.physical.clone()).collect();
        let answer = self.ec2_by_ids("DescribeSecurityGroups", "GroupId", &ids).await?;
        let alone = applied.of("AWS::EC2::SecurityGroupIngress");
        for group in groups {
            let found =
                items(&answer, "/securityGroupInfo").into_iter().find(|info| word(info, "/groupId") == group.physical);
            let Some(found) = found else {
                gathered.gone(group);
                continue;
            };
            for (direction, path) in
                [("SecurityGroupIngress", "/ipPermissions"), ("SecurityGroupEgress", "/ipPermissionsEgress")]
            {
                let actual: BTreeSet<String> = items(found, path).into_iter().flat_map(told_rules).collect();
                let mut expected: BTreeSet<String> =
                    group.list(&format!("/{direction}")).iter().map(applied_rule).collect();
                if direction == "SecurityGroupIngress" {
                    let own = alone.iter().filter(|rule| rule.text("/GroupId").as_deref() == Some(&group.physical));
                    for rule in own {
                        let wanted = rule.value("").map(applied_rule).unwrap_or_default();
                        // A rule that stands alone is told as itself.
                        if actual.contains(&wanted) {
                            gathered.looked_at(rule);
                        } else {
                            gathered.gone(rule);
                        }
                        expected.insert(wanted.clone());
                        if !actual.contains(&wanted) {
                            expected.remove(&wanted);
                        }
                    }
                }
                compare::set(gathered, group, direction, &expected, &actual);
            }
        }
        Ok(())
    }

    async fn propagation(&self, resources: &[&Resource], gathered: &mut Gathered) -> Result<(), Error> {
        for resource in resources {
            let tables: Vec<String> = resource.list("/RouteTableIds").iter().map(text).collect();
            let Some(gateway) = resource.text("/VpnGatewayId").filter(|_| !tables.is_empty()) else { continue };
            let answer = self.ec2_by_ids("DescribeRouteTables", "RouteTableId", &tables).await?;
            gathered.looked_at(resource);
            for table in &tables {
                let found =
                    items(&answer, "/routeTableSet").into_iter().find(|found| word(found, "/routeTableId") == *table);
                let on = found.is_some_and(|found| {
                    items(found, "/propagatingVgwSet").iter().any(|vgw| word(vgw, "/gatewayId") == gateway)
                });
                if !on {
                    gathered.drifted(
                        resource,
                        &format!("RouteTableIds.{table}"),
                        "routes of the VPN enter it",
                        "they do not",
                    );
                }
            }
        }
        Ok(())
    }

    /// Tunnels' options, and whether they are up.
    async fn tunnels(&self, connection: &Resource, gathered: &mut Gathered) -> Result<(), Error> {
        let answer = self
            .ec2_by_ids("DescribeVpnConnections", "VpnConnectionId", std::slice::from_ref(&connection.physical))
            .await?;
        let found = items(&answer, "/vpnConnectionSet")
            .into_iter()
            .find(|found| word(found, "/vpnConnectionId") == connection.physical);
        let Some(found) = found.filter(|found| !word(found, "/state").starts_with("delet")) else {
            gathered.gone(connection);
            return Ok(());
        };
        gathered.looked_at(connection);
        let options = items(found, "/options/tunnelOptionSet");
        let specifications = connection_tunnels(connection);
        for (index, tunnel) in specifications.iter().enumerate() {
            // AWS may list the tunnels in another order: the inside network tells them apart.
            let network = word(tunnel, "/TunnelInsideCidr");
            let Some(is) = options.iter().find(|is| word(is, "/tunnelInsideCidr") == network) else {
                gathered.drifted(
                    connection,
                    &format!("VpnTunnelOptionsSpecifications.{index}.TunnelInsideCidr"),
                    network,
                    "no such tunnel",
                );
                continue;
            };
            for (property, path) in [
                ("Phase1EncryptionAlgorithms", "/phase1EncryptionAlgorithmSet"),
                ("Phase2EncryptionAlgorithms", "/phase2EncryptionAlgorithmSet"),
                ("Phase1IntegrityAlgorithms", "/phase1IntegrityAlgorithmSet"),
                ("Phase2IntegrityAlgorithms", "/phase2IntegrityAlgorithmSet"),
                ("Phase1DHGroupNumbers", "/phase1DHGroupNumberSet"),
                ("Phase2DHGroupNumbers", "/phase2DHGroupNumberSet"),
                ("IKEVersions", "/ikeVersionSet"),
            ] {
                let expected =
                    items(tunnel, &format!("/{property}")).into_iter().map(|value| word(value, "/Value")).collect();
                let actual = items(is, path).into_iter().map(|value| word(value, "/value")).collect();
                compare::set(
                    gathered,
                    connection,
                    &format!("VpnTunnelOptionsSpecifications.{index}.{property}"),
                    &expected,
                    &actual,
                );
            }
            for (property, path) in [("StartupAction", "/startupAction"), ("DPDTimeoutAction", "/dpdTimeoutAction")] {
                let (expected, actual) = (word(tunnel, &format!("/{property}")), word(is, path));
                if !expected.is_empty() && expected != actual {
                    gathered.drifted(
                        connection,
                        &format!("VpnTunnelOptionsSpecifications.{index}.{property}"),
                        expected,
                        actual,
                    );
                }
            }
            let outside = word(is, "/outsideIpAddress");
            let state =
                items(found, "/vgwTelemetry").into_iter().find(|state| word(state, "/outsideIpAddress") == outside);
            if let Some(state) = state.filter(|state| word(state, "/status") != "UP") {
                let why = word(state, "/statusMessage");
                let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
                gathered.drifted(
                    connection,
                    &format!("VpnTunnelOptionsSpecifications.{index}.Status"),
                    "UP",
                    format!("{}{why}", word(state, "/status")),
                );
            }
        }
        Ok(())
    }

    /// A classic load balancer's listeners, health check, policies and attributes, none of which CloudFormation reads.
    async fn balancer(&self, balancer: &Resource, gathered: &mut Gathered) -> Result<(), Error> {
        let name = [("LoadBalancerName", balancer.physical.as_str())];
        let names = [("LoadBalancerNames.member.1", balancer.physical.as_str())];
        let service = "elasticloadbalancing";
        let (described, attributes, policies) = tokio::try_join!(
            self.wire.query(service, ELB, "DescribeLoadBalancers", &names),
            self.wire.query(service, ELB, "DescribeLoadBalancerAttributes", &name),
            self.wire.query(service, ELB, "DescribeLoadBalancerPolicies", &name),
        )?;
        let listed = items(&described, "/LoadBalancerDescriptions");
        let Some(found) = listed.first() else {
            gathered.gone(balancer);
            return Ok(());
        };
        compare::scalar(gathered, balancer, "/Scheme", found.get("Scheme"));
        for part in ["Target", "Interval", "Timeout", "UnhealthyThreshold", "HealthyThreshold"] {
            compare::scalar(
                gathered,
                balancer,
                &format!("/HealthCheck/{part}"),
                found.pointer(&format!("/HealthCheck/{part}")),
            );
        }
        let listener = |listener: &Value, policies: &Value| {
            let part = |name: &str| word(listener, &format!("/{name}"));
            let certificate = part("SSLCertificateId");
            let names: BTreeSet<String> = policies.as_array().into_iter().flatten().map(text).collect();
            let with = if certificate.is_empty() {
                String::new()
            } else {
                format!(" with {certificate}, policy {}", names.into_iter().collect::<Vec<_>>().join(" "))
            };
            format!(
                "{} {} to {} {}{with}",
                part("Protocol"),
                part("LoadBalancerPort"),
                part("InstanceProtocol"),
                part("InstancePort")
            )
        };
        let nothing = Value::Null;
        let expected = balancer.list("/Listeners");
        let expected =
            expected.iter().map(|wanted| listener(wanted, wanted.get("PolicyNames").unwrap_or(&nothing))).collect();
        let actual = items(found, "/ListenerDescriptions");
        let actual = actual
            .iter()
            .map(|is| listener(is.get("Listener").unwrap_or(&nothing), is.get("PolicyNames").unwrap_or(&nothing)))
            .collect();
        compare::set(gathered, balancer, "Listeners", &expected, &actual);
        for list in ["Subnets", "SecurityGroups"] {
            if balancer.value(&format!("/{list}")).is_some() {
                let expected = balancer.list(&format!("/{list}")).iter().map(text).collect();
                let actual = items(found, &format!("/{list}")).into_iter().map(text).collect();
                compare::set(gathered, balancer, list, &expected, &actual);
            }
        }
        // The TLS policy that a listener's policy refers to decides which protocols are spoken.
        for policy in balancer.list("/Policies") {
            let (name, reference) = (word(&policy, "/PolicyName"), word(&policy, "/Attributes/0/Value"));
            let is = items(&policies, "/PolicyDescriptions").into_iter().find(|is| word(is, "/PolicyName") == name);
            let attributes = is.map(|is| items(is, "/PolicyAttributeDescriptions")).unwrap_or_default();
            let is = attributes
                .into_iter()
                .find(|a| word(a, "/AttributeName") == "Reference-Security-Policy")
                .map(|a| word(a, "/AttributeValue"));
            if is.as_deref() != Some(reference.as_str()) {
                gathered.drifted(
                    balancer,
                    &format!("Policies.{name}"),
                    reference,
                    is.unwrap_or_else(|| NOTHING.to_owned()),
                );
            }
        }
        for (path, answer) in [
            ("/CrossZone", "/CrossZoneLoadBalancing/Enabled"),
            ("/ConnectionSettings/IdleTimeout", "/ConnectionSettings/IdleTimeout"),
            ("/ConnectionDrainingPolicy/Enabled", "/ConnectionDraining/Enabled"),
            ("/ConnectionDrainingPolicy/Timeout", "/ConnectionDraining/Timeout"),
            ("/AccessLoggingPolicy/Enabled", "/AccessLog/Enabled"),
            ("/AccessLoggingPolicy/S3BucketName", "/AccessLog/S3BucketName"),
            ("/AccessLoggingPolicy/S3BucketPrefix", "/AccessLog/S3BucketPrefix"),
        ] {
            compare::scalar(gathered, balancer, path, attributes.pointer(&format!("/LoadBalancerAttributes{answer}")));
        }
        Ok(())
    }
}

fn connection_tunnels(connection: &Resource) -> Vec<Value> {
    connection.list("/VpnTunnelOptionsSpecifications")
}

/// A rule as it was applied, in one line.
fn applied_rule(rule: &Value) -> String {
    let peer = ["CidrIp", "CidrIpv6", "SourceSecurityGroupId", "DestinationSecurityGroupId", "SourcePrefixListId"]
        .iter()
        .find_map(|key| rule.get(key))
        .map(text)
        .unwrap_or_default();
    one_line(&word(rule, "/IpProtocol"), &word(rule, "/FromPort"), &word(rule, "/ToPort"), &peer)
}

/// The rules of a permission as EC2 tells them, a line each.
fn told_rules(permission: &Value) -> Vec<String> {
    let peers = [
        ("/ipRanges", "/cidrIp"),
        ("/ipv6Ranges", "/cidrIpv6"),
        ("/groups", "/groupId"),
        ("/prefixListIds", "/prefixListId"),
    ];
    peers
        .iter()
        .flat_map(|(list, name)| items(permission, list).into_iter().map(move |peer| word(peer, name)))
        .map(|peer| {
            one_line(
                &word(permission, "/ipProtocol"),
                &word(permission, "/fromPort"),
                &word(permission, "/toPort"),
                &peer,
            )
        })
        .collect()
}

fn one_line(protocol: &str, first: &str, last: &str, peer: &str) -> String {
    match (protocol, first == last) {
        ("-1", _) => format!("all, {peer}"),
        (_, true) => format!("{protocol} {first}, {peer}"),
        _ => format!("{protocol} {first}-{last}, {peer}"),
    }
}
