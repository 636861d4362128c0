"""MiniStack, an emulator of AWS with a real CloudFormation engine, and what it lacks for these tests.

    python tests/testbed/emulator        BIND_HOST and GATEWAY_PORT say where it listens

REQUEST_LOG names a file that takes a line a request, as AWS would bill it: `service Action`. FAULTS names a JSON file that
says which resources fail or take their time (faults.py). It is read at every step, so that a test can change it. BROUGHT names an
incline.lock whose files and images somebody brings (brought.py).
"""

import os
import sys

import ministack.app
import ministack.services.ecr as ecr
import ministack.services.iam as iam
import ministack.services.s3 as s3
import ministack.services.secretsmanager as secretsmanager
from ministack.services.cloudformation import drift, provisioners, stacks

for module, names in (
    (provisioners, ("_RESOURCE_HANDLERS", "_REPLACING_PROPERTIES")),
    (drift, ("_DRIFT_READERS",)),
    (stacks, ("_runs_on_worker_thread",)),
    (secretsmanager, ("_store_new_secret", "_secrets")),
    (iam, ("_IAM_HANDLERS", "_roles", "_create_service_linked_role", "_get_role", "_error", "_p")),
    (s3, ("_head_object", "_put_object", "_buckets")),
    (ecr, ("_describe_images", "_put_image", "_find_image", "_repositories", "_images")),
):
    missing = [name for name in names if not hasattr(module, name)]
    if missing:
        sys.exit(f"this MiniStack has no {module.__name__}.{missing[0]}: pin the version that tests/testbed/aws.txt names")

import answers  # noqa: E402
import balancers  # noqa: E402
import brought  # noqa: E402
import faults  # noqa: E402
import linked_roles  # noqa: E402
import machines  # noqa: E402
import readers  # noqa: E402
import requests_seen  # noqa: E402
import resources  # noqa: E402
import revert  # noqa: E402

resources.install()
balancers.install()
machines.install()
readers.install()
answers.install()
brought.install()
revert.install()
linked_roles.install()
faults.install()
# Otherwise handlers run in the event loop: a delay would freeze the server, and nobody would see *_IN_PROGRESS.
stacks._runs_on_worker_thread = lambda kind: True

# A secret that is created without a value has no version at AWS, and GetSecretValue answers ResourceNotFoundException
# (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html). MiniStack makes an empty one.
store = secretsmanager._store_new_secret


def store_as_aws_does(name, **values):
    arn, version = store(name, **values)
    if values.get("secret_string") is None and values.get("secret_binary") is None:
        secretsmanager._secrets[name]["Versions"].clear()
    return arn, version


secretsmanager._store_new_secret = store_as_aws_does

if log := os.environ.get("REQUEST_LOG"):
    requests_seen.install(log)
sys.argv = ["ministack"]
ministack.app.main()
