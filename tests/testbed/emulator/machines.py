"""Machines of Auto Scaling Groups: MiniStack starts none for a group that CloudFormation makes, and its instance refresh is
over at once. Here a group has its instances, a rolling update replaces them, and a refresh goes on for a while.

A refresh takes REFRESH_SECONDS. An image named `ami-0bad…` never becomes healthy: with it, a refresh fails half way."""

import os
import time

import ministack.services.autoscaling as autoscaling
import ministack.services.ec2 as ec2
from ministack.services.cloudformation import provisioners
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as HANDLERS

SECONDS = float(os.environ.get("REFRESH_SECONDS", "2"))


def groups():
    return autoscaling._asgs.values()


def image(group):
    template = group.get("LaunchTemplate") or {}
    record = ec2._launch_templates.get(template.get("LaunchTemplateId", ""))
    for version in (record or {}).get("Versions", []):
        if str(version["VersionNumber"]) == str(template.get("Version")):
            return str(version["LaunchTemplateData"].get("ImageId", ""))
    return ""


def sync(name, properties):
    """What MiniStack's handler leaves out: zones of the subnets, the launch template of a mixed policy, balancers, machines."""
    group = autoscaling._asgs[name]
    zones = [ec2._subnets[s]["AvailabilityZone"] for s in group["VPCZoneIdentifier"].split(",") if s in ec2._subnets]
    group["AvailabilityZones"] = zones or properties.get("AvailabilityZones", [])
    mixed = properties.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
    if mixed:
        group["LaunchTemplate"] = provisioners._asg_launch_template(mixed)
    group["LoadBalancerNames"] = properties.get("LoadBalancerNames", [])
    autoscaling._reconcile_instances(group)
    return group


def create(logical_id, properties, stack):
    answer = plain_create(logical_id, properties, stack)
    sync(answer[0], properties)
    return answer


def update(physical_id, old, new, stack, logical_id=None):
    before = autoscaling._asgs.get(physical_id)
    size = before["DesiredCapacity"] if before else None
    answer = plain_update(physical_id, old, new, stack, logical_id)
    group = autoscaling._asgs[answer[0]]
    # CloudFormation sends only properties that changed: what an autoscaler set stays.
    if size is not None and old.get("DesiredCapacity") == new.get("DesiredCapacity"):
        group["DesiredCapacity"] = size
    group = sync(answer[0], new)
    if rolls(logical_id, stack):
        for instance in group["Instances"]:
            instance["LaunchTemplate"] = dict(group["LaunchTemplate"])
    return answer


def rolls(logical_id, stack):
    """Whether the template has CloudFormation's own rolling update."""
    from ministack.services.cloudformation import _stacks

    template = (_stacks.get(stack) or {}).get("_template") or {}
    return "AutoScalingRollingUpdate" in template.get("Resources", {}).get(logical_id, {}).get("UpdatePolicy", {})


def start_refresh(parameters):
    name = autoscaling._p(parameters, "AutoScalingGroupName")
    group = autoscaling._asgs.get(name)
    if group and any(refresh["Status"] in ("Pending", "InProgress", "Cancelling") for refresh in progress(group)):
        return autoscaling._error("InstanceRefreshInProgress", "An instance refresh is already in progress", 400)
    answer = plain_start(parameters)
    if group:
        refresh = group["InstanceRefreshes"][0]
        refresh.update(Status="InProgress", StatusReason="", EndTime="", PercentageComplete=0, InstancesToUpdate=len(group["Instances"]))
        refresh["_began"] = time.time()
        refresh["_instances"] = [dict(instance) for instance in group["Instances"]]
        refresh["_skip"] = autoscaling._p(parameters, "Preferences.SkipMatching") == "true"
    return answer


def progress(group):
    """Brings refreshes up to date: machines are replaced one after another, as time goes."""
    for refresh in group.get("InstanceRefreshes", []):
        if refresh["Status"] != "InProgress" or "_began" not in refresh:
            continue
        share = min(1.0, (time.time() - refresh["_began"]) / SECONDS)
        old = [i for i in group["Instances"] if i.get("LaunchTemplate") != group["LaunchTemplate"] or not refresh["_skip"]]
        if image(group).startswith("ami-0bad"):
            if share >= 0.5:
                refresh.update(Status="Failed", StatusReason="Instances failed to become healthy within the warmup period", EndTime=autoscaling.now_iso())
            continue
        replaced = int(share * len(refresh["_instances"]))
        for instance in group["Instances"][:replaced]:
            if instance in old:
                if instance.get("LaunchTemplate") != group["LaunchTemplate"]:
                    instance["InstanceId"] = "i-" + autoscaling.new_uuid().replace("-", "")[:17]
                instance["LaunchTemplate"] = dict(group["LaunchTemplate"])
        refresh.update(PercentageComplete=int(share * 100), InstancesToUpdate=len(refresh["_instances"]) - replaced)
        if share >= 1.0:
            refresh.update(Status="Successful", EndTime=autoscaling.now_iso())
    return group.get("InstanceRefreshes", [])


def describe_refreshes(parameters):
    for group in groups():
        progress(group)
    status, headers, body = plain_describe(parameters)
    # MiniStack writes an empty EndTime, which is no timestamp.
    return status, headers, body.replace(b"<EndTime></EndTime>", b"")


def describe_groups(parameters):
    status, headers, body = plain_groups(parameters)
    for name, group in autoscaling._asgs.items():
        progress(group)
        names = "".join(f"<member>{balancer}</member>" for balancer in group.get("LoadBalancerNames", []))
        marker = f"<AutoScalingGroupName>{name}</AutoScalingGroupName>".encode()
        body = body.replace(marker, marker + f"<LoadBalancerNames>{names}</LoadBalancerNames>".encode())
    return status, headers, body


plain_create = HANDLERS["AWS::AutoScaling::AutoScalingGroup"]["create"]
plain_update = HANDLERS["AWS::AutoScaling::AutoScalingGroup"]["update"]
plain_start = autoscaling._start_instance_refresh
plain_describe = autoscaling._describe_instance_refreshes
plain_groups = autoscaling._describe_asgs


def install():
    HANDLERS["AWS::AutoScaling::AutoScalingGroup"].update(create=create, update=update, update_with_logical_id=True)
    actions = next(value for value in vars(autoscaling).values() if isinstance(value, dict) and "StartInstanceRefresh" in value)
    actions.update(StartInstanceRefresh=start_refresh, DescribeInstanceRefreshes=describe_refreshes, DescribeAutoScalingGroups=describe_groups)
