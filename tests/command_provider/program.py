"""The Pulumi program of the engine tests: it declares the Commands that `commands.json` beside it lists.

It is copied into a temporary project, never run from here. The file is data, so that a test states what it wants in
its own words and changes it between two runs. Each entry of the file maps a resource's name to:

- `args`: the arguments of `local.Command`, by their Python names;
- `secret_environment`: variables whose values are secrets;
- `options`: arguments of `pulumi.ResourceOptions`.
"""

import json
from pathlib import Path

import pulumi
from pulumi_command import local

for name, entry in json.loads(Path(__file__).with_name("commands.json").read_text(encoding="utf-8")).items():
    arguments = dict(entry.get("args", {}))
    secrets = entry.get("secret_environment", {})
    if secrets:
        arguments["environment"] = {key: pulumi.Output.secret(value) for key, value in secrets.items()}
    local.Command(name, **arguments, opts=pulumi.ResourceOptions(**entry.get("options", {})))
