from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import redis
from model.exclusions import (
    MAX_PORTS,
    NO_EXCLUSIONS,
    ExclusionSet,
    PortScope,
    ServicePorts,
    TooManyPortsError,
    UnknownPortError,
    any_per_pod,
    compute,
    host_range,
    ports_by_name,
    unique,
)

PLACEMENT = [{"name": "api", "port": 50005}, {"name": "raft-node", "port": 8201}]
# Dapr 1.12.0, as its chart declares them.
DAPR_1_12 = ServicePorts(
    placement=PLACEMENT,
    api=[{"port": 80}],
    sentry=[{"name": "grpc", "port": 443}, {"name": "legacy", "port": 80}],
    redis=redis.service_ports(),
)
# Dapr 1.13 and later name dapr-api's ports too.
DAPR_1_13 = ServicePorts(
    placement=PLACEMENT,
    api=[{"name": "grpc", "port": 443}, {"name": "legacy", "port": 80}],
    sentry=[{"name": "grpc", "port": 443}],
    redis=redis.service_ports(),
)
# Dapr 1.18.2: a scheduler as well, behind two Services, and ports that no daprd needs.
METRICS = {"name": "metrics", "port": 9090}
ETCD = [{"name": "etcd-client", "port": 2379}, {"name": "etcd-peer", "port": 2380}]
DAPR_1_18 = ServicePorts(
    placement=[*PLACEMENT, METRICS],
    api=[{"name": "grpc", "port": 443}, {"name": "legacy", "port": 80}, METRICS],
    sentry=[{"name": "grpc", "port": 443}, METRICS],
    redis=redis.service_ports(),
    scheduler=[{"name": "api", "port": 50006}, *ETCD, METRICS],
    scheduler_hosts=[{"name": "api", "port": 443}, *ETCD, METRICS],
)
# As Dapr 1.10 had it: neither dapr-api's port nor sentry's has a name.
DAPR_1_10 = ServicePorts(placement=PLACEMENT, api=[{"port": 80}], sentry=[{"port": 80}], redis=redis.service_ports())


def computed(services: ServicePorts = DAPR_1_12, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "api_server_ip": "10.96.0.1",
        "services": services,
        "redis_port_name": redis.PORT_NAME,
        "scope": PortScope.MESH,
        **changes,
    }
    return compute(**arguments)


def test_dapr_1_12_gets_the_pages_exclusions_in_the_pages_order() -> None:
    exclusions = computed()
    assert exclusions.mesh_port_numbers == [50005, 8201, 6379]
    assert exclusions.pod_annotation == "80,443"
    assert list(exclusions.ip_ranges) == ["10.96.0.1/32"]


def test_no_exclusions_are_empty_lists() -> None:
    assert NO_EXCLUSIONS.explained() == {"ipRanges": [], "meshPorts": [], "podPorts": []}
    assert set(NO_EXCLUSIONS.explained()) == set(computed().explained()), "whoever reads the output finds the same keys"


def test_dapr_1_13_gets_the_same_from_ports_of_other_names() -> None:
    exclusions = computed(DAPR_1_13)
    assert exclusions.mesh_port_numbers == [50005, 8201, 6379]
    assert exclusions.pod_annotation == "80,443"


def test_dapr_1_10_gets_the_same_from_ports_without_names() -> None:
    exclusions = computed(DAPR_1_10)
    assert exclusions.mesh_port_numbers == [50005, 8201, 6379]
    assert exclusions.pod_annotation == "80", "its sentry answers there too"
    assert [port.service for port in exclusions.pod_ports] == ["dapr-api", "dapr-sentry"]


def test_dapr_1_14_has_a_scheduler_and_no_service_that_tells_which_there_are() -> None:
    services = dataclasses.replace(DAPR_1_18, scheduler_hosts=None)
    assert computed(services).mesh_port_numbers == [50005, 8201, 6379, 50006]
    assert [port.service for port in computed(services).pod_ports] == [
        "dapr-api",
        "dapr-api",
        "dapr-sentry",
    ]


def test_dapr_1_18_gets_its_schedulers_after_placement_and_redis() -> None:
    exclusions = computed(DAPR_1_18)
    assert exclusions.mesh_port_numbers == [50005, 8201, 6379, 50006]
    assert exclusions.pod_annotation == "80,443"
    assert [(port.port, port.service) for port in exclusions.mesh_ports] == [
        (50005, "dapr-placement-server"),
        (8201, "dapr-placement-server"),
        (6379, "redis"),
        (50006, "dapr-scheduler-server"),
    ]
    assert (exclusions.pod_ports[-1].port, exclusions.pod_ports[-1].service) == (443, "dapr-scheduler-server-a"), (
        "443 for every pod of the mesh would take everybody's HTTPS out of it"
    )


