"""A ready manifest of all that a deployer needs, made from the table: ``deploy/deployer.yaml``.

It serves every release of Dapr in the table, every stage and the whole verification, by the names that a stack begins
with. What both charts make and grant stands in ``deploy/charts.json``, since a manifest is written without a cluster.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from model import inventory, policies
from model.apps import walkthrough
from model.names import Namespaces
from model.stage import Stage
from model.verify_level import VerifyLevel
from model.versions import DAPR_RELEASES
from preflight.needs import RBAC, Made, Plan, Right, needed

ROOT: Final = Path(__file__).parents[1]
FILE: Final = "deploy/deployer.yaml"
CHARTS: Final = ROOT / "deploy" / "charts.json"
NAME: Final = "dapr-osm-deployer"
# A release that needs all that any of them needs: Services of its apps' sidecars, volumes, a root key of the old kind.
RELEASE: Final = DAPR_RELEASES["1.16.0"]
VERBS: Final = ("get", "list", "watch", "create", "update", "patch", "delete")

HEAD: Final = f"""\
# What whoever deploys this stack must be allowed to do. Written by `make rights` from preflight/needs.py; each rule
# says what the ones above it don't.
#
# Put the deployer into the ClusterRoleBinding at the end, then: kubectl apply -f {FILE}
#
# It is much, since Kubernetes lets nobody grant what he does not hold himself, and OSM's own ClusterRole reads and
# writes every Secret of the cluster. Treat this user as an administrator of the cluster.
#
# - Where other roles give the user some of it already, leave that out: rights add up.
# - Instead of what a role grants on, in the second part, the verbs `escalate` and `bind` on that role will do.
# - Without pods/portforward: set `dapr-osm:verify` to pods, and give `escalate` and `bind` on ClusterRole osm, which
#   grants it to OSM.
"""


def plan() -> Plan:
    """A stack that needs all that any stack needs."""
    where = Namespaces()
    apps = walkthrough(where.apps, node_image="", python_image="")
    own = tuple(inventory.namespaces(Stage.SMI, where, apps, ()))
    objects = [
        Made.of(item)
        for release in (RELEASE, *DAPR_RELEASES.values())
        for item in inventory.own_objects(
            Stage.SMI,
            where=where,
            apps=apps,
            policies=policies.walkthrough().values(),
            route=release.route,
            existing=(),
            registry_credentials=True,
        )
    ]
    return Plan(
        stage=Stage.SMI,
        where=where,
        apps=(where.apps,),
        own=own,
        release=RELEASE,
        volumes=True,
        verify=VerifyLevel.CALLS,
        read_all_secrets=True,
        objects=[*dict.fromkeys(objects), *map(Made.of_body, json.loads(CHARTS.read_text()))],
    )


def manifest(rights: Iterable[Right]) -> str:
    """A ClusterRole with these rights, each group of them under its reason, and its binding.

    The namespaces are the stack's own and do not exist yet, so the rights are for all of them.
    """
    listed = list(rights)
    used = [right for right in listed if right.granted_by is None]
    granted = [right for right in listed if right.granted_by is not None]
    given: set[tuple[str, str, str]] = set()
    parts = [
        HEAD,
        f"apiVersion: {RBAC}/v1\nkind: ClusterRole\nmetadata:\n  name: {NAME}\nrules:",
        "  # --- First part: what this program and the Kubernetes provider do.",
        *_rules(used, given),
        "  # --- Second part: what the charts' roles and the apps' own grant on.",
        *_rules(granted, given),
        f"---\napiVersion: {RBAC}/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: {NAME}",
        f"roleRef:\n  apiGroup: {RBAC}\n  kind: ClusterRole\n  name: {NAME}",
        f"subjects:\n  - kind: User\n    apiGroup: {RBAC}\n    name: {NAME}",
        f"  # - kind: Group\n  #   apiGroup: {RBAC}\n  #   name: {NAME}",
        f"  # - kind: ServiceAccount\n  #   namespace: default\n  #   name: {NAME}",
    ]
    return "\n".join(parts) + "\n"


def _rules(rights: Sequence[Right], given: set[tuple[str, str, str]]) -> Iterator[str]:
    """The rules, by reason; resources of one group with the same verbs are one rule.

    Args:
        rights: The rights.
        given: What rules above them say of any object: group, resource and verb. What is said here is added.
    """
    whys: dict[str, dict[tuple[str, tuple[str, ...], tuple[str, ...]], dict[str, None]]] = {}
    for right in rights:
        new = {verb for verb in right.verbs if (right.group, right.resource, verb) not in given}
        if not new:
            continue
        rule = whys.setdefault(right.why, {}).setdefault((right.group, right.names, tuple(sorted(new, key=_place))), {})
        rule[right.resource] = None
        if not right.names:
            given.update((right.group, right.resource, verb) for verb in new)
    for why, rules in whys.items():
        yield f"  # {why[0].upper()}{why[1:]}."
        for (group, names, verbs), resources in rules.items():
            yield f"  - apiGroups: [{_quoted(group)}]"
            yield f"    resources: [{', '.join(_quoted(resource) for resource in resources)}]"
            if names:
                yield f"    resourceNames: [{', '.join(names)}]"
            yield f"    verbs: [{', '.join(verbs)}]"


def _place(verb: str) -> tuple[int, str]:
    return (VERBS.index(verb) if verb in VERBS else len(VERBS), verb)


def _quoted(text: str) -> str:
    return f'"{text}"' if text in ("", "*") else text


def main() -> int:
    """Write the manifest; an exit code."""
    (ROOT / FILE).write_text(manifest(needed(plan())))
    return 0
