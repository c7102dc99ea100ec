"""Step 10 of the walkthrough: SMI traffic policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.connection import Connection, child
from components.digest import digest_of, fingerprints
from components.operation import operation
from model import policies
from model.apps import App
from model.arguments import AllowedCalls, DeclaredPolicies
from model.chart import IN_ONE_STEP
from model.policies import Policy
from model.route import Route


@dataclass(frozen=True, kw_only=True)
class SmiPoliciesArgs:
    """Which policies there are.

    Attributes:
        connection: The cluster.
        namespaces: The apps' namespaces, each by its name; known once it is there.
        policies: Who may call whom. Where nobody may, there are no SMI objects at all.
        apps: All apps, by app id.
        route: How calls ride the mesh.
        mesh: What has to be there before SMI objects can be.
        deployed: What has to be there before an app's pods can be replaced.
    """

    connection: Connection
    namespaces: Mapping[str, pulumi.Input[str]]
    policies: Sequence[Policy]
    apps: Mapping[str, App]
    route: Route
    mesh: pulumi.Resource
    deployed: pulumi.Resource


class SmiPolicies(pulumi.ComponentResource):
    """The SMI objects, and what makes their withdrawal real.

    Pulumi deletes what is no longer declared at the very end of an update, after whatever an update verifies. So
    ``withdraw`` takes policies of this stack that are no longer declared off the cluster first: a verification
    that calls are denied would else still see them allowed.

    A connection outlives the policy that allowed it. So ``revoke`` gives new pods to the callers that may no longer
    make a call which they could make before; where permissions were only added, it does nothing.

    Attributes:
        digest: Fingerprint of what is declared here.
    """

    digest: pulumi.Output[str]

    def __init__(self, name: str, args: SmiPoliciesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the policies."""
        super().__init__("dapr-osm:components:SmiPolicies", name, None, opts)
        declared = policies.smi_objects(args.policies, args.apps, args.route)
        withdraw = operation(
            f"{name}-withdraw",
            connection=args.connection,
            create="withdraw-policies",
            arguments=DeclaredPolicies(
                namespaces=tuple(args.namespaces), declared=tuple(policy.reference for policy in declared)
            ),
            # A TCPRoute refuses the calls of a release whose calls are HTTP, while an HTTPRouteGroup lets connections
            # through: so TCPRoutes come after the pods that need them, and orders flow on while the way changes.
            opts=child(self, args.mesh, *([] if args.route.by_http else [args.deployed])),
        )
        # In order: a TrafficTarget whose route does not exist denies everything.
        before: pulumi.Resource = withdraw
        objects: list[pulumi.CustomResource] = []
        for policy in declared:
            made = k8s.apiextensions.CustomResource(
                f"{name}-{policy.resource_name}",
                api_version=policy.api_version,
                kind=policy.kind,
                metadata=args.connection.metadata(
                    policy.name, namespace=args.namespaces[policy.namespace], annotations=IN_ONE_STEP
                ),
                spec=policy.spec,
                opts=child(self, before),
            )
            objects.append(made)
            before = made
        operation(
            f"{name}-revoke",
            connection=args.connection,
            create="revoke-calls",
            arguments=AllowedCalls(
                calls=tuple(sorted(policies.named_calls(args.policies))),
                apps={app.name: app.namespace for app in args.apps.values()},
            ),
            remembers=True,
            opts=child(self, withdraw, *objects, args.deployed),
        )
        # What was withdrawn shows in no input when a failed update is taken back, so each run of it counts too.
        self.digest = digest_of(
            [[policy.reference, policy.spec] for policy in declared], withdraw.stdout, fingerprints(*objects)
        )
        self.register_outputs({"digest": self.digest})
