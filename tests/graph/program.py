"""The program itself, run for a config."""

from __future__ import annotations

import functools
import json
import runpy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from unittest import mock

from cluster.client import Cluster
from model.names import Namespaces
from model.stage import Stage
from model.versions import DEFAULT_DAPR_VERSION
from preflight.preconditions import DEFAULT_CLASS, STORAGE_CLASSES
from settings import PROJECT, ROOT, declared_defaults
from steps.services import look_up
from tests.unit.fake_cluster import FakeCluster

from .charts import ADDRESS, DNS_NAME, rendered
from .recording import STACK, Graph, Mocks, Printed, Recorded, Values, record

PASSWORD: Final = "correct horse 'battery' \"staple\""  # noqa: S105 - the tests' own
CREDENTIALS: Final = '{"auths": {"mirror.example": {"auth": "c29tZW9uZTpzZWNyZXQ="}}}'

# The release whose graph is exactly the page: sidecars that call each other by name, and no scheduler.
PAGE: Final = DNS_NAME

METRICS: Final[Values] = {"name": "metrics", "port": 9090}
API_SERVER: Final[Values] = {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]}


def _services(**ports: list[Values]) -> dict[str, Values]:
    """``spec`` of a cluster's own Service and of Dapr's, by ``namespace/name``, from the ports of Dapr's."""
    addresses = {"dapr-api": "10.96.0.80", "dapr-sentry": "10.96.0.44", "dapr-scheduler-server-a": "10.96.0.56"}
    named = {name.replace("_", "-"): given for name, given in ports.items()}
    return {"default/kubernetes": API_SERVER} | {
        f"dapr-system/{name}": {"clusterIP": addresses.get(name, "None"), "ports": given}
        for name, given in named.items()
    }


def _port(name: str, port: int) -> Values:
    return {"name": name, "port": port}


_PLACEMENT: Final = [_port("api", 50005), _port("raft-node", 8201)]
_ETCD: Final = [_port("etcd-client", 2379), _port("etcd-peer", 2380)]
_SCHEDULED: Final = _services(
    dapr_placement_server=[*_PLACEMENT, METRICS],
    dapr_api=[_port("grpc", 443), _port("legacy", 80), METRICS],
    dapr_sentry=[_port("grpc", 443), METRICS],
    dapr_scheduler_server=[_port("api", 50006), *_ETCD, METRICS],
    dapr_scheduler_server_a=[_port("api", 443), *_ETCD, METRICS],
)
# What the chart of each way's release makes.
SERVICES_OF: Final[Mapping[str, Mapping[str, Values]]] = {
    DNS_NAME: _services(
        dapr_placement_server=_PLACEMENT,
        dapr_api=[{"port": 80}],
        dapr_sentry=[_port("grpc", 443), _port("legacy", 80)],
    ),
    ADDRESS: _SCHEDULED,
    DEFAULT_DAPR_VERSION: _SCHEDULED,
}
SERVICES: Final = SERVICES_OF[DEFAULT_DAPR_VERSION]
CLUSTER: Final = "4f1c3a52-0000-4000-8000-000000000001"
# What the program itself gives the charts.
_STORAGE: Final = {"dapr_scheduler": {"cluster": {"storageSize": "16Gi"}}}
_RECONCILER: Final = {"dapr_operator": {"serviceReconciler": {"enabled": False}}}
DAPR_VALUES: Final[Mapping[str, Values]] = {
    way: {
        "global": {"mtls": {"enabled": False}, "tag": way},
        # The chart would let pods of the namespace default read every Secret there.
        "dapr_rbac": {"secretReader": {"enabled": False}},
        **(_RECONCILER if way == ADDRESS else {}),
        **({} if way == DNS_NAME else _STORAGE),
    }
    for way in (DNS_NAME, ADDRESS, DEFAULT_DAPR_VERSION)
}
OSM_VALUES: Final[Values] = {"osm": {"meshName": "osm", "enablePermissiveTrafficPolicy": False}}
FINDINGS: Final = {"stage": "as mocked", "orders": {"verdict": "3 new orders were persisted"}}
STDOUT: Final = {
    "note-cluster": json.dumps({"cluster": CLUSTER}),
    "record-runtime": '{"customresourcedefinitions": {}}',
    "note-definitions": "[]",
    "pause-injector": '{"release": "as mocked"}',
    "await-injector": '{"injector": "dapr-sidecar-injector"}',
    "await-mesh": '{"meshConfig": "osm-mesh-config"}',
    "await-workloads": '{"ready": []}',
    "await-apps": '{"ready": []}',
    "await-injection": '{"namespaces": []}',
    "withdraw-policies": '{"declared": []}',
    "revoke-calls": '{"calls": []}',
    "verify-up": json.dumps(FINDINGS),
    "note-teardown": "{}",
}
# Apps and a policy of a stack's own, in a namespace of their own.
OWN_APPS: Final[Mapping[str, Any]] = {
    "shop": {
        "namespace": "shops",
        "image": "mirror.example/shop:1",
        "port": 8080,
        "servicePort": 81,
        "replicas": 2,
        "env": {"COLOUR": "blue", "SIZE": "1"},
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    },
    "customer": {"namespace": "shops", "image": "mirror.example/customer:1"},
}
OWN_POLICIES: Final[Mapping[str, Any]] = {"customers-may-buy": {"destination": "shop", "sources": ["customer"]}}
SECRET_KEYS: Final = (f"{PROJECT}:redisPassword", f"{PROJECT}:registryCredentials")
STAGES: Final = tuple(Stage)
MESHED: Final = tuple(stage for stage in STAGES if stage.meshed)
# What differs by stage or by way alone is tried at every stage of the default release, and for each way at the last.
CORNERS: Final = (
    *((stage, DEFAULT_DAPR_VERSION) for stage in STAGES),
    *((Stage.SMI, way) for way in (DNS_NAME, ADDRESS)),
)
# The way of riding the mesh is what makes graphs differ, so one release of each way is tried.
WAYS: Final = (DNS_NAME, ADDRESS, DEFAULT_DAPR_VERSION)
BY_HTTP: Final = (DNS_NAME, DEFAULT_DAPR_VERSION)
SCHEDULED: Final = (ADDRESS, DEFAULT_DAPR_VERSION)


