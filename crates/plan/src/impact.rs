//! What a change does to those who use the site.
use incline_model::plan::{Impact, PropertyChange, Verb};

/// Types that hold data: without them it is gone.
const DATA: &[&str] = &[
    "AWS::EC2::Volume",
    "AWS::ECR::Repository",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
];

/// Whether resources of this type hold data.
pub(crate) fn holds_data(kind: &str) -> bool {
    DATA.contains(&kind)
}

/// Types that traffic passes through.
const TRAFFIC: &[&str] = &[
    "AWS::EC2::CustomerGateway",
    "AWS::EC2::EIP",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NatGateway",
    "AWS::EC2::NetworkInterface",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::EC2::VPCPeeringConnection",
    "AWS::EC2::VPNConnection",
    "AWS::EC2::VPNConnectionRoute",
    "AWS::EC2::VPNGateway",
    "AWS::EC2::VPNGatewayRoutePropagation",
    "AWS::ElasticLoadBalancing::LoadBalancer",
    "AWS::Route53::HostedZone",
    "AWS::Route53::RecordSet",
];

/// What a change to a resource does.
pub(crate) fn of(kind: &str, verb: Verb, retained: bool, properties: &[PropertyChange]) -> Impact {
    match verb {
        Verb::Create => Impact::None,
        Verb::Remove | Verb::Replace => {
            if holds_data(kind) && !retained {
                Impact::LosesData
            } else if TRAFFIC.contains(&kind) || (holds_data(kind) && verb == Verb::Replace) {
                // A replaced bucket, volume or key is kept, but what comes in its place is empty.
                Impact::InterruptsTraffic
            } else if kind == "AWS::AutoScaling::AutoScalingGroup" {
                Impact::RollsNodes
            } else {
                Impact::InPlace
            }
        }
        Verb::Update => {
            let unnoticed = |change: &PropertyChange| {
                let top = change.path.split('.').next().unwrap_or_default();
                [
                    "Tags",
                    "Description",
                    "GroupDescription",
                    "DeletionPolicy",
                    "UpdateReplacePolicy",
                    "UpdatePolicy",
                    "CreationPolicy",
                    "DependsOn",
                    "Metadata",
                    "MetricsCollection",
                ]
                .contains(&top)
            };
            let rolls = |change: &PropertyChange| {
                ["LaunchTemplate", "MixedInstancesPolicy", "VPCZoneIdentifier"]
                    .iter()
                    .any(|top| change.path.starts_with(top))
            };
            let tunnels = |change: &PropertyChange| change.path.starts_with("VpnTunnelOptionsSpecifications");
            if properties.iter().all(unnoticed) {
                Impact::None
            } else if properties.iter().any(tunnels) {
                // In place for CloudFormation, but the tunnel goes down for minutes
                // (https://docs.aws.amazon.com/vpn/latest/s2svpn/modify-vpn-tunnel-options.html).
                Impact::InterruptsTraffic
            } else if kind == "AWS::AutoScaling::AutoScalingGroup" && properties.iter().any(rolls) {
                // UpdatePolicy's rolling update begins with a change of one of these three
                // (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-updatepolicy.html).
                Impact::RollsNodes
            } else {
                Impact::InPlace
            }
        }
    }
}
