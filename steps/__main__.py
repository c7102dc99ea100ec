"""``python -m steps NAME``: one operation, with its arguments on standard input."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from cluster.client import Cluster
from cluster.errors import OperationError
from model.arguments import (
    AllowedCalls,
    Arguments,
    ArgumentsError,
    ClusterNote,
    ControlPlaneWait,
    DeclaredPolicies,
    Definitions,
    InjectionWait,
    InjectorPause,
    RuntimeObjects,
    ServicesWanted,
    Teardown,
    WorkloadsWait,
)
from model.expectation import Expectation
from model.owner import Owner
from steps import (
    bare_pods,
    definitions,
    identity,
    injection,
    injector,
    leftovers,
    mesh,
    revocation,
    runtime,
    services,
    sweep,
    teardown,
    workloads,
)
from verification import verify

# Set by the command provider when an operation has run before.
PREVIOUS: Final = "PULUMI_COMMAND_STDOUT"
NOTE_CLUSTER: Final = "note-cluster"
VERIFY: Final = "verify"

A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True, kw_only=True)
class Here:
    """Where an operation runs.

    Attributes:
        cluster: The stack's cluster.
        owner: The stack.
        previous: What the operation printed last, or None where it has not run before.
    """

    cluster: Cluster
    owner: Owner
    previous: str | None

    def printed_before(self, what: str) -> str:
        """What was printed last.

        Raises:
            OperationError: Nothing was.
        """
        if not self.previous:
            raise OperationError(f"{PREVIOUS} is not set: without the {what}, nothing is removed")
        return self.previous


@dataclass(frozen=True, kw_only=True)
class Operation(Generic[A]):
    """One operation.

    Attributes:
        arguments: What stands on its standard input.
        run: What it does; it returns what is printed.
    """

    arguments: type[A]
    run: Callable[[Here, A], str]


def _note_cluster(here: Here, given: ClusterNote) -> str:
    del given
    return identity.note(here.cluster, here.previous)


def _sweep(here: Here, given: ClusterNote) -> str:
    identity.check(here.cluster, str(json.loads(here.printed_before("note of the stack's cluster"))["cluster"]))
    if not given.keep:
        sweep.sweep(here.cluster, here.owner)
    return ""


def _record_runtime(here: Here, given: RuntimeObjects) -> str:
    return runtime.record(here.cluster, given, here.owner, here.previous)


def _remove_runtime(here: Here, given: RuntimeObjects) -> str:
    recorded = here.printed_before("record of what was there before")
    if not given.keep:
        runtime.remove(here.cluster, given, here.owner, recorded)
    return ""


def _withdraw_webhooks(here: Here, given: ControlPlaneWait) -> str:
    if not given.keep:
        runtime.withdraw_webhooks(here.cluster, given.webhooks, here.owner)
    return ""


def _note_definitions(here: Here, given: Definitions) -> str:
    before: list[str] = json.loads(here.previous or "[]")
    # What another release lacks is deleted at the end of this update.
    if gone := [name for name in before if name not in given.definitions]:
        definitions.check_unused(here.cluster, gone, own_namespace=given.namespace, owner=here.owner)
    return json.dumps(given.definitions)


def _check_definitions(here: Here, given: Definitions) -> str:
    if not given.keep:
        definitions.check_unused(here.cluster, given.definitions, own_namespace=given.namespace, owner=here.owner)
    return ""


def _note_teardown(here: Here, given: Teardown) -> str:
    del here
    return given.to_json()


def _check_teardown(here: Here, given: Teardown) -> str:
    teardown.check(here.cluster, given, here.owner)
    if not given.keep:
        runtime.withdraw_unanswered(here.cluster, here.owner)
    return ""


def _pause_injector(here: Here, given: InjectorPause) -> str:
    return injector.pause(here.cluster, namespace=given.namespace, release=given.release, previous=here.previous)


def _await_injector(here: Here, given: ControlPlaneWait) -> str:
    return injector.await_injector(here.cluster, namespace=given.namespace, seconds=given.seconds)


def _await_injection(here: Here, given: InjectionWait) -> str:
    return injection.await_injection(
        here.cluster,
        images=given.images,
        sidecars=given.sidecars,
        pull_secret=given.pull_secret,
        owner=here.owner,
        seconds=given.seconds,
        served_by=given.served_by,
    )


def _await_workloads(here: Here, given: WorkloadsWait) -> str:
    return workloads.await_workloads(here.cluster, here.owner, given.workloads, given.served_by, seconds=given.seconds)


def _await_apps(here: Here, given: WorkloadsWait) -> str:
    ready = _await_workloads(here, given)
    leftovers.remove_unused_secrets(here.cluster, here.owner, [namespace for _, namespace, _ in given.workloads])
    return ready


def _look_up_services(here: Here, given: ServicesWanted) -> str:
    return services.look_up(here.cluster, given.services)


def _await_mesh(here: Here, given: ControlPlaneWait) -> str:
    if given.mesh is None:
        raise OperationError("`mesh` is missing: await-mesh waits for what OSM makes by itself")
    return mesh.await_mesh(
        here.cluster,
        namespace=given.namespace,
        mesh_config=given.mesh.mesh_config,
        crds=given.mesh.crds,
        webhooks=given.webhooks,
        owner=here.owner,
        record=given.mesh.record,
        seconds=given.seconds,
    )


def _withdraw_policies(here: Here, given: DeclaredPolicies) -> str:
    return mesh.withdraw_policies(here.cluster, namespaces=given.namespaces, owner=here.owner, declared=given.declared)


def _revoke_calls(here: Here, given: AllowedCalls) -> str:
    return revocation.revoke(
        here.cluster,
        calls=[(call.source, call.destination) for call in given.calls],
        apps=given.apps,
        previous=here.previous,
    )


def _verify_up(here: Here, given: Expectation) -> str:
    bare_pods.replace(here.cluster, given)
    return _verify(here, given)


def _verify(here: Here, given: Expectation) -> str:
    return json.dumps(verify.verify(here.cluster, given))


OPERATIONS: Final[Mapping[str, Operation[Any]]] = {
    NOTE_CLUSTER: Operation(arguments=ClusterNote, run=_note_cluster),
    "sweep": Operation(arguments=ClusterNote, run=_sweep),
    "record-runtime": Operation(arguments=RuntimeObjects, run=_record_runtime),
    "remove-runtime": Operation(arguments=RuntimeObjects, run=_remove_runtime),
    "withdraw-webhooks": Operation(arguments=ControlPlaneWait, run=_withdraw_webhooks),
    "note-definitions": Operation(arguments=Definitions, run=_note_definitions),
    "check-definitions": Operation(arguments=Definitions, run=_check_definitions),
    "pause-injector": Operation(arguments=InjectorPause, run=_pause_injector),
    "await-injector": Operation(arguments=ControlPlaneWait, run=_await_injector),
    "await-injection": Operation(arguments=InjectionWait, run=_await_injection),
    "await-workloads": Operation(arguments=WorkloadsWait, run=_await_workloads),
    "await-apps": Operation(arguments=WorkloadsWait, run=_await_apps),
    "look-up-services": Operation(arguments=ServicesWanted, run=_look_up_services),
    "await-mesh": Operation(arguments=ControlPlaneWait, run=_await_mesh),
    "withdraw-policies": Operation(arguments=DeclaredPolicies, run=_withdraw_policies),
    "revoke-calls": Operation(arguments=AllowedCalls, run=_revoke_calls),
    VERIFY: Operation(arguments=Expectation, run=_verify),
    "verify-up": Operation(arguments=Expectation, run=_verify_up),
    "note-teardown": Operation(arguments=Teardown, run=_note_teardown),
    "check-teardown": Operation(arguments=Teardown, run=_check_teardown),
}


def _arguments(name: str, text: str) -> Arguments:
    """What stands on standard input.

    Raises:
        OperationError: It is nothing of this operation's.
    """
    try:
        found: Arguments = OPERATIONS[name].arguments.from_json(text)
    except ArgumentsError as error:
        if name == VERIFY:
            raise OperationError(
                f"there is nothing to verify: standard input must be the stack's output `expectation` ({error}). "
                "Run: pulumi stack output expectation | .venv/bin/python -m steps verify"
            ) from error
        raise OperationError(
            f"the arguments of {name} can't be read ({error}): they are those of another version of this program. "
            "Nothing was touched. Run `pulumi up` with this version once, then this again."
        ) from error
    return found


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
        here = Here(
            cluster=cluster,
            owner=Owner(stack=os.environ.get("OPERATION_STACK", "")),
            previous=os.environ.get(PREVIOUS),
        )
        result = OPERATIONS[arguments[0]].run(here, _arguments(arguments[0], sys.stdin.read()))
    except OperationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if result:
        print(result)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