EVERY_SHAPE = (DAPR_1_10, DAPR_1_12, DAPR_1_13, DAPR_1_18)


@pytest.mark.parametrize("services", EVERY_SHAPE)
@pytest.mark.parametrize("scope", PortScope)
def test_with_egress_the_minimal_set_is_redis_whom_the_mesh_knows(services: ServicePorts, scope: PortScope) -> None:
    exclusions = computed(services, which=ExclusionSet.MINIMAL, egress=True, scope=scope)
    assert [port.service for port in (*exclusions.mesh_ports, *exclusions.pod_ports)] == ["redis"]
    assert exclusions.ip_ranges == {}
    assert exclusions.pod_annotation == ("" if scope is PortScope.MESH else "6379")


@pytest.mark.parametrize("which", ExclusionSet)
@pytest.mark.parametrize("egress", [True, False])
@pytest.mark.parametrize("scope", PortScope)
def test_whether_there_is_an_annotation_is_known_without_the_ports(
    which: ExclusionSet, egress: bool, scope: PortScope
) -> None:
    exclusions = computed(which=which, egress=egress, scope=scope)
    assert any_per_pod(which, egress=egress, scope=scope) == bool(exclusions.pod_ports)


@pytest.mark.parametrize("services", EVERY_SHAPE)
@pytest.mark.parametrize("scope", PortScope)
def test_without_egress_the_minimal_set_is_the_pages_but_for_what_no_sidecar_dials(
    services: ServicePorts, scope: PortScope
) -> None:
    page = computed(services, scope=scope)
    minimal = computed(services, which=ExclusionSet.MINIMAL, egress=False, scope=scope)
    assert minimal.ip_ranges == {}
    assert minimal.mesh_port_numbers == [port for port in page.mesh_port_numbers if port != 8201]
    legacy = {80} if services in (DAPR_1_13, DAPR_1_18) else set()
    assert minimal.pod_port_numbers == [port for port in page.pod_port_numbers if port not in {8201} | legacy]
    assert all("raft" not in port.reason for port in (*minimal.mesh_ports, *minimal.pod_ports))


@pytest.mark.parametrize("egress", [True, False])
def test_the_pages_set_does_not_depend_on_egress(egress: bool) -> None:
    assert computed(DAPR_1_18, egress=egress) == computed(DAPR_1_18)


def test_what_is_asked_for_beside_it_joins_the_minimal_set() -> None:
    exclusions = computed(which=ExclusionSet.MINIMAL, extra_ports=[9090], extra_ip_ranges=["192.0.2.0/24"])
    assert exclusions.mesh_port_numbers == [6379, 9090]
    assert list(exclusions.ip_ranges) == ["192.0.2.0/24"]


def test_a_scope_of_pods_has_the_schedulers_too() -> None:
    exclusions = computed(DAPR_1_18, scope=PortScope.POD)
    assert exclusions.mesh_port_numbers == []
    assert exclusions.pod_annotation == "80,443,6379,8201,50005,50006"


def test_further_ports_come_after_the_schedulers() -> None:
    assert computed(DAPR_1_18, extra_ports=(443, 9090)).mesh_port_numbers == [50005, 8201, 6379, 50006, 443, 9090]


def test_of_the_schedulers_ports_only_the_one_that_daprd_dials_is_excluded() -> None:
    for scope in PortScope:
        exclusions = computed(DAPR_1_18, scope=scope)
        numbers = set(exclusions.mesh_port_numbers + exclusions.pod_port_numbers)
        assert numbers == {80, 443, 6379, 8201, 50005, 50006}, "neither etcd's ports nor metrics"


def test_the_schedulers_are_explained_by_what_they_are() -> None:
    explained = computed(DAPR_1_18).explained()
    one, hosts = explained["meshPorts"][-1], explained["podPorts"][-1]
    assert (one["service"], hosts["service"]) == ("dapr-scheduler-server", "dapr-scheduler-server-a")
    assert "schedulers" in one["reason"]
    assert "step 5" in one["reason"]
    assert "schedulers" in hosts["reason"]
    assert "step 6" in hosts["reason"]


def test_without_a_scheduler_there_is_nothing_of_it() -> None:
    assert DAPR_1_12.scheduler is DAPR_1_12.scheduler_hosts is None
    assert "scheduler" not in repr(computed(DAPR_1_12).explained())


