"""The example production site, read back through the services' own APIs by AWS's own Python client, and compared with its
inventory. CloudFormation is not asked.

Usage: python readback.py ENDPOINT INVENTORY"""

import base64
import json
import sys

import botocore.session
import yaml

ENDPOINT, INVENTORY = sys.argv[1:]
with open(INVENTORY, encoding="utf-8") as file:
    SITE = yaml.safe_load(file)
NAME, ACCOUNT, REGION = SITE["name"], SITE["account"], SITE["region"]
SESSION = botocore.session.get_session()
SESSION.set_credentials(ACCOUNT, "nobodys")
checked = 0


def client(service):
    return SESSION.create_client(service, region_name=REGION, endpoint_url=ENDPOINT)


def same(what, found, wanted):
    global checked
    checked += 1
    if found != wanted:
        sys.exit(f"{what}: {found!r}, and the inventory says {wanted!r}")


def tagged(items, key="Name"):
    found = {}
    for item in items:
        for tag in item.get("Tags", []):
            if tag["Key"] == key:
                found[tag["Value"]] = item
    return found


ec2 = client("ec2")
vpc = tagged(ec2.describe_vpcs()["Vpcs"])[NAME]
same("VPC", vpc["CidrBlock"], SITE["network"]["cidr"])
here = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
subnets = tagged(ec2.describe_subnets(Filters=here)["Subnets"])
tables = ec2.describe_route_tables(Filters=here)["RouteTables"]
for kind, zones in SITE["network"]["subnets"].items():
    for zone, cidr in zones.items():
        subnet = subnets[f"{NAME}-{kind}-{zone[-1]}"]
        same(f"subnet {kind} {zone}", (subnet["CidrBlock"], subnet["AvailabilityZone"]), (cidr, zone))
        same(f"subnet {kind} {zone} gives public addresses", subnet["MapPublicIpOnLaunch"], False)
        table = [table for table in tables if any(a.get("SubnetId") == subnet["SubnetId"] for a in table["Associations"])]
        same(f"subnet {kind} {zone} has one route table", len(table), 1)
        ways = {route.get("GatewayId", route.get("NatGatewayId", ""))[:3] for route in table[0]["Routes"] if route.get("DestinationCidrBlock") == "0.0.0.0/0"}
        same(f"way out of {kind} {zone}", ways, {"public": {"igw"}, "private": {"nat"}, "isolated": set()}[kind])
nats = [nat for nat in ec2.describe_nat_gateways()["NatGateways"] if nat["VpcId"] == vpc["VpcId"] and nat["State"] == "available"]
same("NAT gateways", len(nats), len(SITE["zones"]))

gateways = {gateway["CustomerGatewayId"]: gateway for gateway in ec2.describe_customer_gateways()["CustomerGateways"]}
connections = tagged(ec2.describe_vpn_connections()["VpnConnections"])
vgw = tagged(ec2.describe_vpn_gateways()["VpnGateways"])[NAME]
same("VPN gateway's AS", int(vgw["AmazonSideAsn"]), SITE["vpn"]["amazonAsn"])
for wanted in SITE["vpn"]["connections"]:
    connection = connections[f"{NAME}-{wanted['to']}"]
    same(f"VPN to {wanted['to']} is static", connection["Options"]["StaticRoutesOnly"], wanted["routing"] == "static")
    same(f"VPN to {wanted['to']}: gateway", connection["VpnGatewayId"], vgw["VpnGatewayId"])
    same(f"VPN to {wanted['to']}: inside networks", [t["TunnelInsideCidr"] for t in connection["Options"]["TunnelOptions"]], [t["insideCidr"] for t in wanted["tunnels"]])
    assert connection["CustomerGatewayId"] in gateways
propagating = [table for table in tables if any(v["GatewayId"] == vgw["VpnGatewayId"] for v in table.get("PropagatingVgws", []))]
same("route tables that the VPN's routes enter", len(propagating), len(SITE["zones"]) + 1)

peerings = tagged(ec2.describe_vpc_peering_connections()["VpcPeeringConnections"])
for wanted in SITE["peering"]:
    peering = peerings[f"{NAME}-{wanted['name']}"]
    same(f"peering {wanted['name']}", (peering["Status"]["Code"], peering["RequesterVpcInfo"]["VpcId"]), ("active", vpc["VpcId"]))
    if "vpc" in wanted["with"]:
        same(f"peering {wanted['name']}: other side", peering["AccepterVpcInfo"]["VpcId"], wanted["with"]["vpc"]["id"])
    routes = [table for table in tables if any(r.get("VpcPeeringConnectionId") == peering["VpcPeeringConnectionId"] for r in table["Routes"])]
    same(f"peering {wanted['name']}: route tables", len(routes), len(SITE["zones"]) + 1)

