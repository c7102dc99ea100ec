"""The program itself, run for a config."""

from __future__ import annotations

import functools
import json
import runpy
from collections.abc import Mapping, Sequence
from typing import Any, Final

from model.stage import Stage
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION
from operations.services import look_up
from settings import PROJECT, ROOT, declared_defaults
from tests.unit.fake_cluster import FakeCluster

from .recording import Graph, Mocks, Printed, Recorded, Values, record

PASSWORD: Final = "correct horse 'battery' \"staple\""  # noqa: S105 - the tests' own
CREDENTIALS: Final = '{"auths": {"mirror.example": {"auth": "c29tZW9uZTpzZWNyZXQ="}}}'

# ``spec`` of the Services of Dapr 1.12.0, as its chart makes them, and of a cluster's own, by ``namespace/name``.
SERVICES: Final[Mapping[str, Values]] = {
    "default/kubernetes": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]},
    "dapr-system/dapr-placement-server": {
        "clusterIP": "None",
        "ports": [{"name": "api", "port": 50005}, {"name": "raft-node", "port": 8201}],
    },
    "dapr-system/dapr-api": {"clusterIP": "10.96.0.80", "ports": [{"port": 80}]},
    "dapr-system/dapr-sentry": {
        "clusterIP": "10.96.0.44",
        "ports": [{"name": "grpc", "port": 443}, {"name": "legacy", "port": 80}],
    },
}
# The same of Dapr 1.18.1.
METRICS: Final[Values] = {"name": "metrics", "port": 9090}
ETCD: Final[list[Values]] = [{"name": "etcd-client", "port": 2379}, {"name": "etcd-peer", "port": 2380}]
SERVICES_1_18: Final[Mapping[str, Values]] = {
    "default/kubernetes": SERVICES["default/kubernetes"],
    "dapr-system/dapr-placement-server": {
        "clusterIP": "None",
        "ports": [{"name": "api", "port": 50005}, {"name": "raft-node", "port": 8201}, METRICS],
    },
    "dapr-system/dapr-api": {
        "clusterIP": "10.96.0.80",
        "ports": [{"name": "grpc", "port": 443}, {"name": "legacy", "port": 80}, METRICS],
    },
    "dapr-system/dapr-sentry": {"clusterIP": "10.96.0.44", "ports": [{"name": "grpc", "port": 443}, METRICS]},
    "dapr-system/dapr-scheduler-server": {
        "clusterIP": "None",
        "ports": [{"name": "api", "port": 50006}, *ETCD, METRICS],
    },
    "dapr-system/dapr-scheduler-server-a": {
        "clusterIP": "10.96.0.56",
        "ports": [{"name": "api", "port": 443}, *ETCD, METRICS],
    },
}
SERVICES_OF: Final[Mapping[str, Mapping[str, Values]]] = {"1.12.0": SERVICES, "1.18.1": SERVICES_1_18}
FINDINGS: Final = {"stage": "as mocked", "orders": {"verdict": "3 new orders were persisted"}}
STDOUT: Final = {
    "record-cluster-wide": '{"customresourcedefinitions": {}}',
    "update-crds": '{"version": "as mocked"}',
    "await-injector": '{"injector": "dapr-sidecar-injector"}',
    "await-mesh": '{"meshConfig": "osm-mesh-config"}',
    "withdraw-policies": '{"declared": []}',
    "verify": json.dumps(FINDINGS),
}
SECRET_KEYS: Final = (f"{PROJECT}:redisPassword", f"{PROJECT}:registryCredentials")
STAGES: Final = tuple(Stage)
RELEASES: Final = tuple(DAPR_RELEASES)


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
        "look-up-services": lambda environment: found_on(services, json.loads(environment["OPERATION_SERVICES"])),
    }


def config_for(**overrides: Any) -> dict[str, str]:
    """A stack's config as Pulumi hands it over: Pulumi.yaml's defaults, a password, and what is given here."""
    values = {**declared_defaults(), "redisPassword": PASSWORD, **overrides}
    return {
        f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if value is not None
    }


def run(
    *,
    services: Mapping[str, Values] | None = None,
    suffix: str = "1a2b3c4d",
    preview: bool = False,
    secret_keys: tuple[str, ...] = SECRET_KEYS,
    into: list[Recorded] | None = None,
    **overrides: Any,
) -> Graph:
    """Run ``__main__.py`` with this config, on a cluster with its Dapr release's Services unless others are given."""
    if services is None:
        services = SERVICES_OF.get(overrides.get("daprVersion", DEFAULT_DAPR_VERSION), SERVICES)
    return record(
        lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"),
        mocks=Mocks(stdout_on(services), suffix),
        config=config_for(**overrides),
        secret_keys=secret_keys,
        preview=preview,
        into=into,
    )


@functools.cache
def at(stage: Stage, version: str = DEFAULT_DAPR_VERSION) -> Graph:
    """The graph of a stage, everything else at its default. Nobody changes it, so one run serves every test."""
    return run(stage=stage.value, daprVersion=version)
