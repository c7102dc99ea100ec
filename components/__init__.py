"""The walkthrough's parts as Pulumi components, one a module."""

from components.connection import Connection
from components.dapr_install import DaprInstall, DaprInstallArgs
from components.hello_kubernetes_apps import HelloKubernetesApps, HelloKubernetesAppsArgs, Interception
from components.identity import ClusterIdentity, ClusterIdentityArgs, TeardownGuard, TeardownGuardArgs
from components.mesh_config_exclusions import MeshConfigExclusions, MeshConfigExclusionsArgs
from components.osm_install import OsmInstall, OsmInstallArgs
from components.smi_policies import SmiPolicies, SmiPoliciesArgs
from components.verification import Verification, VerificationArgs

__all__ = [
    "ClusterIdentity",
    "ClusterIdentityArgs",
    "Connection",
    "DaprInstall",
    "DaprInstallArgs",
    "HelloKubernetesApps",
    "HelloKubernetesAppsArgs",
    "Interception",
    "MeshConfigExclusions",
    "MeshConfigExclusionsArgs",
    "OsmInstall",
    "OsmInstallArgs",
    "SmiPolicies",
    "SmiPoliciesArgs",
    "TeardownGuard",
    "TeardownGuardArgs",
    "Verification",
    "VerificationArgs",
]
