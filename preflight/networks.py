"""Whether what a stack excludes by address would take its own calls out of the mesh."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final

from cluster.client import Object
from cluster.errors import ApiError
from model.owner import STACK_LABEL
from preflight.finding import Finding, breaks, warns
from preflight.platform import API_SERVICE
from preflight.subject import Subject
from settings import PROJECT

SERVICE_RANGES: Final = "/apis/networking.k8s.io/v1/servicecidrs"
SINGLE: Final = 32
KEY: Final = f"{PROJECT}:extraIpRangeExclusions"


@dataclass(frozen=True, kw_only=True)
class Known:
    """A range or an address of the cluster's own.

    Attributes:
        network: The range.
        label: How it is known.
        own: Whether it is the address of a pod of this stack.
    """

    network: IPv4Network
    label: str
    own: bool = False


def ranges(subject: Subject) -> Iterator[Finding]:
    """Excluded ranges that pods or Services live in: what goes there bypasses the mesh and its policies."""
    given = [ipaddress.IPv4Network(one) for one in subject.settings.extra_ip_ranges]
    if not given or not subject.meshed:
        return
    pods, services = list(_pods(subject)), list(_services(subject))
    api_server = next(_networks([str((_service(subject).get("spec") or {}).get("clusterIP") or "")]), None)
    for one in given:
        if found := _first(one, pods):
            yield breaks(
                f"{KEY} holds {one}, in which pods live ({found.label})",
                "Calls between apps go to pods, so they would bypass the mesh and its policies",
                "Name only what is outside: single hosts as /32, or the ranges around the pods'.",
            )
        elif found := next((known for known in services if known.network.subnet_of(one)), None):
            yield breaks(
                f"{KEY} holds {one}, in which all Services live ({found.label})",
                "Calls to the apps' Services would bypass the mesh and its policies",
                "Name the Services that are meant, each as /32.",
            )
        elif one.prefixlen < SINGLE and (
            (found := _first(one, services)) or (not services and api_server and api_server.subnet_of(one))
        ):
            where = found.label if found else f"the API server's is {api_server and api_server[0]}"
            yield warns(
                f"{KEY} holds {one}, in which Services get their addresses ({where})",
                "Calls to a Service of an app that has one there would bypass the mesh",
                "Name the Services that are meant, each as /32.",
            )


def _first(given: IPv4Network, known: list[Known]) -> Known | None:
    return next((one for one in known if one.network.overlaps(given) and _counts(given, one)), None)


def _counts(given: IPv4Network, known: Known) -> bool:
    """Whether an excluded range matters; a single host is somebody's decision, unless it is a pod of this stack."""
    return given.prefixlen < SINGLE or known.own


def _pods(subject: Subject) -> Iterator[Known]:
    """Where pods live: the stack's own by their addresses, all others by ranges and by where they are seen."""
    for pod in subject.pods or ():
        if (pod.get("spec") or {}).get("hostNetwork"):
            continue
        own = (pod["metadata"].get("labels") or {}).get(STACK_LABEL) == subject.owner.mark
        label = f"{pod['metadata'].get('namespace')}/{pod['metadata']['name']}"
        for network in _networks([str((pod.get("status") or {}).get("podIP") or "")]):
            yield Known(network=network, label=f"{label} has {network[0]}", own=own)
    for node in _nodes(subject):
        spec = node.get("spec") or {}
        for network in _networks(spec.get("podCIDRs") or [spec.get("podCIDR") or ""]):
            yield Known(network=network, label=f"node {node['metadata']['name']} gives them {network}")


def _nodes(subject: Subject) -> list[Object]:
    try:
        return subject.nodes
    except ApiError as error:
        if error.status != 403:
            raise
        return []


def _service(subject: Subject) -> Object:
    return subject.cluster.get(API_SERVICE) or {}


def _services(subject: Subject) -> Iterator[Known]:
    """Where Services get their addresses, where the cluster says it (from Kubernetes 1.33 on)."""
    try:
        found = subject.cluster.items(SERVICE_RANGES)
    except ApiError as error:
        if error.status != 403:
            raise
        return
    for item in found:
        for network in _networks((item.get("spec") or {}).get("cidrs") or []):
            yield Known(network=network, label=str(network))


def _networks(texts: list[str]) -> Iterator[IPv4Network]:
    for text in texts:
        try:
            yield IPv4Network(text)
        except ValueError:
            # IPv6, which OSM does not know, or nothing yet.
            continue
