"""The program itself, run for a config."""

from __future__ import annotations

import functools
import json
import runpy
from collections.abc import Mapping, Sequence
from typing import Any, Final
from unittest import mock

from config_reader import PROJECT
from model.names import Namespaces
from model.stage import Stage
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION
from operations.cluster import Cluster
from operations.preconditions import DEFAULT_CLASS, STORAGE_CLASSES
from operations.services import look_up
from settings import ROOT, declared_defaults
from tests.unit.fake_cluster import FakeCluster

from .recording import Graph, Mocks, Printed, Recorded, Values, record

PASSWORD: Final = "correct horse 'battery' \"staple\""  # noqa: S105 - the tests' own
CREDENTIALS: Final = '{"auths": {"mirror.example": {"auth": "c29tZW9uZTpzZWNyZXQ="}}}'

# The release whose graph is exactly the page: sidecars that call each other by name, and no scheduler.
PAGE: Final = "1.12.0"

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
_SERVICES_1_18: Final = _services(
    dapr_placement_server=[*_PLACEMENT, METRICS],
    dapr_api=[_port("grpc", 443), _port("legacy", 80), METRICS],
    dapr_sentry=[_port("grpc", 443), METRICS],
    dapr_scheduler_server=[_port("api", 50006), *_ETCD, METRICS],
    dapr_scheduler_server_a=[_port("api", 443), *_ETCD, METRICS],
)
# What each release's chart makes.
SERVICES_OF: Final[Mapping[str, Mapping[str, Values]]] = {
    "1.10.9": _services(dapr_placement_server=_PLACEMENT, dapr_api=[{"port": 80}], dapr_sentry=[{"port": 80}]),
    "1.12.0": _services(
        dapr_placement_server=_PLACEMENT,
        dapr_api=[{"port": 80}],
        dapr_sentry=[_port("grpc", 443), _port("legacy", 80)],
    ),
    "1.14.0": _services(
        dapr_placement_server=[*_PLACEMENT, METRICS],
        dapr_api=[_port("grpc", 443), _port("legacy", 80), METRICS],
        dapr_sentry=[_port("grpc", 443), METRICS],
        dapr_scheduler_server=[
            _port("api", 50006),
            _port("etcd-client", 2379),
            _port("etcd-httpclient", 2330),
            _port("etcd-peer", 2380),
            METRICS,
        ],
    ),
    "1.16.0": _SERVICES_1_18,
    "1.18.0": _SERVICES_1_18,
    "1.18.1": _SERVICES_1_18,
}
SERVICES: Final = SERVICES_OF[DEFAULT_DAPR_VERSION]
FINDINGS: Final = {"stage": "as mocked", "orders": {"verdict": "3 new orders were persisted"}}
STDOUT: Final = {
    "record-cluster-wide": '{"customresourcedefinitions": {}}',
    "update-crds": '{"version": "as mocked"}',
    "await-injector": '{"injector": "dapr-sidecar-injector"}',
    "await-mesh": '{"meshConfig": "osm-mesh-config"}',
    "withdraw-policies": '{"declared": []}',
    "revoke-calls": '{"calls": []}',
    "verify": json.dumps(FINDINGS),
}
SECRET_KEYS: Final = (f"{PROJECT}:redisPassword", f"{PROJECT}:registryCredentials")
STAGES: Final = tuple(Stage)
MESHED: Final = tuple(stage for stage in STAGES if stage.meshed)
RELEASES: Final = tuple(DAPR_RELEASES)
# The same, by the way that a release's calls take.
BY_DNS_NAME: Final = ("1.10.9", "1.12.0")
BY_ADDRESS: Final = ("1.14.0", "1.16.0")
BY_NAME_FORMAT: Final = ("1.18.0", "1.18.1")


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


def moved_to(namespace: str, services: Mapping[str, Values]) -> dict[str, Values]:
    """The same Services, with Dapr's in another namespace."""
    return {service.replace(f"{Namespaces().dapr}/", f"{namespace}/"): spec for service, spec in services.items()}


def config_for(**overrides: Any) -> dict[str, str]:
    """A stack's config as Pulumi hands it over: Pulumi.yaml's defaults, a password, and what is given here."""
    values = {**declared_defaults(), "redisPassword": PASSWORD, **overrides}
    return {
        f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if value is not None
    }


def empty_cluster() -> FakeCluster:
    """A cluster that nobody has used yet, with a default StorageClass."""
    cluster = FakeCluster()
    cluster.add(f"{STORAGE_CLASSES}/standard", metadata={"annotations": {DEFAULT_CLASS: "true"}})
    return cluster


def run(
    *,
    services: Mapping[str, Values] | None = None,
    suffix: str = "1a2b3c4d",
    preview: bool = False,
    secret_keys: tuple[str, ...] = SECRET_KEYS,
    into: list[Recorded] | None = None,
    cluster: Cluster | None = None,
    **overrides: Any,
) -> Graph:
    """Run ``__main__.py`` with this config.

    Args:
        services: The Services that are looked up after Dapr's installation; its release's unless others are given.
        suffix: What names that are left to Pulumi end in.
        preview: Whether nothing exists yet.
        secret_keys: Which keys of the config are encrypted.
        into: Where registrations go as well, for a caller who expects the program to fail.
        cluster: What is on the cluster before; nothing but a default StorageClass unless another is given.
        overrides: The config, but for the defaults.
    """
    if services is None:
        services = SERVICES_OF.get(overrides.get("daprVersion", DEFAULT_DAPR_VERSION), SERVICES)
    there = empty_cluster() if cluster is None else cluster
    with mock.patch.object(Cluster, "connect", return_value=there):
        return record(
            lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"),
            mocks=Mocks(stdout_on(services), suffix),
            config=config_for(**overrides),
            secret_keys=secret_keys,
            preview=preview,
            into=into,
        )


def at(stage: Stage, version: str = DEFAULT_DAPR_VERSION) -> Graph:
    """The graph of a stage, everything else at its default. Nobody changes it, so one run serves every test."""
    return _at(stage, version)


@functools.cache
def _at(stage: Stage, version: str) -> Graph:
    return run(stage=stage.value, daprVersion=version)