@pytest.mark.parametrize(
    ("services", "scheduler"),
    [
        (dataclasses.replace(DAPR_1_18, scheduler=ETCD), "dapr-scheduler-server"),
        (dataclasses.replace(DAPR_1_18, scheduler_hosts=ETCD), "dapr-scheduler-server-a"),
    ],
    ids=["one by one", "hosts"],
)
def test_a_scheduler_whose_port_is_named_otherwise_fails_and_is_named(services: ServicePorts, scheduler: str) -> None:
    with pytest.raises(UnknownPortError, match=f"Service {scheduler} has none of the ports named 'api'; it has 'etcd-"):
        computed(services)


def test_the_schedulers_ports_count_towards_the_limit() -> None:
    nine = tuple(range(10001, 10010))
    exclusions = computed(DAPR_1_18, extra_ports=nine)
    assert len(set(exclusions.mesh_port_numbers + exclusions.pod_port_numbers)) == MAX_PORTS
    with pytest.raises(TooManyPortsError, match=r"^16 ports are excluded \(50005, 8201, 6379, 50006, 10001, "):
        computed(DAPR_1_18, extra_ports=(*nine, 20000))


def test_a_port_of_two_services_is_excluded_once_and_explained_for_both() -> None:
    exclusions = computed()
    assert exclusions.pod_port_numbers == [80, 443]
    rows = exclusions.explained()["podPorts"]
    assert [(row["port"], row["service"]) for row in rows] == [
        (80, "dapr-api"),
        (443, "dapr-sentry"),
        (80, "dapr-sentry"),
    ]


def test_the_ports_of_a_scope_of_pods_are_step_5s_and_step_6s_together() -> None:
    exclusions = computed(scope=PortScope.POD)
    assert exclusions.mesh_port_numbers == [], "no other pod of the mesh is touched"
    assert exclusions.pod_annotation == "80,443,6379,8201,50005"


def test_further_ports_are_the_meshs_whatever_the_scope() -> None:
    assert computed(extra_ports=(9090,)).mesh_port_numbers == [50005, 8201, 6379, 9090]
    assert computed(extra_ports=(9090,), scope=PortScope.POD).mesh_port_numbers == [9090]


def test_a_further_port_that_is_excluded_already_stays_in_its_place() -> None:
    assert computed(extra_ports=(6379, 1)).mesh_port_numbers == [50005, 8201, 6379, 1]


def test_without_the_api_server_only_the_asked_for_ranges_are_left() -> None:
    assert list(computed(api_server_ip=None).ip_ranges) == []
    assert list(computed(api_server_ip=None, extra_ip_ranges=("192.0.2.0/24",)).ip_ranges) == ["192.0.2.0/24"]


def test_the_api_server_comes_before_the_asked_for_ranges() -> None:
    exclusions = computed(extra_ip_ranges=("192.0.2.0/24", "10.0.0.0/8"))
    assert list(exclusions.ip_ranges) == ["10.96.0.1/32", "192.0.2.0/24", "10.0.0.0/8"]


@pytest.mark.parametrize("address", ["fd00::1", "2001:db8::1", "None", "", "10.96.0", "kubernetes"])
def test_an_address_that_is_not_ipv4_is_refused_with_the_reason(address: str) -> None:
    with pytest.raises(ValueError, match="OSM can exclude IPv4 addresses only") as caught:
        host_range(address)
    assert repr(address) in str(caught.value)


def test_everything_excluded_is_explained() -> None:
    explained = computed(extra_ports=(9090,), extra_ip_ranges=("192.0.2.0/24",)).explained()
    assert set(explained) == {"ipRanges", "meshPorts", "podPorts"}
    for rows in explained.values():
        assert all(row["reason"] for row in rows)
    assert [row["cidr"] for row in explained["ipRanges"]] == ["10.96.0.1/32", "192.0.2.0/24"]
    assert [row["port"] for row in explained["meshPorts"]] == [50005, 8201, 6379, 9090]
    assert explained["meshPorts"][-1]["service"] == "extraPortExclusions", "an operator sees which setting asked for it"


@pytest.mark.parametrize(("scope", "step"), [(PortScope.MESH, "meshPorts"), (PortScope.POD, "podPorts")])
def test_reasons_name_the_walkthroughs_step(scope: PortScope, step: str) -> None:
    rows = computed(scope=scope).explained()[step]
    assert "(step 5)" in rows[0]["reason"]
    assert "(step 4)" in computed().explained()["ipRanges"][0]["reason"]
    assert "(step 6)" in computed().explained()["podPorts"][0]["reason"]


