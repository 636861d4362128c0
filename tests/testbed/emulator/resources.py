"""CloudFormation types that MiniStack's engine lacks though its services have them, and attributes that they miss."""

import json
import re
import uuid

import ministack.services.cloudtrail as cloudtrail
import ministack.services.ec2 as ec2
import ministack.services.secretsmanager as secretsmanager
from ministack.services.cloudformation import provisioners
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as HANDLERS

ACTIONS = next(value for value in vars(ec2).values() if isinstance(value, dict) and "CreateNatGateway" in value)


def made_up(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:17]}"


def call(action, tag=None, **parameters):
    """EC2's own handler: form parameters in ("__" for "."), XML out. What it refuses fails the resource."""
    form = {}
    for key, value in parameters.items():
        if value is not None:
            form[key.replace("__", ".")] = [str(value).lower() if isinstance(value, bool) else str(value)]
    status, _, body = ACTIONS[action](form)
    body = body.decode()
    if status >= 400:
        raise ValueError(re.search(r"<Message>(.*?)</Message>", body, re.S).group(1))
    return re.search(rf"<{tag}>([^<]+)</{tag}>", body).group(1) if tag else body


def register(kind, create, delete=None, update=None):
    HANDLERS[kind] = {"create": create, "delete": delete or (lambda physical_id, properties: None)}
    if update:
        HANDLERS[kind]["update"] = update


def tagged(physical_id, properties):
    provisioners._ec2_apply_tags(physical_id, properties)
    return physical_id


def tags_only(attributes):
    """An update that can change nothing but tags: all else replaces."""

    def update(physical_id, old, new, stack):
        return tagged(physical_id, new), attributes(physical_id)

    return update


def address(logical_id, properties, stack):
    allocation = call("AllocateAddress", "allocationId", Domain="vpc")
    tagged(allocation, properties)
    ip = ec2._addresses[allocation]["PublicIp"]
    return ip, {"AllocationId": allocation, "PublicIp": ip}


def release(physical_id, properties):
    for allocation, record in list(ec2._addresses.items()):
        if record["PublicIp"] == physical_id:
            call("ReleaseAddress", AllocationId=allocation)


def nat(logical_id, properties, stack):
    gateway = call("CreateNatGateway", "natGatewayId", SubnetId=properties["SubnetId"], AllocationId=properties.get("AllocationId"))
    return tagged(gateway, properties), {"NatGatewayId": gateway}


def flow_log(logical_id, properties, stack):
    body = call(
        "CreateFlowLogs",
        ResourceId__1=properties["ResourceId"],
        ResourceType=properties["ResourceType"],
        TrafficType=properties.get("TrafficType"),
        LogDestinationType=properties.get("LogDestinationType"),
        LogGroupName=properties.get("LogGroupName"),
        DeliverLogsPermissionArn=properties.get("DeliverLogsPermissionArn"),
        MaxAggregationInterval=properties.get("MaxAggregationInterval"),
    )
    log = re.search(r"<item>(fl-\w+)</item>", body).group(1)
    return tagged(log, properties), {"Id": log}


def peering(logical_id, properties, stack):
    connection = call(
        "CreateVpcPeeringConnection",
        "vpcPeeringConnectionId",
        VpcId=properties["VpcId"],
        PeerVpcId=properties["PeerVpcId"],
        PeerOwnerId=properties.get("PeerOwnerId"),
        PeerRegion=properties.get("PeerRegion"),
    )
    # With a role to accept by, CloudFormation accepts on the other side too.
    call("AcceptVpcPeeringConnection", VpcPeeringConnectionId=connection)
    return tagged(connection, properties), {"Id": connection}


def vpn_gateway(logical_id, properties, stack):
    gateway = call("CreateVpnGateway", "vpnGatewayId", Type=properties["Type"], AmazonSideAsn=properties.get("AmazonSideAsn"))
    return tagged(gateway, properties), {"VPNGatewayId": gateway}


def customer_gateway(logical_id, properties, stack):
    gateway = call("CreateCustomerGateway", "customerGatewayId", Type=properties["Type"], BgpAsn=properties.get("BgpAsn"), IpAddress=properties.get("IpAddress"))
    return tagged(gateway, properties), {"CustomerGatewayId": gateway}


def vpn_connection(logical_id, properties, stack):
    connection = call(
        "CreateVpnConnection",
        "vpnConnectionId",
        Type=properties["Type"],
        CustomerGatewayId=properties["CustomerGatewayId"],
        VpnGatewayId=properties.get("VpnGatewayId"),
        Options__StaticRoutesOnly=properties.get("StaticRoutesOnly", False),
    )
    ec2._vpn_connections[connection]["Tunnels"] = tunnels(properties)
    return tagged(connection, properties), {"VpnConnectionId": connection}


