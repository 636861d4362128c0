"""Deploys what `incline render` wrote by the AWS CLI, stack by stack in the order of the stages: what people write by hand.

Usage: python deploy_by_cli.py AWS FOLDER"""

import json
import pathlib
import subprocess
import sys

STAGES = ["keys", "network", "edge", "data", "balancers", "control-plane", "pools"]


def main(aws, folder):
    def run(*arguments):
        done = subprocess.run([aws, *arguments], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    stacks = []
    for path in pathlib.Path(folder).glob("*.json"):
        settings = json.loads(path.read_text())
        stacks.append((STAGES.index(settings["stage"]), path.stem, settings))
    outputs = {}
    for _, name, settings in sorted(stacks, key=lambda stack: stack[:2]):
        parameters = []
        for key, source in settings["parameters"].items():
            value = source.get("value") or outputs[source["output"]["stack"]][source["output"]["output"]]
            parameters.append(f"{key}={value}")
        tags = [f"{key}={value}" for key, value in settings["tags"].items()]
        template = str(pathlib.Path(folder) / f"{name}.yaml")
        command = ["cloudformation", "deploy", "--stack-name", name, "--template-file", template, "--capabilities", "CAPABILITY_NAMED_IAM"]
        run(*command, *(["--parameter-overrides", *parameters] if parameters else []), "--tags", *tags)
        told = json.loads(run("cloudformation", "describe-stacks", "--stack-name", name, "--output", "json"))
        outputs[name] = {output["OutputKey"]: output["OutputValue"] for output in told["Stacks"][0].get("Outputs", [])}
    print("all stacks are there")


main(*sys.argv[1:])
