"""Both charts, rendered for this stack and this cluster by the Kubernetes provider, however that is asked."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from model import helm_values, names
from model.chart import ChartObject, chart_objects
from model.leaks import without
from model.owner import Owner
from model.versions import OSM_RELEASE
from settings import Chart, Settings

Render = Callable[[str], Any]
"""Asks the provider's ``kubernetes:helm:template``: its options as JSON; a list of objects, or None."""

# What a message says first where a chart can't be had.
FETCH: Final = "failed to pull chart"


class ChartError(ValueError):
    """A chart can't be rendered; says which, from where, and why."""


@dataclass(frozen=True, kw_only=True)
class Renderer:
    """Renders charts as Helm would, with the cluster's version and APIs.

    Attributes:
        render: Asks the Kubernetes provider.
        owner: The stack.
        pull_secret: Name of the Secret that control planes pull images with, or None.
        credentials: What private charts are fetched with: ``username``, ``password``, ``caCert``; empty for none.
    """

    render: Render
    owner: Owner
    pull_secret: str | None
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)

    def dapr(self, settings: Settings) -> tuple[ChartObject, ...]:
        """Dapr's chart (step 1)."""
        values = helm_values.dapr(
            release=settings.dapr,
            mtls=settings.dapr_mtls,
            registry=settings.images.dapr_registry,
            pull_secret=self.pull_secret,
            further=settings.dapr_values,
        )
        namespace = settings.namespaces.dapr
        hidden = settings.dapr_values if settings.secret_dapr_values else {}
        rendered = self._render("daprChart", settings.dapr_chart, names.DAPR_RELEASE_NAME, namespace, values, hidden)
        return chart_objects(rendered, namespace=namespace, owner=self.owner, plan=settings.dapr.chart)

    def osm(self, settings: Settings) -> tuple[ChartObject, ...]:
        """OSM's chart (step 2)."""
        values = helm_values.osm(
            registry=settings.images.osm_registry,
            envoy_image=settings.images.envoy,
            curl_image=settings.images.curl,
            pull_secret=self.pull_secret,
            further=settings.osm_values,
        )
        namespace = settings.namespaces.osm
        hidden = settings.osm_values if settings.secret_osm_values else {}
        rendered = self._render("osmChart", settings.osm_chart, names.OSM_RELEASE_NAME, namespace, values, hidden)
        return chart_objects(rendered, namespace=namespace, owner=self.owner, plan=OSM_RELEASE.chart)

    def _render(
        self, key: str, chart: Chart, name: str, namespace: str, values: Mapping[str, Any], hidden: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        with _fetching(chart, name, self.credentials) as where, _told_as_one_line(key, chart, self.credentials, hidden):
            options = {
                **where,
                "namespace": namespace,
                "release_name": name,
                "values": values,
                "version": chart.version,
            }
            found = self.render(json.dumps(options))
        if not found:
            raise ChartError(f"dapr-osm:{key}: {chart.source} {chart.version} renders to nothing")
        return [with_whole_numbers(item) for item in found if item]


def with_whole_numbers(value: Any) -> Any:
    """What came from the provider, with ports and the like as what they are: its protocol knows fractions only."""
    if isinstance(value, Mapping):
        return {key: with_whole_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_whole_numbers(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def source_options(chart: Chart, name: str) -> dict[str, Any]:
    """Where a chart is, as the provider wants to be told.

    Args:
        chart: The chart.
        name: Its name in a repository.
    """
    if chart.repository:
        return {"chart": name, "fetch_opts": {"repo": chart.repository}}
    if chart.source.startswith("oci://"):
        return {"chart": chart.source}
    return {"path": chart.source}


@contextmanager
def _fetching(chart: Chart, name: str, credentials: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Where a chart is, and what it is fetched with: a certificate and a login are files, for the call only."""
    options = source_options(chart, name)
    if not chart.credentials or not credentials:
        yield options
        return
    with tempfile.TemporaryDirectory(prefix="chart-") as folder:
        fetch = options.setdefault("fetch_opts", {})
        if certificate := credentials.get("caCert"):
            fetch["ca_file"] = _private_file(Path(folder) / "ca.crt", certificate)
        if "username" in credentials:
            fetch |= {"username": credentials["username"], "password": credentials.get("password", "")}
            if chart.source.startswith("oci://"):
                login = _private_file(Path(folder) / "config.json", registry_login(chart.source, credentials))
                options["helm_registry_config"] = login
        yield options


def _private_file(path: Path, content: str) -> str:
    path.touch(mode=0o600)
    path.write_text(content)
    return str(path)


def registry_login(source: str, credentials: Mapping[str, str]) -> str:
    """A container client's config.json for the registry of an ``oci://`` address."""
    host = urlsplit(source).netloc
    pair = f"{credentials['username']}:{credentials.get('password', '')}"
    return json.dumps({"auths": {host: {"auth": base64.b64encode(pair.encode()).decode()}}})


def _leaves(value: Any) -> Iterator[str]:
    """Every text and number in Helm values."""
    if isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


@contextmanager
def _told_as_one_line(
    key: str, chart: Chart, credentials: Mapping[str, str], hidden: Mapping[str, Any]
) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        said = str(error)
        if password := credentials.get("password"):
            # However short.
            said = said.replace(password, "[secret]")
        text = " ".join(without(said, [password or "", *_leaves(hidden)]).split())
        mend = (
            "Is the address right, and can this machine reach it? A copy may stand in the project: a path works too."
            if FETCH in str(error)
            else "The chart does not take these values, or is not the release's."
        )
        raise ChartError(f"dapr-osm:{key}: {chart.source} {chart.version} can't be rendered: {text}. {mend}") from error
