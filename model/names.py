"""The names that the walkthrough gives its objects.

A reader who knows the page must find them again on the cluster, so they are not settings.
"""

from __future__ import annotations

from typing import Final

DAPR_NAMESPACE: Final = "dapr-system"
OSM_NAMESPACE: Final = "osm-system"
APPS_NAMESPACE: Final = "dapr-test"

MESH_NAME: Final = "osm"
MESH_CONFIG: Final = "osm-mesh-config"

DAPR_RELEASE_NAME: Final = "dapr"
# osm-bootstrap, the ServiceAccount and the clean-up hook are all named after it.
OSM_RELEASE_NAME: Final = "osm"

# What every daprd talks to, as namespace/name.
API_SERVER_SERVICE: Final = "default/kubernetes"
PLACEMENT_SERVICE: Final = f"{DAPR_NAMESPACE}/dapr-placement-server"
DAPR_API_SERVICE: Final = f"{DAPR_NAMESPACE}/dapr-api"
SENTRY_SERVICE: Final = f"{DAPR_NAMESPACE}/dapr-sentry"
SCHEDULER_SERVICES: Final = (f"{DAPR_NAMESPACE}/dapr-scheduler-server", f"{DAPR_NAMESPACE}/dapr-scheduler-server-a")

STATE_STORE: Final = "statestore"
REDIS: Final = "redis"
REDIS_PASSWORD_KEY: Final = "redis-password"  # noqa: S105 - a key's name
REGISTRY_CREDENTIALS: Final = "registry-credentials"

SECRET_READER_ROLE: Final = "secret-reader"  # noqa: S105 - a Role's name
SECRET_READER_BINDING: Final = "dapr-secret-reader"  # noqa: S105 - a RoleBinding's name

# "pythodapp" is the page's own spelling.
TRAFFIC_TARGET: Final = "pythodapp-traffic-target"
ROUTE_GROUP: Final = "nodeapp-service-routes"
ROUTE_MATCH: Final = "new-order"

# Set on objects whose removal an operation decides on by itself, so that it never touches anyone else's.
OWNER_LABEL: Final = "app.kubernetes.io/managed-by"
OWNER: Final = "dapr-osm"