groups = {group["AutoScalingGroupName"]: group for group in client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]}
balancers = SITE["balancers"]
for pool in SITE["pools"]:
    group = groups[f"{NAME}-pool-{pool['name']}"]
    size = pool["size"]
    same(f"pool {pool['name']}", (group["MinSize"], group["DesiredCapacity"], group["MaxSize"]), (size["min"], size["desired"], size["max"]))
    same(f"pool {pool['name']}: machines", len(group["Instances"]), size["desired"])
    wanted = {subnets[f"{NAME}-private-{zone[-1]}"]["SubnetId"] for zone in pool.get("zones", SITE["zones"])}
    same(f"pool {pool['name']}: subnets", set(group["VPCZoneIdentifier"].split(",")), wanted)
    behind = {f"{NAME}-{balancer['name']}" for balancer in balancers if pool["name"] in balancer["pools"]}
    same(f"pool {pool['name']}: balancers", set(group["LoadBalancerNames"]), behind)
    template = group["Instances"][0]["LaunchTemplate"]["LaunchTemplateId"] if group["Instances"] else None
    if template:
        data = ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Latest"])["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        same(f"pool {pool['name']}: IMDSv2", (data["MetadataOptions"]["HttpTokens"], data["MetadataOptions"]["HttpPutResponseHopLimit"]), ("required", 1))
        same(f"pool {pool['name']}: volumes are encrypted", {m["Ebs"]["Encrypted"] for m in data["BlockDeviceMappings"]}, {True})
        pointer = json.loads(base64.b64decode(data["UserData"]))["ignition"]["config"]["replace"]["source"]
        bucket, key = pointer.removeprefix("s3://").split("/", 1)
        found = client("s3").get_object(Bucket=bucket, Key=key)
        same(f"pool {pool['name']}: configuration is encrypted by", found["ServerSideEncryption"], "aws:kms")
for zone in SITE["zones"]:
    same(f"control plane {zone}", [i["AvailabilityZone"] for i in groups[f"{NAME}-control-plane-{zone[-1]}"]["Instances"]], [zone])

ecr = client("ecr")
repositories = {r["repositoryName"]: r for r in ecr.get_paginator("describe_repositories").paginate().build_full_result()["repositories"]}
for wanted in SITE["registry"]["repositories"]:
    found = repositories[wanted["name"]]
    same(f"repository {wanted['name']}", (found["imageTagMutability"], found["imageScanningConfiguration"]["scanOnPush"], found["encryptionConfiguration"]["encryptionType"]), ("IMMUTABLE", True, "KMS"))

kms = client("kms")
for purpose in ("data", "logs"):
    alias = next(a for a in kms.get_paginator("list_aliases").paginate().build_full_result()["Aliases"] if a["AliasName"] == f"alias/incline/{NAME}/{purpose}")
    same(f"key {purpose} rotates", kms.get_key_rotation_status(KeyId=alias["TargetKeyId"])["KeyRotationEnabled"], True)

elb = client("elb")
described = {b["LoadBalancerName"]: b for b in elb.describe_load_balancers()["LoadBalancerDescriptions"]}
for wanted in balancers:
    found = described[f"{NAME}-{wanted['name']}"]
    public = wanted.get("exposure", "internal") != "internal"
    same(f"balancer {wanted['name']}: scheme", found["Scheme"], "internet-facing" if public else "internal")
    kind = "public" if public else "private"
    same(f"balancer {wanted['name']}: subnets", set(found["Subnets"]), {subnets[f"{NAME}-{kind}-{zone[-1]}"]["SubnetId"] for zone in SITE["zones"]})
    protocol = {"https": "HTTPS", "ssl": "SSL", "passthrough": "TCP"}
    listeners = {(l["Listener"]["LoadBalancerPort"], l["Listener"]["InstancePort"], l["Listener"]["Protocol"]) for l in found["ListenerDescriptions"]}
    same(f"balancer {wanted['name']}: listeners", listeners, {(l["port"], l["nodePort"], protocol[l["protocol"]]) for l in wanted["listeners"]})
    attributes = elb.describe_load_balancer_attributes(LoadBalancerName=found["LoadBalancerName"])["LoadBalancerAttributes"]
    same(f"balancer {wanted['name']}: access log", attributes["AccessLog"]["Enabled"], True)
    same(f"balancer {wanted['name']}: idle", attributes["ConnectionSettings"]["IdleTimeout"], wanted.get("idleSeconds", 60))

same("trail", client("cloudtrail").get_trail_status(Name=f"incline-{NAME}")["IsLogging"], True)
flow = [log for log in ec2.describe_flow_logs()["FlowLogs"] if log["ResourceId"] == vpc["VpcId"]]
same("flow logs", len(flow), 1)
for secret in ("cluster-pki", "worker-join"):
    found = client("secretsmanager").describe_secret(SecretId=f"{NAME}/{secret}")
    same(f"secret {secret} has a key of its own", "KmsKeyId" in found, True)
print(f"read back through EC2, Auto Scaling, ECR, KMS, classic ELB, S3, CloudTrail, Secrets Manager: {checked} comparisons, all as the inventory says")