def tunnels(properties):
    """Tunnel options as DescribeVpnConnections tells them, the keys left out as AWS leaves them out of lists."""
    return [
        {key: value for key, value in tunnel.items() if key != "PreSharedKey"}
        for tunnel in properties.get("VpnTunnelOptionsSpecifications", [])
    ]


def vpn_connection_update(physical_id, old, new, stack):
    ec2._vpn_connections[physical_id]["Tunnels"] = tunnels(new)
    return tagged(physical_id, new), {"VpnConnectionId": physical_id}


def vpn_connection_xml(connection, tag="item"):
    """MiniStack's own, with the tunnels' options and state
    (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TunnelOption.html)."""
    text = plain_vpn_connection_xml(connection, tag)
    options, telemetry = "", ""
    for index, tunnel in enumerate(connection.get("Tunnels", [])):
        options += "<item>"
        options += f"<outsideIpAddress>203.0.113.{index + 1}</outsideIpAddress><tunnelInsideCidr>{tunnel['TunnelInsideCidr']}</tunnelInsideCidr>"
        for name, item in (
            ("Phase1EncryptionAlgorithms", "phase1EncryptionAlgorithmSet"),
            ("Phase2EncryptionAlgorithms", "phase2EncryptionAlgorithmSet"),
            ("Phase1IntegrityAlgorithms", "phase1IntegrityAlgorithmSet"),
            ("Phase2IntegrityAlgorithms", "phase2IntegrityAlgorithmSet"),
            ("Phase1DHGroupNumbers", "phase1DHGroupNumberSet"),
            ("Phase2DHGroupNumbers", "phase2DHGroupNumberSet"),
            ("IKEVersions", "ikeVersionSet"),
        ):
            values = "".join(f"<item><value>{value['Value']}</value></item>" for value in tunnel.get(name, []))
            options += f"<{item}>{values}</{item}>"
        options += f"<startupAction>{tunnel.get('StartupAction', 'add')}</startupAction><dpdTimeoutAction>{tunnel.get('DPDTimeoutAction', 'clear')}</dpdTimeoutAction></item>"
        status = connection.get("TunnelStatus", ["UP", "UP"])[index]
        telemetry += f"<item><outsideIpAddress>203.0.113.{index + 1}</outsideIpAddress><status>{status}</status><acceptedRouteCount>1</acceptedRouteCount></item>"
    static = "true" if connection["Options"]["StaticRoutesOnly"] else "false"
    text = re.sub(r"<options>.*?</options>", f"<options><staticRoutesOnly>{static}</staticRoutesOnly><tunnelOptionSet>{options}</tunnelOptionSet></options>", text, flags=re.S)
    return text.replace("<routes>", f"<vgwTelemetry>{telemetry}</vgwTelemetry><routes>")


plain_vpn_connection_xml = ec2._vpn_conn_xml


def modify_tunnel(parameters):
    """ModifyVpnTunnelOptions, by which a hand changes a tunnel behind CloudFormation's back; TunnelStatus is the test's own."""
    connection = ec2._vpn_connections[ec2._p(parameters, "VpnConnectionId")]
    index = int(ec2._p(parameters, "VpnTunnelOutsideIpAddress").rsplit(".", 1)[1]) - 1
    if status := ec2._p(parameters, "TunnelStatus"):
        connection.setdefault("TunnelStatus", ["UP", "UP"])[index] = status
    keys = [f"TunnelOptions.Phase1DHGroupNumber.{number}.Value" for number in range(1, 10)]
    if groups := [{"Value": ec2._p(parameters, key)} for key in keys if ec2._p(parameters, key)]:
        connection["Tunnels"][index]["Phase1DHGroupNumbers"] = groups
    return ec2._xml(200, "ModifyVpnTunnelOptionsResponse", ec2._vpn_conn_xml(connection, tag="vpnConnection"))


def vpn_route(logical_id, properties, stack):
    call("CreateVpnConnectionRoute", VpnConnectionId=properties["VpnConnectionId"], DestinationCidrBlock=properties["DestinationCidrBlock"])
    return f"{properties['VpnConnectionId']}|{properties['DestinationCidrBlock']}", {}


def propagation(logical_id, properties, stack):
    for table in properties["RouteTableIds"]:
        call("EnableVgwRoutePropagation", GatewayId=properties["VpnGatewayId"], RouteTableId=table)
    return made_up("vgwprop"), {}


def propagation_update(physical_id, old, new, stack):
    propagation("", new, stack)
    return physical_id, {}


def propagation_end(physical_id, properties):
    for table in properties["RouteTableIds"]:
        call("DisableVgwRoutePropagation", GatewayId=properties["VpnGatewayId"], RouteTableId=table)


