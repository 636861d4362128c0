"""Service-linked roles, and keys whose policies name them.

In an account that was used before, Auto Scaling has its role. FRESH_ACCOUNT makes one that was not: the role is there only after
somebody made it, and KMS knows it that many seconds later. As AWS does, KMS refuses a policy that names a role that it does
not know (https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html), and IAM to make a role again."""

import json
import os
import time

import ministack.services.iam as iam
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as HANDLERS

FRESH = os.environ.get("FRESH_ACCOUNT")
NAMES = {"autoscaling.amazonaws.com": "AWSServiceRoleForAutoScaling", "elasticloadbalancing.amazonaws.com": "AWSServiceRoleForElasticLoadBalancing"}
MADE = {}  # name -> when

make, get = iam._create_service_linked_role, iam._get_role


def made(parameters):
    service = iam._p(parameters, "AWSServiceName")
    name = NAMES[service]
    if name in iam._roles:
        return iam._error(400, "InvalidInput", f"Service role name {name} has been taken in this account, please try a different suffix.", ns="iam")
    answer = make(parameters)
    # MiniStack writes the name in another way.
    there = next(known for known in iam._roles if known.lower() == name.lower())
    record = iam._roles.pop(there)
    iam._roles[name] = {**record, "RoleName": name, "Arn": record["Arn"].replace(there, name)}
    MADE[name] = time.monotonic()
    return (answer[0], answer[1], answer[2].replace(there.encode(), name.encode()) if isinstance(answer[2], bytes) else answer[2].replace(there, name))


def found(parameters):
    seen(iam._p(parameters, "RoleName"))
    return get(parameters)


def seen(name):
    """Whether the other services know a role. In a used account it is made when somebody asks."""
    service = next((service for service, known in NAMES.items() if known == name), None)
    if service and name not in iam._roles and not FRESH:
        made({"AWSServiceName": [service]})
        MADE.pop(name)
    return name in iam._roles and time.monotonic() - MADE.get(name, float("-inf")) >= float(FRESH or 0)


def linked(policy):
    """The service-linked roles that a key's policy names."""
    for statement in policy.get("Statement", []):
        principals = statement["Principal"].get("AWS", []) if isinstance(statement["Principal"], dict) else []
        for arn in [principals] if isinstance(principals, str) else principals:
            if ":role/aws-service-role/" in arn:
                yield arn.rsplit("/", 1)[1]


def judged(properties):
    policy = properties.get("KeyPolicy", {})
    unknown = [name for name in linked(json.loads(policy) if isinstance(policy, str) else policy) if not seen(name)]
    if unknown:
        raise ValueError("Resource handler returned message: \"Policy contains a statement with one or more invalid principals. (Service: Kms, Status Code: 400)\"")


def install():
    iam._IAM_HANDLERS.update(CreateServiceLinkedRole=made, GetRole=found)
    handler = HANDLERS["AWS::KMS::Key"]
    create, update = handler["create"], handler["update"]
    told = handler.get("update_with_logical_id")

    def created(logical_id, properties, stack):
        judged(properties)
        return create(logical_id, properties, stack)

    def updated(physical_id, old, new, stack, logical_id=None):
        judged(new)
        return update(physical_id, old, new, stack, *([logical_id] if told else []))

    handler.update(create=created, update=updated)
