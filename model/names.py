"""The names that the walkthrough gives its objects.

A reader who knows the page must find them again on the cluster: namespaces, app ids and policies are settings with the
page's as defaults, all other names are fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Namespaces:
    """Where everything lives.

    Attributes:
        dapr: Dapr's control plane.
        osm: OSM's control plane.
        apps: The state store, and every app that names no namespace of its own.
    """

    dapr: str = "dapr-system"
    osm: str = "osm-system"
    apps: str = "dapr-test"


MESH_NAME: Final = "osm"
# OSM's control plane: Deployments of its chart.
OSM_DEPLOYMENTS: Final = ("osm-bootstrap", "osm-controller", "osm-injector")
MESH_CONFIG: Final = "osm-mesh-config"
# By namespace and name.
MESH_CONFIG_PATH: Final = "/apis/config.openservicemesh.io/v1alpha2/namespaces/{}/meshconfigs/{}"
MESH_ROOT_CERTIFICATE: Final = "osm-mesh-root-certificate"
OSM_CA_BUNDLE: Final = "osm-ca-bundle"
# What OSM registers with the API server by itself, by kind (plural).
OSM_WEBHOOKS: Final = {
    "mutatingwebhookconfigurations": [f"osm-webhook-{MESH_NAME}"],
    "validatingwebhookconfigurations": [f"osm-validator-mesh-{MESH_NAME}"],
}
# How a namespace joins the mesh (step 7: what `osm namespace add` writes).
MONITORED: Final = "openservicemesh.io/monitored-by"
INJECTION: Final = "openservicemesh.io/sidecar-injection"
JOINED_LABELS: Final = {MONITORED: MESH_NAME}
JOINED_ANNOTATIONS: Final = {INJECTION: "enabled"}
# On every pod that OSM has given an Envoy; it ties the pod to the Secret with that one's first configuration. Source:
# OSM 1.2.4, pkg/constants.
PROXY_LABEL: Final = "osm-proxy-uuid"
# Names of Dapr's chart: its injector's Deployment, Service and webhook; its own settings; the scheduler's claims.
DAPR_INJECTOR: Final = "dapr-sidecar-injector"
# What no release of Dapr's chart does without: Deployments and a StatefulSet.
DAPR_WORKLOADS: Final = ("dapr-sentry", "dapr-operator", DAPR_INJECTOR, "dapr-placement-server")
DAPR_CONFIGURATION: Final = "daprsystem"
SCHEDULER_CLAIM: Final = "dapr-scheduler-data-dir-"

DAPR_RELEASE_NAME: Final = "dapr"
# osm-bootstrap, the ServiceAccount and the clean-up hook are all named after it.
OSM_RELEASE_NAME: Final = "osm"

# What every daprd talks to: the API server, as namespace/name, and Services in Dapr's namespace.
API_SERVER_SERVICE: Final = "default/kubernetes"
PLACEMENT_SERVICE: Final = "dapr-placement-server"
DAPR_API_SERVICE: Final = "dapr-api"
SENTRY_SERVICE: Final = "dapr-sentry"
# The three schedulers one by one, and where a daprd asks which they are.
SCHEDULER_SERVICE: Final = "dapr-scheduler-server"
SCHEDULER_HOSTS_SERVICE: Final = "dapr-scheduler-server-a"

STATE_STORE: Final = "statestore"
REDIS: Final = "redis"
REDIS_PASSWORD_KEY: Final = "redis-password"  # noqa: S105 - a key's name
REGISTRY_CREDENTIALS: Final = "registry-credentials"

SECRET_READER_ROLE: Final = "secret-reader"  # noqa: S105 - a Role's name
SECRET_READER_BINDING: Final = "dapr-secret-reader"  # noqa: S105 - a RoleBinding's name

# "pythodapp" is the page's own spelling.
TRAFFIC_TARGET: Final = "pythodapp-traffic-target"
ROUTES: Final = "nodeapp-service-routes"
ROUTE_MATCH: Final = "new-order"

# Under this name the stack writes into what others made: the MeshConfig, an existing namespace.
FIELD_MANAGER: Final = "dapr-osm"
# When the pods of a workload, refused until then, were asked for again.
TRIED_AGAIN: Final = "dapr-osm/tried-again"
