"""How much a verification looks at."""

from __future__ import annotations

from enum import StrEnum


class VerifyLevel(StrEnum):
    """Each needs less of whoever runs it than the one before."""

    CALLS = "calls"
    """Pods, and the calls between them as each Envoy sees them: needs ``pods/portforward``."""

    PODS = "pods"
    """That every pod is there with its sidecars, and that orders are persisted."""

    OFF = "off"
    """Nothing."""
