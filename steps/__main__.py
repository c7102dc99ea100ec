"""``python -m steps NAME``: one operation, with its arguments in the environment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final

from cluster.client import Cluster
from cluster.errors import OperationError
from model.expectation import Expectation
from model.owner import Owner
from steps import (
    bare_pods,
    definitions,
    identity,
    injection,
    injector,
    mesh,
    revocation,
    runtime,
    services,
    sweep,
    teardown,
)
from verification import verify

Environment = Mapping[str, str]

# Set by the command provider when an operation has run before.
PREVIOUS = "PULUMI_COMMAND_STDOUT"
NOTE_CLUSTER: Final = "note-cluster"


def _owner(env: Environment) -> Owner:
    return Owner(stack=env["OPERATION_STACK"])


def _is_kept(env: Environment) -> bool:
    return bool(json.loads(env.get("OPERATION_KEEP", "false")))


def _note_cluster(cluster: Cluster, env: Environment) -> str:
    return identity.note(cluster, env.get(PREVIOUS))


def _sweep(cluster: Cluster, env: Environment) -> str:
    if not env.get(PREVIOUS):
        raise OperationError(f"{PREVIOUS} is not set: without the note of the stack's cluster, nothing is removed")
    identity.check(cluster, str(json.loads(env[PREVIOUS])["cluster"]))
    if not _is_kept(env):
        sweep.sweep(cluster, _owner(env))
    return ""


def _runtime(env: Environment) -> runtime.RuntimeObjects:
    return runtime.RuntimeObjects.from_json(env["OPERATION_NAMESPACE"], env["OPERATION_RUNTIME"])


def _record_runtime(cluster: Cluster, env: Environment) -> str:
    return runtime.record(cluster, _runtime(env), _owner(env), env.get(PREVIOUS))


def _remove_runtime(cluster: Cluster, env: Environment) -> str:
    if not env.get(PREVIOUS):
        raise OperationError(f"{PREVIOUS} is not set: without the record of what was there before, nothing is removed")
    if not _is_kept(env):
        runtime.remove(cluster, _runtime(env), _owner(env), env[PREVIOUS])
    return ""


def _withdraw_webhooks(cluster: Cluster, env: Environment) -> str:
    if not _is_kept(env):
        runtime.withdraw_webhooks(cluster, json.loads(env["OPERATION_WEBHOOKS"]), _owner(env))
    return ""


def _note_definitions(cluster: Cluster, env: Environment) -> str:
    wanted: list[str] = json.loads(env["OPERATION_DEFINITIONS"])
    before: list[str] = json.loads(env.get(PREVIOUS) or "[]")
    # What another release lacks is deleted at the end of this update.
    if gone := [name for name in before if name not in wanted]:
        definitions.check_unused(cluster, gone, own_namespace=env["OPERATION_NAMESPACE"], owner=_owner(env))
    return env["OPERATION_DEFINITIONS"]


def _check_definitions(cluster: Cluster, env: Environment) -> str:
    if not _is_kept(env):
        definitions.check_unused(
            cluster,
            json.loads(env["OPERATION_DEFINITIONS"]),
            own_namespace=env["OPERATION_NAMESPACE"],
            owner=_owner(env),
        )
    return ""


def _note_teardown(cluster: Cluster, env: Environment) -> str:
    del cluster
    return env["OPERATION_TEARDOWN"]


def _check_teardown(cluster: Cluster, env: Environment) -> str:
    if not _is_kept(env):
        teardown.check(cluster, teardown.Stack.from_json(_owner(env), env["OPERATION_TEARDOWN"]))
    return ""


def _pause_injector(cluster: Cluster, env: Environment) -> str:
    return injector.pause(
        cluster,
        namespace=env["OPERATION_NAMESPACE"],
        release=env["OPERATION_RELEASE"],
        previous=env.get(PREVIOUS),
    )


def _await_injector(cluster: Cluster, env: Environment) -> str:
    return injector.await_injector(cluster, namespace=env["OPERATION_NAMESPACE"], seconds=int(env["OPERATION_SECONDS"]))


def _await_injection(cluster: Cluster, env: Environment) -> str:
    return injection.await_injection(
        cluster,
        images=json.loads(env["OPERATION_IMAGES"]),
        sidecars=json.loads(env["OPERATION_SIDECARS"]),
        pull_secret=env["OPERATION_PULL_SECRET"],
        owner=_owner(env),
        seconds=int(env["OPERATION_SECONDS"]),
    )


def _look_up_services(cluster: Cluster, env: Environment) -> str:
    return services.look_up(cluster, json.loads(env["OPERATION_SERVICES"]))


def _await_mesh(cluster: Cluster, env: Environment) -> str:
    return mesh.await_mesh(
        cluster,
        namespace=env["OPERATION_NAMESPACE"],
        mesh_config=env["OPERATION_MESH_CONFIG"],
        crds=json.loads(env["OPERATION_CRDS"]),
        webhooks=json.loads(env["OPERATION_WEBHOOKS"]),
        owner=_owner(env),
        record=env["OPERATION_RECORD"],
        seconds=int(env["OPERATION_SECONDS"]),
    )


def _withdraw_policies(cluster: Cluster, env: Environment) -> str:
    return mesh.withdraw_policies(
        cluster,
        namespaces=json.loads(env["OPERATION_NAMESPACES"]),
        owner=_owner(env),
        declared=json.loads(env["OPERATION_DECLARED"]),
    )


def _revoke_calls(cluster: Cluster, env: Environment) -> str:
    return revocation.revoke(
        cluster,
        calls=json.loads(env["OPERATION_CALLS"]),
        apps=json.loads(env["OPERATION_APPS"]),
        previous=env.get(PREVIOUS),
    )


def _verify_up(cluster: Cluster, env: Environment) -> str:
    bare_pods.replace(cluster, Expectation.from_json(env["OPERATION_EXPECTATION"]))
    return _verify(cluster, env)


def _verify(cluster: Cluster, env: Environment) -> str:
    # A Command hands it over in its environment, a person by `pulumi stack output expectation | ...`.
    text = env.get("OPERATION_EXPECTATION") or sys.stdin.read()
    try:
        expectation = Expectation.from_json(text)
    except (ValueError, KeyError, TypeError) as error:
        raise OperationError(
            "there is nothing to verify: standard input must be the stack's output `expectation`. "
            "Run: pulumi stack output expectation | .venv/bin/python -m steps verify"
        ) from error
    return json.dumps(verify.verify(cluster, expectation))


OPERATIONS: Final[Mapping[str, Callable[[Cluster, Environment], str]]] = {
    NOTE_CLUSTER: _note_cluster,
    "sweep": _sweep,
    "record-runtime": _record_runtime,
    "remove-runtime": _remove_runtime,
    "withdraw-webhooks": _withdraw_webhooks,
    "note-definitions": _note_definitions,
    "check-definitions": _check_definitions,
    "pause-injector": _pause_injector,
    "await-injector": _await_injector,
    "await-injection": _await_injection,
    "look-up-services": _look_up_services,
    "await-mesh": _await_mesh,
    "withdraw-policies": _withdraw_policies,
    "revoke-calls": _revoke_calls,
    "verify": _verify,
    "verify-up": _verify_up,
    "note-teardown": _note_teardown,
    "check-teardown": _check_teardown,
}


def main(arguments: list[str]) -> int:
    """Run one operation; its exit code."""
    if len(arguments) != 1 or arguments[0] not in OPERATIONS:
        print(f"usage: python -m steps {{{','.join(OPERATIONS)}}}", file=sys.stderr)
        return 2
    try:
        cluster = Cluster.connect(os.environ.get("OPERATION_CONTEXT") or None)
        expected = os.environ.get("OPERATION_CLUSTER")
        if expected and arguments[0] != NOTE_CLUSTER:
            identity.check(cluster, expected)
        result = OPERATIONS[arguments[0]](cluster, os.environ)
    except OperationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if result:
        print(result)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
