"""What drift detection can read, for types that MiniStack does not read. As at AWS, launch templates' data, classic
balancers, DNS records and route propagation cannot be read, so that incline's own reads are needed for them."""

import ministack.services.ec2 as ec2
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


def install():
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
