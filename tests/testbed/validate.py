"""Prints what AWS's cloudformation-validate says against templates, a line a finding; what is only information is left out."""

import sys

from cloudformation_validate import CelEngine

engine = CelEngine()
for file in sys.argv[1:]:
    for finding in engine.validate_template(file).diagnostics:
        if finding.severity.name != "INFO":
            print(f"{file}: {finding.severity.name} {finding.rule_id}: {finding.message}")