def found_on(services: Mapping[str, Values], wanted: Sequence[str]) -> str:
    """What the real operation finds of the wanted Services on a cluster that has these."""
    cluster = FakeCluster()
    for service, spec in services.items():
        namespace, name = service.split("/")
        cluster.add(f"/api/v1/namespaces/{namespace}/services/{name}", spec=spec)
    return look_up(cluster, wanted)


def stdout_on(services: Mapping[str, Values]) -> dict[str, Printed]:
    """What each operation prints on a cluster with these Services."""
    return {
        **STDOUT,
        "look-up-services": lambda given: found_on(services, given["services"]),
    }


def moved_to(namespace: str, services: Mapping[str, Values]) -> dict[str, Values]:
    """The same Services, with Dapr's in another namespace."""
    return {service.replace(f"{Namespaces().dapr}/", f"{namespace}/"): spec for service, spec in services.items()}


@functools.cache
def _defaults() -> dict[str, Any]:
    return declared_defaults()


def config_for(**overrides: Any) -> dict[str, str]:
    """A stack's config as Pulumi hands it over: Pulumi.yaml's defaults, a password, and what is given here."""
    values = {**_defaults(), "redisPassword": PASSWORD, **overrides}
    return {
        f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if value is not None
    }


def empty_cluster(uid: str = CLUSTER) -> FakeCluster:
    """A cluster that nobody has used yet, with a default StorageClass."""
    cluster = FakeCluster(uid=uid)
    cluster.add(f"{STORAGE_CLASSES}/standard", metadata={"annotations": {DEFAULT_CLASS: "true"}})
    return cluster


def run(
    *,
    services: Mapping[str, Values] | None = None,
    suffix: str = "1a2b3c4d",
    generation: Mapping[str, int] | None = None,
    preview: bool = False,
    secret_keys: tuple[str, ...] = SECRET_KEYS,
    into: list[Recorded] | None = None,
    cluster: Cluster | None = None,
    state: Mapping[str, Values] | None = None,
    again: bool = False,
    connect: Callable[..., Cluster] | None = None,
    **overrides: Any,
) -> Graph:
    """Run ``__main__.py`` with this config; each config once, since nobody changes a graph.

    Args:
        services: The Services that are looked up after Dapr's installation; its release's unless others are given.
        suffix: What names that are left to Pulumi end in.
        generation: How often objects were changed, by their resources' names.
        preview: Whether nothing exists yet.
        secret_keys: Which keys of the config are encrypted.
        into: Where registrations go as well, for a caller who expects the program to fail.
        cluster: What is on the cluster before; nothing but a default StorageClass unless another is given.
        state: What the stack's state has: by URN, a resource's type and outputs.
        again: Whether to run it even where it was run before.
        connect: Who connects to the cluster, for a caller who wants to know how that is asked for.
        overrides: The config, but for the defaults.
    """
    if services is None:
        services = SERVICES_OF.get(overrides.get("daprVersion", DEFAULT_DAPR_VERSION), SERVICES)
    config = config_for(**overrides)
    mocks = Mocks(stdout_on(services), invokes(state or {}), suffix, generation)

    def anew() -> Graph:
        there = empty_cluster() if cluster is None else cluster
        # The program takes Ctrl-C as its own, which is the test run's here.
        with mock.patch.object(Cluster, "connect", connect or (lambda _: there)), mock.patch("signal.signal"):
            return record(
                lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"),
                mocks=mocks,
                config=config,
                secret_keys=secret_keys,
                preview=preview,
                into=into,
            )

    if again or connect is not None or cluster is not None or into is not None:
        return anew()
    key = json.dumps([services, suffix, generation, preview, secret_keys, state, config], sort_keys=True)
    if key not in _RUNS:
        _RUNS[key] = anew()
    return _RUNS[key]


_RUNS: Final[dict[str, Graph]] = {}


def noted(uid: str = CLUSTER) -> dict[str, Values]:
    """The state of a stack whose first run has got as far as knowing its cluster."""
    return {
        f"urn:pulumi:{STACK}::{PROJECT}::command:local:Command::cluster-noted": {
            "type": "command:local:Command",
            "outputs": {"stdout": json.dumps({"cluster": uid})},
        }
    }


def invokes(state: Mapping[str, Values]) -> dict[str, Callable[[Values], Values]]:
    """What the program may ask the provider and the engine."""
    return {
        "kubernetes:helm:template": lambda given: {"result": rendered(json.loads(given["jsonOpts"]))},
        "pulumi:pulumi:readStackResourceOutputs": lambda given: {"name": given["stackName"], "outputs": dict(state)},
    }


def at(stage: Stage, version: str = DEFAULT_DAPR_VERSION) -> Graph:
    """The graph of a stage, everything else at its default."""
    return run(stage=stage.value, daprVersion=version)
