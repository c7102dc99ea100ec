"""What a config comes to, as the program uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model.apps import App
from model.exclusions import ExclusionSet, PortScope
from model.names import Namespaces
from model.policies import Policy
from model.stage import Stage
from model.verify_level import VerifyLevel
from model.versions import DaprRelease
from settings.charts import REPOSITORIES


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Where a Helm chart comes from.

    Attributes:
        source: URL of a chart repository (``https://``, ``http://``), of a chart in a registry (``oci://``),
            or the path of a chart folder or archive, relative to the project.
        version: The chart's version.
        credentials: Whether the stack's chart credentials are for it; they are for nobody's public repository.
    """

    source: str
    version: str
    credentials: bool = False

    @property
    def repository(self) -> str | None:
        """The repository's URL, or None where the source names the chart itself."""
        return self.source if self.source.startswith(REPOSITORIES) else None


@dataclass(frozen=True, kw_only=True)
class Images:
    """Where images come from; None means the chart's own default.

    Attributes:
        dapr_registry: Registry and path in front of Dapr's image names.
        osm_registry: Registry and path in front of OSM's image names.
        envoy: Image of OSM's sidecar.
        curl: Image that OSM's control plane waits with.
        redis: The official Redis image or a copy of it.
    """

    dapr_registry: str | None
    osm_registry: str | None
    envoy: str | None
    curl: str | None
    redis: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A stack's config, checked.

    What only may be given as secret is not in here, nor what of ``apps`` was: that stays inside Pulumi's outputs (see
    ``stack.Secrets``). Helm values may hold secrets; they are marked.

    Attributes:
        stage: How far along the walkthrough this environment is.
        namespaces: Where everything lives.
        existing_namespaces: Those of them that the stack joins and never deletes.
        namespace_labels: Further labels of namespaces, by namespace.
        namespace_annotations: Further annotations of namespaces, by namespace.
        protect: Whether namespaces and control planes are protected by Pulumi.
        take_over_crds: Whether CRDs that are there with other content may be taken over.
        keep_shared: Whether a destroy keeps what others use, instead of refusing.
        apps: All apps, by app id.
        policies: Who may call whom at the last stage, by name.
        kube_context: The kubeconfig context that everything uses, or None for the current one.
        dapr: The Dapr release; one that was not tried here has the row of the release before it, and its own version.
        dapr_chart: Its chart.
        osm_chart: OSM's chart.
        chart_credentials: Whether credentials for charts were given.
        dapr_mtls: Whether Dapr's own mTLS is on as well.
        dapr_values: Further values for Dapr's chart.
        secret_dapr_values: Whether any of them was given as secret.
        osm_values: Further values for OSM's chart.
        secret_osm_values: Whether any of them was given as secret.
        images: Where images come from.
        registry_credentials: Whether credentials for a private registry were given.
        password_in_component: Whether Redis's password stands in the Component instead of a Secret.
        enable_egress: Whether Envoy sends on what it knows nothing of.
        exclusion_set: All that the page excludes, or only what is needed.
        exclude_api_server: Whether the page's set has the API server (step 4).
        port_scope: Where step 5's ports are excluded.
        extra_ports: Further ports to exclude for every pod of the mesh.
        extra_ip_ranges: Further IPv4 CIDRs to exclude for every pod of the mesh.
        read_all_secrets: Whether the apps' Role reads every Secret of the namespace, as the page's does.
        timeout_seconds: How long pods may take until they are ready, in seconds.
        verify: What a verification looks at.
        verify_seconds: How long a verification may wait for what it wants to see, in seconds.
    """

    stage: Stage
    namespaces: Namespaces
    existing_namespaces: frozenset[str]
    namespace_labels: Mapping[str, Mapping[str, str]]
    namespace_annotations: Mapping[str, Mapping[str, str]]
    protect: bool
    take_over_crds: bool
    keep_shared: bool
    apps: Mapping[str, App]
    policies: Mapping[str, Policy]
    kube_context: str | None
    dapr: DaprRelease
    dapr_chart: Chart
    osm_chart: Chart
    chart_credentials: bool
    dapr_mtls: bool
    dapr_values: Mapping[str, Any] = field(repr=False)
    secret_dapr_values: bool
    osm_values: Mapping[str, Any] = field(repr=False)
    secret_osm_values: bool
    images: Images
    registry_credentials: bool
    password_in_component: bool
    enable_egress: bool
    exclusion_set: ExclusionSet
    exclude_api_server: bool
    port_scope: PortScope
    extra_ports: tuple[int, ...]
    extra_ip_ranges: tuple[str, ...]
    read_all_secrets: bool
    timeout_seconds: int
    verify: VerifyLevel
    verify_seconds: int
