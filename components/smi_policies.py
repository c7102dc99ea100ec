"""Step 10 of the walkthrough: SMI traffic policies."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.connection import Connection, child
from components.digest import digest
from components.operation import operation
from model import names, policies


@dataclass(frozen=True, kw_only=True)
class SmiPoliciesArgs:
    """Which policies there are.

    Attributes:
        connection: The cluster.
        namespace: The apps' namespace.
        allowed: Whether pythonapp may call nodeapp. Where not, there are no SMI objects at all.
        mesh: What has to be there before SMI objects can be.
    """

    connection: Connection
    namespace: pulumi.Input[str]
    allowed: bool
    mesh: pulumi.Resource


class SmiPolicies(pulumi.ComponentResource):
    """The SMI objects, and nothing else.

    Pulumi deletes what is no longer declared at the very end of an update, after whatever an update verifies. So
    ``withdraw`` takes policies of this stack that are no longer declared off the cluster first: a verification
    that calls are denied would else still see them allowed.

    Attributes:
        digest: Fingerprint of what is declared here.
    """

    digest: pulumi.Output[str]

    def __init__(self, name: str, args: SmiPoliciesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the policies."""
        super().__init__("dapr-osm:components:SmiPolicies", name, None, opts)
        declared = policies.walkthrough() if args.allowed else ()
        withdraw = operation(
            f"{name}-withdraw",
            create="withdraw-policies",
            environment={
                "OPERATION_NAMESPACE": names.APPS_NAMESPACE,
                "OPERATION_DECLARED": json.dumps([f"{policy.kind}/{policy.name}" for policy in declared]),
            },
            opts=child(self, args.mesh),
        )
        # In order: a TrafficTarget whose route does not exist denies everything.
        before: pulumi.Resource = withdraw
        for policy in declared:
            before = k8s.apiextensions.CustomResource(
                f"{name}-{policy.resource_name}",
                api_version=policy.api_version,
                kind=policy.kind,
                metadata=k8s.meta.v1.ObjectMetaArgs(
                    name=policy.name, namespace=args.namespace, labels={names.OWNER_LABEL: names.OWNER}
                ),
                spec=policy.spec,
                opts=child(self, before, provider=args.connection.apply),
            )
        self.digest = pulumi.Output.from_input(digest([[policy.kind, policy.name, policy.spec] for policy in declared]))
        self.register_outputs({"digest": self.digest})
