"""Makes the tables that incline has from the CloudFormation schemas that cfn-lint ships.

Usage: python schema_tables.py replacement|permissions TEMPLATE_DIR > TABLE.json
TEMPLATE_DIR holds the stack templates: their `Type:` lines say which types are wanted. `cargo xtask schema-tables` runs this
inside the pinned environment, for crates/plan/data/replacement.json and crates/aws/data/permissions.json.
"""

import importlib.metadata
import json
import pathlib
import re
import sys

import cfnlint

REGION = "us-east-1"


def paths(schema, key):
    """The schema's property paths under `key`, without the leading /properties/."""
    found = {entry.removeprefix("/properties/").replace("/items/properties/", "/*/").replace("/properties/", "/") for entry in schema.get(key, [])}
    return sorted(found)


def replacement(types):
    table = {
        kind: {"always": paths(schema, "createOnlyProperties"), "perhaps": paths(schema, "conditionalCreateOnlyProperties")}
        for kind, schema in types.items()
    }
    # The schema lists none, but EC2 cannot move a volume between zones or encrypt one in place
    # (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-volume.html).
    table["AWS::EC2::Volume"]["always"] = ["AvailabilityZone", "Encrypted", "KmsKeyId", "SnapshotId"]
    return table


# Services that schemas name for properties that no template of incline has: fleets, service networks, tables of metadata,
# delivery streams, trails of an organisation, images by parameter.
NOT_USED = ("firehose", "managed-fleets", "organizations", "s3tables", "ssm", "vpc-lattice", "vpce")


def permissions(types):
    """What CloudFormation asks of the caller's rights: to read a resource, and to make, change and delete it. What is no action
    of IAM's is left out, and so are all of a service's Get actions at once."""
    known = actions_of_iam()

    def normal(actions):
        pairs = {(service.lower(), action) for service, action in (a.split(":") for a in actions)}
        is_known = lambda service, action: action.lower() in known[service] or action in ("Describe*", "List*")  # noqa: E731
        return sorted(f"{service}:{action}" for service, action in pairs if service not in NOT_USED and is_known(service, action))

    table = {}
    for kind, schema in types.items():
        handlers = {name: set(handler.get("permissions", [])) for name, handler in schema.get("handlers", {}).items()}
        read = handlers.get("read", set())
        write = set().union(*(handlers.get(name, set()) for name in ("create", "update", "delete"))) - read
        table[kind] = {"read": normal(read), "write": normal(write)}
    return table


def actions_of_iam():
    """By service, IAM's actions, in small letters, each with the kinds of resources that it can be narrowed to; cfn-lint has
    them from AWS's Service Authorization Reference."""
    file = pathlib.Path(cfnlint.__file__).parent / "data" / "AdditionalSpecs" / "Policies.json"
    services = json.loads(file.read_text())
    return {name: {action: told.get("Resources", []) for action, told in service["Actions"].items()} for name, service in services.items()}


def anywhere(table):
    """By service of the table, the actions that IAM narrows to no resource: their statements must name `*`."""
    services = {action.split(":")[0] for asked in table.values() for actions in asked.values() for action in actions}
    known = actions_of_iam()
    return {service: sorted(action for action, resources in known[service].items() if not resources) for service in sorted(services)}


def main(table, folder):
    wanted = set()
    for file in pathlib.Path(folder).glob("*.yaml"):
        wanted.update(re.findall(r"^\s+Type: (AWS::\w+::\w+)$", file.read_text(), re.M))
    schemas = pathlib.Path(cfnlint.__file__).parent / "data" / "schemas"
    index = json.loads((schemas / "providers" / f"{REGION}.json").read_text())
    types = {kind: json.loads((schemas / "resources" / f"{index[kind]}.json").read_text()) for kind in sorted(wanted)}
    source = f"cfn-lint {importlib.metadata.version('cfn-lint')} provider schemas, {REGION}"
    made = {"replacement": replacement, "permissions": permissions}[table](types)
    more = {"anywhere": anywhere(made)} if table == "permissions" else {}
    json.dump({"source": source, "types": made, **more}, sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


main(*sys.argv[1:])
