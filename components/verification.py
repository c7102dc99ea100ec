"""Steps 1, 9 and 10 of the walkthrough: whether it really works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi

from components.connection import Connection, child
from components.digest import digest_of
from components.operation import operation, result_of
from model.expectation import Expectation

BARE: Final = "OPERATION_BARE"


@dataclass(frozen=True, kw_only=True)
class VerificationArgs:
    """What is verified.

    Attributes:
        connection: The cluster.
        expectation: What must be seen.
        covers: Fingerprints of everything that a finding depends on; a change of one verifies again.
        bare: Fingerprint of pods that lack a sidecar, or ""; another one verifies again, too.
        after: The components to verify.
    """

    connection: Connection
    expectation: Expectation
    covers: Sequence[pulumi.Input[str]]
    bare: str = ""
    after: Sequence[pulumi.Resource]


class Verification(pulumi.ComponentResource):
    """The last word of an ``up``: it fails where the stack does not do what its stage says.

    Attributes:
        findings: What was seen and when, as plain lists and dictionaries.
    """

    findings: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, args: VerificationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Verify, unless nothing has changed since the last time."""
        super().__init__("dapr-osm:components:Verification", name, None, opts)
        command = operation(
            f"{name}-run",
            connection=args.connection,
            create="verify-up",
            arguments=args.expectation,
            again_with={"OPERATION_COVERS": digest_of(*args.covers), **({BARE: args.bare} if args.bare else {})},
            opts=child(self, *args.after),
        )
        self.findings = result_of(command)
        self.register_outputs({"findings": self.findings})
