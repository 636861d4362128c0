"""What drift detection can read, for types that MiniStack does not read. As at AWS, launch templates' data, classic
balancers, DNS records and route propagation cannot be read (the registry has no read handler for the last three), so that
incline's own reads are needed for them. Here it reads each type that AWS does, if only for being there."""

from xml.etree import ElementTree

import ministack.services.cloudtrail as cloudtrail
import ministack.services.ec2 as ec2
import ministack.services.iam as iam
import ministack.services.kms as kms
import ministack.services.route53 as route53
import ministack.services.s3 as s3
from ministack.services.cloudformation import drift
from ministack.services.cloudformation.drift import _DRIFT_READERS as READERS


def tags(physical_id):
    return [{"Key": tag["Key"], "Value": tag["Value"]} for tag in ec2._tags.get(physical_id, [])]


def reader(store, *properties):
    """A reader of the properties that a record has under the template's own names, and of tags."""

    def read(physical_id, expected):
        record = store().get(physical_id)
        if record is None:
            return None
        return {**{name: record[name] for name in properties if name in record}, "Tags": tags(physical_id)}

    return read, frozenset({*properties, "Tags"})


def there(found):
    """A reader that tells only whether a resource is there."""
    return lambda physical_id, expected: {} if found(physical_id, expected) else None, frozenset()


def route(physical_id, expected):
    table, destination = physical_id.split("|")
    routes = ec2._route_tables.get(table, {}).get("Routes", [])
    return any(destination in record.values() for record in routes)


def association(physical_id, expected):
    tables = ec2._route_tables.values()
    return any(one["RouteTableAssociationId"] == physical_id for table in tables for one in table["Associations"])


def attachment(physical_id, expected):
    """Of the gateway of either kind that a template names."""
    gateway = ec2._internet_gateways.get(expected.get("InternetGatewayId")) or ec2._vpn_gateways.get(expected.get("VpnGatewayId"))
    return gateway and any(one.get("VpcId") == expected["VpcId"] for one in gateway["Attachments"])


def vpn_route(physical_id, expected):
    connection = ec2._vpn_connections.get(expected["VpnConnectionId"], {"Routes": []})
    return any(one["DestinationCidrBlock"] == expected["DestinationCidrBlock"] for one in connection["Routes"])


TRAIL = {"IsLogging": "IsLogging", "EnableLogFileValidation": "LogFileValidationEnabled", "IsMultiRegionTrail": "IsMultiRegionTrail", "S3BucketName": "S3BucketName"}


def trail(physical_id, expected):
    record = cloudtrail._trails.get(physical_id)
    return record and {name: record.get(told) for name, told in TRAIL.items()}


def bucket(plain):
    """A reader of buckets that tells their public access block, too."""

    def read(physical_id, expected):
        answer = plain(physical_id, expected)
        block = s3._buckets.get(physical_id, {}).get("_public_access_block")
        if answer is None or not block:
            return answer
        settings = ElementTree.fromstring(block)
        told = {setting.tag.rsplit("}", 1)[-1]: setting.text == "true" for setting in settings}
        return {**answer, "PublicAccessBlockConfiguration": told}

    return read


FLOW_LOG = ("ResourceId", "TrafficType")


def install():
    plain_bucket, covered = READERS["AWS::S3::Bucket"]
    READERS["AWS::S3::Bucket"] = (bucket(plain_bucket), covered | {"PublicAccessBlockConfiguration"})
    READERS["AWS::CloudTrail::Trail"] = (trail, frozenset(TRAIL))
    READERS["AWS::EC2::FlowLog"] = reader(lambda: ec2._flow_logs, *FLOW_LOG)
    READERS["AWS::EC2::EIP"] = there(lambda ip, _: any(one["PublicIp"] == ip for one in ec2._addresses.values()))
    READERS["AWS::EC2::CustomerGateway"] = there(lambda gateway, _: gateway in ec2._customer_gateways)
    READERS["AWS::EC2::NetworkInterface"] = reader(lambda: ec2._network_interfaces, "PrivateIpAddress", "SubnetId")
    READERS["AWS::EC2::VPCPeeringConnection"] = there(lambda connection, _: connection in ec2._vpc_peering)
    READERS["AWS::EC2::Route"] = there(route)
    READERS["AWS::EC2::SubnetRouteTableAssociation"] = there(association)
    READERS["AWS::EC2::VPCGatewayAttachment"] = there(attachment)
    READERS["AWS::EC2::VPNConnectionRoute"] = there(vpn_route)
    READERS["AWS::IAM::InstanceProfile"] = there(lambda arn, _: arn.rsplit("/", 1)[-1] in iam._instance_profiles)
    READERS["AWS::KMS::Alias"] = there(lambda name, _: kms._alias_arn(name) in kms._aliases)
    READERS["AWS::Route53::HostedZone"] = there(lambda zone, _: zone in route53._zones)
    READERS["AWS::EC2::VPC"] = reader(lambda: ec2._vpcs, "CidrBlock")
    READERS["AWS::EC2::Subnet"] = reader(lambda: ec2._subnets, "CidrBlock", "AvailabilityZone")
    READERS["AWS::EC2::RouteTable"] = reader(lambda: ec2._route_tables, "VpcId")
    READERS["AWS::EC2::NatGateway"] = reader(lambda: ec2._nat_gateways, "SubnetId")
    READERS["AWS::EC2::VPNGateway"] = reader(lambda: ec2._vpn_gateways, "Type")
    READERS["AWS::EC2::Volume"] = reader(lambda: ec2._volumes, "AvailabilityZone")
    READERS["AWS::EC2::VPCEndpoint"] = (drift._exists_in(lambda: ec2._vpc_endpoints), frozenset())
    READERS["AWS::EC2::InternetGateway"] = reader(lambda: ec2._internet_gateways)
    plain_secret, covered = READERS["AWS::SecretsManager::Secret"]
    # A secret's physical id is its ARN here, and its name in MiniStack's own reader.
    READERS["AWS::SecretsManager::Secret"] = (lambda physical_id, expected: plain_secret(expected.get("Name", physical_id), expected), covered)
