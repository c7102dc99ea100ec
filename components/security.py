"""The tightest security contexts that the walkthrough's own pods work with."""

from __future__ import annotations

import pulumi_kubernetes as k8s

# Sidecars bring contexts of their own, and osm-init needs root, so a pod's own context holds only what suits all.
POD_SECURITY = k8s.core.v1.PodSecurityContextArgs(
    seccomp_profile=k8s.core.v1.SeccompProfileArgs(type="RuntimeDefault"),
)


def container_security(user: int) -> k8s.core.v1.SecurityContextArgs:
    """The context of a container of ours: an ordinary user without capabilities who writes nowhere.

    Args:
        user: Numeric user and group to run as.
    """
    return k8s.core.v1.SecurityContextArgs(
        run_as_user=user,
        run_as_group=user,
        run_as_non_root=True,
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        capabilities=k8s.core.v1.CapabilitiesArgs(drop=["ALL"]),
    )
