"""Which cluster the stack is on, and the look before it goes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
from pulumi_command import local

from components.connection import Connection, child
from components.operation import LAUNCHER, PYTHON, operation
from model.arguments import ClusterNote, Teardown
from model.owner import Owner


@dataclass(frozen=True, kw_only=True)
class ClusterIdentityArgs:
    """How the cluster is reached, and by whom.

    Attributes:
        provider: The Kubernetes provider.
        context: The kubeconfig's context, or None for the current one.
        owner: The stack.
        keep_shared: Whether what others use stays when the stack goes.
    """

    provider: k8s.Provider
    context: str | None
    owner: Owner
    keep_shared: bool = False


class ClusterIdentity(pulumi.ComponentResource):
    """Notes the cluster at the first ``up``: the UID of its namespace ``kube-system``. Another one is refused.

    It is the first of all to come and the last to go.

    Attributes:
        connection: The cluster, for all other components.
    """

    connection: Connection

    def __init__(self, name: str, args: ClusterIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Note the cluster."""
        super().__init__("dapr-osm:components:ClusterIdentity", name, None, opts)
        noted = local.Command(
            f"{name}-noted",
            create="note-cluster",
            # It is the last to go: whatever an interrupted run has left goes with it.
            delete="sweep",
            interpreter=[PYTHON, LAUNCHER],
            environment={"OPERATION_CONTEXT": args.context or "", "OPERATION_STACK": args.owner.stack},
            stdin=ClusterNote(keep=args.keep_shared).to_json(),
            logging=local.Logging.STDERR,
            opts=child(self),
        )
        self.connection = Connection(
            provider=args.provider,
            context=args.context,
            cluster=noted.stdout.apply(lambda text: str(json.loads(text)["cluster"])),
            owner=args.owner,
        )
        self.register_outputs({"cluster": noted.stdout})


@dataclass(frozen=True, kw_only=True)
class TeardownGuardArgs:
    """What must not go with the stack.

    Attributes:
        connection: The cluster.
        stack: What of the stack matters to others.
        after: Everything that the stack makes; the guard goes before all of it.
        protect: Whether a destroy is refused. Pulumi refuses what is protected when it comes to it, after it has
            deleted everything that depends on that; the guard comes first.
    """

    connection: Connection
    stack: Teardown
    after: Sequence[pulumi.Resource]
    protect: bool = False


class TeardownGuard(pulumi.ComponentResource):
    """The last resource of an ``up``, and so the first one of a ``destroy``, which ends here where it must not go on.

    It can't go where the cluster is another one, where no interpreter could run the later steps, or where others would
    be harmed.
    """

    def __init__(self, name: str, args: TeardownGuardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Stand guard."""
        super().__init__("dapr-osm:components:TeardownGuard", name, None, opts)
        operation(
            f"{name}-check",
            connection=args.connection,
            create="note-teardown",
            delete="check-teardown",
            arguments=args.stack,
            opts=child(self, *args.after, protect=args.protect or None),
        )
        self.register_outputs({"stack": args.stack.to_json()})
