"""Which of the walkthrough's stages a cluster looks like."""

from __future__ import annotations

from collections.abc import Sequence

from model.stage import Stage
from status.find import Found
from status.shape import Mesh, Policy


def stage(found: Found, config: Mesh | None, policies: Sequence[Policy]) -> tuple[str | None, str]:
    """The stage and what says so; None where it can't be told."""
    if found.osm is None and not found.whole:
        return None, "this user may not see whether there is a mesh"
    if found.osm is None:
        return Stage.DAPR.value, "the stack has no mesh"
    if config is None:
        return None, "there is a mesh, and its MeshConfig can't be seen"
    if config.permissive:
        return Stage.PERMISSIVE.value, "permissive mode is on"
    own = sum(policy.of_stack for policy in policies)
    if own:
        return Stage.SMI.value, f"permissive mode is off, and {own} policies are the stack's"
    return Stage.LOCKED.value, "permissive mode is off, and no policy is the stack's"
