"""Drift-aware change sets (`DeploymentMode: REVERT_DRIFT`), which MiniStack lacks: what drift detection finds is part of the
change set, and carrying it out brings the live resource back to what was applied
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html). As at AWS, it reaches only what
drift detection can read."""

import copy

from ministack.core.responses import now_iso
from ministack.services.cloudformation import _stacks, drift, handlers
from ministack.services.cloudformation.changesets import _find_change_set
from ministack.services.cloudformation.helpers import _p

ACTIONS = handlers._ACTION_HANDLERS
plain_create = ACTIONS["CreateChangeSet"]
plain_execute = ACTIONS["ExecuteChangeSet"]


def drifted(stack):
    for logical_id, record in stack.get("_resources", {}).items():
        if record.get("ResourceType") not in drift._DRIFT_READERS:
            continue
        found = drift.detect_resource_drift(stack, logical_id, record, now_iso())
        if found["StackResourceDriftStatus"] == "MODIFIED":
            yield logical_id, record, found["PropertyDifferences"]


def create(params):
    answer = plain_create(params)
    if _p(params, "DeploymentMode") != "REVERT_DRIFT" or answer[0] >= 400:
        return answer
    stack = _stacks.get(_p(params, "StackName"))
    _, change_set = _find_change_set(_p(params, "ChangeSetName"), _p(params, "StackName"))
    known = {change["ResourceChange"]["LogicalResourceId"] for change in change_set["Changes"]}
    reverted = {}
    for logical_id, record, differences in drifted(stack):
        reverted[logical_id] = sorted({difference["PropertyPath"].split("/")[1] for difference in differences})
        if logical_id in known:
            continue
        details = [{"Target": {"Attribute": "Properties", "Name": name, "RequiresRecreation": "Never"}, "Evaluation": "Static"} for name in reverted[logical_id]]
        change = {"Action": "Modify", "LogicalResourceId": logical_id, "PhysicalResourceId": record["PhysicalResourceId"]}
        change_set["Changes"].append({"Type": "Resource", "ResourceChange": {**change, "ResourceType": record["ResourceType"], "Replacement": "False", "Scope": ["Properties"], "Details": details}})
    if reverted:
        change_set.update(Status="CREATE_COMPLETE", ExecutionStatus="AVAILABLE", StatusReason="", _reverted=reverted)
    return answer


def execute(params):
    _, change_set = _find_change_set(_p(params, "ChangeSetName"), _p(params, "StackName"))
    for logical_id, names in (change_set or {}).get("_reverted", {}).items():
        # The engine updates from what it believes to be there: now that is what is really there.
        record = _stacks[change_set["StackName"]]["_resources"][logical_id]
        reader, _ = drift._DRIFT_READERS[record["ResourceType"]]
        actual = reader(record["PhysicalResourceId"], record["Properties"]) or {}
        record["Properties"] = copy.deepcopy(record["Properties"])
        for name in names:
            if name in actual:
                record["Properties"][name] = actual[name]
            else:
                record["Properties"].pop(name, None)
    return plain_execute(params)


def install():
    ACTIONS.update(CreateChangeSet=create, ExecuteChangeSet=execute)
