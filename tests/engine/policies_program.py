"""The program of the policies' engine tests: it declares the objects that `objects.json` beside it lists.

It is copied into a temporary project, never run from here. Each entry is a resource's name with its `token`, its
`props`, `secret` (names of properties that are secret to Pulumi), and `unknown`: whether a preview does not know its
spec. The provider writes the objects to a folder.
"""

import functools
import json
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s

here = Path(__file__).parent
provider = k8s.Provider("folder", render_yaml_to_directory=str(here / "rendered"))
made: pulumi.CustomResource = provider
for name, entry in json.loads((here / "objects.json").read_text()).items():
    secret = entry.get("secret", [])
    if entry.get("unknown"):
        # The id of the one before is not known before that is there.
        entry["props"]["spec"] = made.id.apply(functools.partial(lambda spec, _: spec, entry["props"]["spec"]))
    props = {key: pulumi.Output.secret(value) if key in secret else value for key, value in entry["props"].items()}
    made = pulumi.CustomResource(
        entry["token"], name, props, pulumi.ResourceOptions(provider=provider, version="4.25.0")
    )
