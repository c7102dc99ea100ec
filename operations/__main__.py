"""``python -m operations NAME``: one operation, with its arguments in the environment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final

from model.expectation import Expectation
from operations import chart_crds, cluster_wide, injector, mesh, revocation, services, verify
from operations.cluster import Cluster
from operations.errors import OperationError

Environment = Mapping[str, str]

# Set by the command provider when an operation has run before.
PREVIOUS = "PULUMI_COMMAND_STDOUT"


def _record_cluster_wide(cluster: Cluster, env: Environment) -> str:
    return cluster_wide.record(cluster, cluster_wide.ClusterWide.from_environment(env), env.get(PREVIOUS))


def _remove_cluster_wide(cluster: Cluster, env: Environment) -> str:
    if not env.get(PREVIOUS):
        raise OperationError(f"{PREVIOUS} is not set: without the record of what was there before, nothing is removed")
    cluster_wide.remove(cluster, cluster_wide.ClusterWide.from_environment(env), env[PREVIOUS])
    return ""


def _update_crds(cluster: Cluster, env: Environment) -> str:
    chart = chart_crds.ChartSource(
        source=env["OPERATION_CHART"], name=env["OPERATION_CHART_NAME"], version=env["OPERATION_CHART_VERSION"]
    )
    return chart_crds.update(cluster, chart, env["OPERATION_RECORD"], env.get(PREVIOUS))


def _await_injector(cluster: Cluster, env: Environment) -> str:
    return injector.await_injector(cluster, namespace=env["OPERATION_NAMESPACE"])


def _look_up_services(cluster: Cluster, env: Environment) -> str:
    return services.look_up(cluster, json.loads(env["OPERATION_SERVICES"]))


def _await_mesh(cluster: Cluster, env: Environment) -> str:
    return mesh.await_mesh(
        cluster,
        namespace=env["OPERATION_NAMESPACE"],
        mesh_config=env["OPERATION_MESH_CONFIG"],
        crds=json.loads(env["OPERATION_CRDS"]),
        webhooks=json.loads(env["OPERATION_WEBHOOKS"]),
    )


def _withdraw_policies(cluster: Cluster, env: Environment) -> str:
    return mesh.withdraw_policies(
        cluster,
        namespaces=json.loads(env["OPERATION_NAMESPACES"]),
        declared=json.loads(env["OPERATION_DECLARED"]),
    )


def _revoke_calls(cluster: Cluster, env: Environment) -> str:
    return revocation.revoke(
        cluster,
        calls=json.loads(env["OPERATION_CALLS"]),
        apps=json.loads(env["OPERATION_APPS"]),
        previous=env.get(PREVIOUS),
    )


def _verify(cluster: Cluster, env: Environment) -> str:
    # A Command hands it over in its environment, a person by `pulumi stack output expectation | ...`.
    text = env.get("OPERATION_EXPECTATION") or sys.stdin.read()
    try:
        expectation = Expectation.from_json(text)
    except (ValueError, KeyError, TypeError) as error:
        raise OperationError(
            "there is nothing to verify: standard input must be the stack's output `expectation`. "
            "Run: pulumi stack output expectation | .venv/bin/python -m operations verify"
        ) from error
    return json.dumps(verify.verify(cluster, expectation))


OPERATIONS: Final[Mapping[str, Callable[[Cluster, Environment], str]]] = {
    "record-cluster-wide": _record_cluster_wide,
    "remove-cluster-wide": _remove_cluster_wide,
    "update-crds": _update_crds,
    "await-injector": _await_injector,
    "look-up-services": _look_up_services,
    "await-mesh": _await_mesh,
    "withdraw-policies": _withdraw_policies,
    "revoke-calls": _revoke_calls,
    "verify": _verify,
}


def main(arguments: list[str]) -> int:
    """Run one operation; its exit code."""
    if len(arguments) != 1 or arguments[0] not in OPERATIONS:
        print(f"usage: python -m operations {{{','.join(OPERATIONS)}}}", file=sys.stderr)
        return 2
    try:
        result = OPERATIONS[arguments[0]](Cluster.connect(), os.environ)
    except OperationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if result:
        print(result)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
