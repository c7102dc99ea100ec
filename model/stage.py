"""How far along the walkthrough an environment is."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """The walkthrough's resting places, in its order.

    A stage says everything that differs between them, so no component compares stages itself.
    """

    DAPR = "dapr"
    """Step 1: Dapr and the apps, no mesh."""

    PERMISSIVE = "permissive"
    """Steps 2-9: the mesh carries the apps' calls and lets all of them through."""

    LOCKED = "locked"
    """First half of step 10: permissive mode off and no policy, so calls are denied.

    The page adds the ServiceAccounts after it has seen orders stop. Here they come with this stage, so
    that the next one adds policies and nothing else.
    """

    SMI = "smi"
    """All of step 10: SMI policies allow exactly the walkthrough's call."""

    @property
    def meshed(self) -> bool:
        """Whether OSM is installed and the apps' namespace has joined it (steps 2-8)."""
        return self is not Stage.DAPR

    @property
    def permissive(self) -> bool:
        """Whether OSM's permissive traffic policy mode is on (step 3)."""
        return self is Stage.PERMISSIVE

    @property
    def enforces(self) -> bool:
        """Whether the mesh lets through only what a policy allows (step 10)."""
        return self.meshed and not self.permissive

    @property
    def own_service_accounts(self) -> bool:
        """Whether each app runs as a ServiceAccount of its own (step 10)."""
        return self.enforces

    @property
    def policies(self) -> bool:
        """Whether the SMI policies exist (step 10)."""
        return self is Stage.SMI
