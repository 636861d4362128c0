"""Faults by logical id: a resource that fails, or that takes its time.

FAULTS names a JSON file: {"Nat": {"operation": "create", "reason": "limit exceeded", "times": 1, "seconds": 0.5}}. Without a
reason a resource only takes its time; "after" lets some operations pass first; "*" speaks for all that are not named.
"""

import json
import os
import threading
import time

from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as HANDLERS

PATH = os.environ.get("FAULTS", "")
LOCK = threading.Lock()


def meet(operation, logical_id):
    with LOCK:
        try:
            with open(PATH, encoding="utf-8") as file:
                faults = json.load(file)
        except (OSError, ValueError):
            return
        fault = faults.get(logical_id or "", faults.get("*"))
        if not fault or fault.get("operation", operation) != operation or fault.get("times", 1) < 1:
            return
        if "times" in fault:
            passes = fault.get("after", 0) > 0
            fault["after" if passes else "times"] -= 1
            with open(PATH + ".new", "w", encoding="utf-8") as file:
                json.dump(faults, file)
            os.replace(PATH + ".new", PATH)
            if passes:
                return
    time.sleep(fault.get("seconds", 0))
    if reason := fault.get("reason"):
        raise ValueError(reason)


def wrap(handler):
    create, update, delete = (handler.get(name) for name in ("create", "update", "delete"))
    update_is_told = handler.get("update_with_logical_id")
    delete_is_told = handler.get("delete_with_logical_id")

    def faulty_create(logical_id, properties, stack):
        meet("create", logical_id)
        return create(logical_id, properties, stack)

    def faulty_update(physical_id, old, new, stack, logical_id=None):
        meet("update", logical_id)
        return update(physical_id, old, new, stack, *([logical_id] if update_is_told else []))

    def faulty_delete(physical_id, properties, logical_id=None):
        meet("delete", logical_id)
        return delete(physical_id, properties, *([logical_id] if delete_is_told else []))

    handler["create"] = faulty_create
    if update:
        handler.update(update=faulty_update, update_with_logical_id=True)
    if delete:
        handler.update(delete=faulty_delete, delete_with_logical_id=True)


def install():
    for handler in HANDLERS.values():
        wrap(handler)