def rule(action):
    def change(logical_id, properties, stack):
        permission = {
            "GroupId": properties["GroupId"],
            "IpPermissions__1__IpProtocol": properties["IpProtocol"],
            "IpPermissions__1__FromPort": properties.get("FromPort"),
            "IpPermissions__1__ToPort": properties.get("ToPort"),
        }
        if properties.get("CidrIp"):
            permission["IpPermissions__1__IpRanges__1__CidrIp"] = properties["CidrIp"]
            permission["IpPermissions__1__IpRanges__1__Description"] = properties.get("Description")
        if properties.get("SourceSecurityGroupId"):
            permission["IpPermissions__1__Groups__1__GroupId"] = properties["SourceSecurityGroupId"]
        found = re.search(r"<securityGroupRuleId>([^<]+)", call(action, **permission))
        physical_id = found.group(1) if found else made_up("sgr")
        return physical_id, {"Id": physical_id}

    return change


def volume(logical_id, properties, stack):
    identity = call(
        "CreateVolume",
        "volumeId",
        AvailabilityZone=properties["AvailabilityZone"],
        Size=properties.get("Size"),
        VolumeType=properties.get("VolumeType"),
        Encrypted=properties.get("Encrypted"),
        KmsKeyId=properties.get("KmsKeyId"),
        Iops=properties.get("Iops"),
        Throughput=properties.get("Throughput"),
    )
    return tagged(identity, properties), {"VolumeId": identity}


def volume_update(physical_id, old, new, stack):
    record = ec2._volumes[physical_id]
    record.update(Size=int(new["Size"]), Iops=int(new["Iops"]))
    return tagged(physical_id, new), {"VolumeId": physical_id}


def interface(logical_id, properties, stack):
    groups = {f"SecurityGroupId__{number}": group for number, group in enumerate(properties.get("GroupSet", []), 1)}
    identity = call("CreateNetworkInterface", "networkInterfaceId", SubnetId=properties["SubnetId"], Description=properties.get("Description"), **groups)
    ec2._network_interfaces[identity]["PrivateIpAddress"] = properties["PrivateIpAddress"]
    return tagged(identity, properties), {"Id": identity, "PrimaryPrivateIpAddress": properties["PrivateIpAddress"]}


def trail(logical_id, properties, stack):
    name = properties["TrailName"]
    request = {**{key: value for key, value in properties.items() if key != "KMSKeyId"}, "Name": name, "KmsKeyId": properties.get("KMSKeyId", "")}
    status, _, body = cloudtrail._create_trail(request)
    if status >= 400:
        raise ValueError(str(body))
    if properties.get("IsLogging"):
        cloudtrail._start_logging({"Name": name})
    return name, {"Arn": cloudtrail._trail_arn(name)}


def trail_update(physical_id, old, new, stack):
    cloudtrail._update_trail({**new, "Name": physical_id, "KmsKeyId": new.get("KMSKeyId", "")})
    (cloudtrail._start_logging if new.get("IsLogging") else cloudtrail._stop_logging)({"Name": physical_id})
    return physical_id, {"Arn": cloudtrail._trail_arn(physical_id)}


def secret_policy(logical_id, properties, stack):
    secretsmanager._put_resource_policy({"SecretId": properties["SecretId"], "ResourcePolicy": json.dumps(properties["ResourcePolicy"])})
    return properties["SecretId"], {}


def vpc(answer):
    physical_id, attributes, properties = answer
    return physical_id, {**attributes, "CidrBlock": properties.get("CidrBlock")}


def secret_reference():
    """Ref of a secret is its ARN (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-secret.html)."""
    handler = HANDLERS["AWS::SecretsManager::Secret"]
    create, update, delete = handler["create"], handler["update"], handler["delete"]
    update_is_told, delete_is_told = handler.get("update_with_logical_id"), handler.get("delete_with_logical_id")

    def arn_of(name):
        return secretsmanager._secrets[name]["ARN"]

    def name_of(arn):
        return next((name for name, secret in secretsmanager._secrets.items() if secret["ARN"] == arn), arn)

    def created(logical_id, properties, stack):
        name, attributes = create(logical_id, properties, stack)
        return arn_of(name), {**attributes, "Id": arn_of(name)}

    def updated(physical_id, old, new, stack, logical_id=None):
        told = [logical_id] if update_is_told else []
        name, attributes = update(name_of(physical_id), old, new, stack, *told)
        return arn_of(name), {**attributes, "Id": arn_of(name)}

    def deleted(physical_id, properties, logical_id=None):
        told = [logical_id] if delete_is_told else []
        return delete(name_of(physical_id), properties, *told)

    handler.update(create=created, update=updated, delete=deleted)


