"""Classic load balancers, which MiniStack lacks: the CloudFormation type and the API of 2012-06-01
(https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/). The v2 API is left to MiniStack."""

from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import ministack.services.alb as v2
from machines import groups
from ministack.core.responses import AccountRegionScopedDict, get_region, new_uuid
from ministack.services.cloudformation import provisioners
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as HANDLERS

BALANCERS = AccountRegionScopedDict()  # name -> properties, as CloudFormation's type has them
NAMESPACE = "http://elasticloadbalancing.amazonaws.com/doc/2012-06-01/"


def xml(name, value):
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, dict):
        return f"<{name}>{''.join(xml(key, below) for key, below in value.items())}</{name}>"
    if isinstance(value, list):
        return f"<{name}>{''.join(xml('member', below) for below in value)}</{name}>"
    return f"<{name}>{escape(str(value))}</{name}>"


def dns_name(name, properties):
    internal = "internal-" if properties.get("Scheme") == "internal" else ""
    return f"{internal}{name}-1234567890.{get_region()}.elb.amazonaws.com"


def instances(name):
    return [i["InstanceId"] for group in groups() if name in group.get("LoadBalancerNames", []) for i in group["Instances"]]


def description(name, properties):
    check = properties.get("HealthCheck", {})
    return {
        "LoadBalancerName": name,
        "DNSName": dns_name(name, properties),
        "Scheme": properties.get("Scheme", "internet-facing"),
        "Subnets": properties.get("Subnets", []),
        "SecurityGroups": properties.get("SecurityGroups", []),
        "HealthCheck": {key: check[key] for key in ("Target", "Interval", "Timeout", "UnhealthyThreshold", "HealthyThreshold") if key in check},
        "ListenerDescriptions": [
            {
                "Listener": {key: value for key, value in listener.items() if key != "PolicyNames"},
                "PolicyNames": listener.get("PolicyNames", []),
            }
            for listener in properties.get("Listeners", [])
        ],
        "Instances": [{"InstanceId": instance} for instance in instances(name)],
    }


def attributes(properties):
    log = {key: value for key, value in properties.get("AccessLoggingPolicy", {"Enabled": False}).items()}
    return {
        "CrossZoneLoadBalancing": {"Enabled": truth(properties.get("CrossZone", False))},
        "AccessLog": {**log, "Enabled": truth(log["Enabled"])},
        "ConnectionDraining": {key: value for key, value in properties.get("ConnectionDrainingPolicy", {"Enabled": False}).items()},
        "ConnectionSettings": {"IdleTimeout": properties.get("ConnectionSettings", {}).get("IdleTimeout", 60)},
    }


def truth(value):
    return str(value).lower() == "true"


def policies(properties):
    return [
        {
            "PolicyName": policy["PolicyName"],
            "PolicyTypeName": policy["PolicyType"],
            "PolicyAttributeDescriptions": [{"AttributeName": a["Name"], "AttributeValue": a["Value"]} for a in policy["Attributes"]],
        }
        for policy in properties.get("Policies", [])
    ]


def answer(action, one, names):
    name = one("LoadBalancerName")
    if name and name not in BALANCERS:
        return None
    if action == "DescribeLoadBalancers":
        wanted = names or list(BALANCERS)
        if any(name not in BALANCERS for name in wanted):
            return None
        return {"LoadBalancerDescriptions": [description(name, BALANCERS[name]) for name in wanted]}
    if action == "DescribeLoadBalancerAttributes":
        return {"LoadBalancerAttributes": attributes(BALANCERS[name])}
    if action == "DescribeLoadBalancerPolicies":
        return {"PolicyDescriptions": policies(BALANCERS[name])}
    if action == "DescribeInstanceHealth":
        sick = BALANCERS[name].get("_sick", [])
        states = [{"InstanceId": i, "State": "OutOfService" if i in sick else "InService", "ReasonCode": "N/A", "Description": "N/A"} for i in instances(name)]
        return {"InstanceStates": states}
    if action == "ModifyLoadBalancerAttributes":
        properties = BALANCERS[name]
        if idle := one("LoadBalancerAttributes.ConnectionSettings.IdleTimeout"):
            properties["ConnectionSettings"] = {"IdleTimeout": int(idle)}
        if log := one("LoadBalancerAttributes.AccessLog.Enabled"):
            properties["AccessLoggingPolicy"] = {**properties.get("AccessLoggingPolicy", {}), "Enabled": log}
        return {}
    if action == "DeleteLoadBalancerListeners":
        port = one("LoadBalancerPorts.member.1")
        BALANCERS[name]["Listeners"] = [listener for listener in BALANCERS[name]["Listeners"] if str(listener["LoadBalancerPort"]) != port]
        return {}
    if action == "CreateLoadBalancerListeners":
        wanted = {key: one(f"Listeners.member.1.{key}") for key in ("LoadBalancerPort", "InstancePort", "Protocol", "InstanceProtocol")}
        if certificate := one("Listeners.member.1.SSLCertificateId"):
            wanted["SSLCertificateId"] = certificate
        if any(str(listener["LoadBalancerPort"]) == wanted["LoadBalancerPort"] for listener in BALANCERS[name]["Listeners"]):
            raise LookupError("DuplicateListener")
        BALANCERS[name]["Listeners"] = [*BALANCERS[name]["Listeners"], wanted]
        return {}
    raise LookupError(action)


v2_handle, v2_reset = v2.handle_request, v2.reset


def reset():
    BALANCERS.clear()
    v2_reset()



async def handle(method, path, headers, body, query, *rest, **named):
    form = {**query, **parse_qs(body.decode(errors="replace"))}
    one = lambda key: (form.get(key) or [""])[0]  # noqa: E731
    if one("Version") != "2012-06-01":
        return await v2_handle(method, path, headers, body, query, *rest, **named)
    action = one("Action")
    names = [value[0] for key, value in form.items() if key.startswith("LoadBalancerNames.member.")]
    kind = {"Content-Type": "text/xml"}
    try:
        result = answer(action, one, names)
    except LookupError:
        return 400, kind, f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>{action}</Message></Error></ErrorResponse>'.encode()
    if result is None:
        text = f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>LoadBalancerNotFound</Code><Message>There is no such load balancer</Message></Error></ErrorResponse>'
        return 400, kind, text.encode()
    inner = xml(f"{action}Result", result)
    return 200, kind, f'<{action}Response xmlns="{NAMESPACE}">{inner}<ResponseMetadata><RequestId>{new_uuid()}</RequestId></ResponseMetadata></{action}Response>'.encode()


def create(logical_id, properties, stack):
    name = properties.get("LoadBalancerName") or provisioners._physical_name(stack, logical_id, max_len=32)
    if name in BALANCERS:
        raise ValueError(f"Load balancer {name} already exists")
    return put(name, properties)


def put(name, properties):
    BALANCERS[name] = dict(properties)
    return name, {"DNSName": dns_name(name, properties), "CanonicalHostedZoneNameID": "Z35SXDOTRQ7X7K"}


def install():
    HANDLERS["AWS::ElasticLoadBalancing::LoadBalancer"] = {
        "create": create,
        "update": lambda physical_id, old, new, stack: put(physical_id, new),
        "delete": lambda physical_id, properties: BALANCERS.pop(physical_id, None),
    }
    v2.handle_request, v2.reset = handle, reset