# --- ports by name ----------------------------------------------------------------------------------------------


def test_ports_come_in_the_order_of_the_wanted_names() -> None:
    ports = [{"name": "b", "port": 2}, {"name": "a", "port": 1}, {"name": "c", "port": 3}]
    assert [found.port for found in ports_by_name("s", ports, ("a", "b"), "why")] == [1, 2]


@pytest.mark.parametrize("unnamed", [{"port": 80}, {"port": 80, "name": None}, {"port": 80, "name": ""}])
def test_a_port_without_a_name_is_wanted_as_an_empty_one(unnamed: dict[str, Any]) -> None:
    assert [found.port for found in ports_by_name("dapr-api", [unnamed], ("", "grpc"), "why")] == [80]


def test_an_unknown_port_error_names_what_was_wanted_and_what_is_there() -> None:
    with pytest.raises(UnknownPortError) as caught:
        ports_by_name("dapr-sentry", [{"name": "tls", "port": 1}, {"port": 2}], ("grpc", "legacy"), "why")
    message = str(caught.value)
    assert "Service dapr-sentry has none of the ports named 'grpc', 'legacy'; it has 'tls', ''." in message


def test_a_service_without_ports_is_said_to_have_none() -> None:
    with pytest.raises(UnknownPortError, match="it has no ports at all"):
        ports_by_name("dapr-api", [], ("grpc",), "why")


@pytest.mark.parametrize("service", ["placement", "api", "sentry", "redis"])
def test_a_service_whose_ports_are_named_otherwise_fails_instead_of_being_left_out(service: str) -> None:
    ports = {name: getattr(DAPR_1_12, name) for name in ("placement", "api", "sentry", "redis")}
    ports[service] = [{"name": "renamed", "port": 1}]
    with pytest.raises(UnknownPortError):
        computed(ServicePorts(**ports))


# --- limits -----------------------------------------------------------------------------------------------------


def test_fifteen_ports_are_the_most_that_a_pod_can_have() -> None:
    ten = tuple(range(10001, 10011))
    exclusions = computed(extra_ports=ten)
    assert len(exclusions.mesh_port_numbers + exclusions.pod_port_numbers) == MAX_PORTS
    with pytest.raises(TooManyPortsError, match=r"^16 ports are excluded \(50005, .*Shorten dapr-osm:extraPort"):
        computed(extra_ports=(*ten, 20000))


def test_ports_that_repeat_do_not_count_towards_the_limit() -> None:
    ten = tuple(range(10001, 10011))
    assert computed(extra_ports=(*ten, 80, 443, 6379, 50005, *ten)).mesh_port_numbers[3:] == [*ten, 80, 443]


@given(
    extra=st.lists(st.integers(min_value=1, max_value=65535), max_size=20),
    near=st.lists(st.sampled_from([80, 443, 6379, 8201, 50005, 50006]), max_size=5),
    scope=st.sampled_from(PortScope),
    release=st.sampled_from(
        [
            (DAPR_1_10, {80, 6379, 8201, 50005}),
            (DAPR_1_12, {80, 443, 6379, 8201, 50005}),
            (DAPR_1_18, {80, 443, 6379, 8201, 50005, 50006}),
        ]
    ),
)
def test_no_pod_ever_gets_more_than_fifteen_ports_or_one_twice(
    extra: list[int], near: list[int], scope: PortScope, release: tuple[ServicePorts, set[int]]
) -> None:
    services, own = release
    wanted = set(extra + near) | own
    if len(wanted) > MAX_PORTS:
        with pytest.raises(TooManyPortsError):
            computed(services, extra_ports=extra + near, scope=scope)
        return
    exclusions = computed(services, extra_ports=extra + near, scope=scope)
    mesh, pod = exclusions.mesh_port_numbers, exclusions.pod_port_numbers
    assert len(set(mesh)) == len(mesh)
    assert len(set(pod)) == len(pod)
    assert set(mesh) | set(pod) == wanted, "nothing is lost and nothing made up"
    assert exclusions.pod_annotation.split(",") == [str(port) for port in sorted(pod)]


@given(st.lists(st.integers()))
def test_unique_keeps_the_order_of_first_appearance(numbers: list[int]) -> None:
    result = unique(numbers)
    assert set(result) == set(numbers)
    assert result == sorted(set(numbers), key=numbers.index)


@given(st.ip_addresses(v=4))
def test_every_ipv4_address_is_a_range_of_one(address: Any) -> None:
    assert host_range(str(address)) == f"{address}/32"