def install():
    identity = lambda name: lambda physical_id: {name: physical_id}  # noqa: E731
    register("AWS::EC2::EIP", address, release, lambda pid, old, new, stack: (pid, {"PublicIp": pid, "AllocationId": next(a for a, r in ec2._addresses.items() if r["PublicIp"] == pid)}))
    register("AWS::EC2::NatGateway", nat, lambda pid, _: call("DeleteNatGateway", NatGatewayId=pid), tags_only(identity("NatGatewayId")))
    register("AWS::EC2::FlowLog", flow_log, lambda pid, _: call("DeleteFlowLogs", FlowLogId__1=pid), tags_only(identity("Id")))
    register("AWS::EC2::VPCPeeringConnection", peering, lambda pid, _: call("DeleteVpcPeeringConnection", VpcPeeringConnectionId=pid), tags_only(identity("Id")))
    register("AWS::EC2::VPNGateway", vpn_gateway, lambda pid, _: call("DeleteVpnGateway", VpnGatewayId=pid), tags_only(identity("VPNGatewayId")))
    register("AWS::EC2::CustomerGateway", customer_gateway, lambda pid, _: call("DeleteCustomerGateway", CustomerGatewayId=pid), tags_only(identity("CustomerGatewayId")))
    register("AWS::EC2::VPNConnection", vpn_connection, lambda pid, _: call("DeleteVpnConnection", VpnConnectionId=pid), vpn_connection_update)
    register("AWS::EC2::VPNConnectionRoute", vpn_route, lambda pid, old: call("DeleteVpnConnectionRoute", VpnConnectionId=old["VpnConnectionId"], DestinationCidrBlock=old["DestinationCidrBlock"]))
    register("AWS::EC2::VPNGatewayRoutePropagation", propagation, propagation_end, propagation_update)
    allow, revoke = rule("AuthorizeSecurityGroupIngress"), rule("RevokeSecurityGroupIngress")
    register("AWS::EC2::SecurityGroupIngress", allow, lambda pid, old: revoke("", old, ""))
    register("AWS::EC2::Volume", volume, lambda pid, _: call("DeleteVolume", VolumeId=pid), volume_update)
    register("AWS::EC2::NetworkInterface", interface, lambda pid, _: call("DeleteNetworkInterface", NetworkInterfaceId=pid), tags_only(identity("Id")))
    register("AWS::CloudTrail::Trail", trail, lambda pid, _: cloudtrail._delete_trail({"Name": pid}), trail_update)
    register(
        "AWS::SecretsManager::ResourcePolicy",
        secret_policy,
        lambda pid, _: secretsmanager._delete_resource_policy({"SecretId": pid}),
        lambda pid, old, new, stack: secret_policy("", new, stack),
    )
    ec2._vpn_conn_xml = vpn_connection_xml
    ACTIONS["ModifyVpnTunnelOptions"] = modify_tunnel

    handler = HANDLERS["AWS::EC2::VPC"]
    create, update, told = handler["create"], handler["update"], handler.get("update_with_logical_id")
    handler["create"] = lambda logical_id, properties, stack: vpc((*create(logical_id, properties, stack), properties))
    handler["update"] = lambda pid, old, new, stack, logical_id=None: vpc((*update(pid, old, new, stack, *([logical_id] if told else [])), new))
    secret_reference()
    replacement()


def replacement():
    """What cannot change without a new resource: the table that incline itself goes by is made from the same schemas, so the
    emulator reads cfn-lint's own, where the tests have installed it."""
    import glob
    import os

    # REPLACES=AWS::Logs::LogGroup.RetentionInDays makes an AWS that judges otherwise than the schemas say.
    if contrary := os.environ.get("REPLACES"):
        kind, name = contrary.split(".")
        provisioners._REPLACING_PROPERTIES[kind] = (name,)
    found = glob.glob(os.path.join(os.environ.get("CFN_SCHEMAS", ""), "providers", "us-east-1.json"))
    if not found:
        return
    with open(found[0], encoding="utf-8") as file:
        schemas = json.load(file)
    top = lambda schema, key: tuple(sorted({path.split("/")[2] for path in schema.get(key, []) if path.count("/") == 2}))  # noqa: E731
    for kind in list(HANDLERS):
        if kind not in schemas:
            continue
        with open(os.path.join(os.environ["CFN_SCHEMAS"], "resources", f"{schemas[kind]}.json"), encoding="utf-8") as file:
            schema = json.load(file)
        provisioners._REPLACING_PROPERTIES.setdefault(kind, top(schema, "createOnlyProperties"))
        if perhaps := top(schema, "conditionalCreateOnlyProperties"):
            provisioners._CONDITIONALLY_REPLACING_PROPERTIES.setdefault(kind, perhaps)


