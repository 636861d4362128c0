"""Makes crates/plan/data/replacement.json from the CloudFormation schemas that cfn-lint ships.

Usage: python replacement_table.py TEMPLATE_DIR > replacement.json
TEMPLATE_DIR holds the stack templates: their `Type:` lines say which types are wanted. `cargo xtask replacement-table`
runs this inside the pinned environment.
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


def main(folder):
    wanted = set()
    for file in pathlib.Path(folder).glob("*.yaml"):
        wanted.update(re.findall(r"^\s+Type: (AWS::\w+::\w+)$", file.read_text(), re.M))
    schemas = pathlib.Path(cfnlint.__file__).parent / "data" / "schemas"
    index = json.loads((schemas / "providers" / f"{REGION}.json").read_text())
    types = {}
    for kind in sorted(wanted):
        schema = json.loads((schemas / "resources" / f"{index[kind]}.json").read_text())
        types[kind] = {"always": paths(schema, "createOnlyProperties"), "perhaps": paths(schema, "conditionalCreateOnlyProperties")}
    # The schema lists none, but EC2 cannot move a volume between zones or encrypt one in place
    # (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-volume.html).
    types["AWS::EC2::Volume"]["always"] = ["AvailabilityZone", "Encrypted", "KmsKeyId", "SnapshotId"]
    source = f"cfn-lint {importlib.metadata.version('cfn-lint')} provider schemas, {REGION}"
    json.dump({"source": source, "types": types}, sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


main(sys.argv[1])
