"""The walkthrough's parts as Pulumi components, one a module."""

from components.connection import Connection, connect
from components.dapr_install import DaprInstall, DaprInstallArgs
from components.hello_kubernetes_apps import HelloKubernetesApps, HelloKubernetesAppsArgs, Interception
from components.mesh_config_exclusions import MeshConfigExclusions, MeshConfigExclusionsArgs
from components.osm_install import OsmInstall, OsmInstallArgs
from components.smi_policies import SmiPolicies, SmiPoliciesArgs
from components.verification import Verification, VerificationArgs

__all__ = [
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
    "Verification",
    "VerificationArgs",
    "connect",
]
