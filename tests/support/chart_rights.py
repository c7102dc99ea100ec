"""Records what both charts make and grant, for the deployer's manifest: ``python -m tests.support.chart_rights HELM``.

HELM is Helm's own command line; the charts are those of the Go modules that the lab builds from.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from model import helm_values, names
from model.chart import ChartObject, ChartPlan, chart_objects
from model.names import Namespaces
from model.owner import Owner
from model.versions import DAPR_RELEASES, OSM_RELEASE
from preflight.deployer import CHARTS

MODULES: Final = Path.home() / "go/pkg/mod/github.com"
KUBERNETES: Final = "1.34.4"
Values = Mapping[str, Any]


def rendered(helm: str, release: str, namespace: str, chart: Path, values: Values, plan: ChartPlan) -> list[Values]:
    """A chart's objects, as the stack makes them."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(values, file)
        file.flush()
        argv = [helm, "template", release, str(chart), "-n", namespace, "--include-crds", "-f", file.name]
        # Without a cluster Helm takes itself for one of its own version.
        argv += ["--kube-version", KUBERNETES]
        text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout  # noqa: S603 - a tool of ours
    objects = chart_objects(yaml.safe_load_all(text), namespace=namespace, owner=Owner(stack="any"), plan=plan)
    return [compact(item) for item in objects]


def compact(item: ChartObject) -> dict[str, Any]:
    """What of an object its maker's rights depend on."""
    metadata = {"name": item.name, **({"namespace": item.namespace} if item.namespace else {})}
    rules = item.body.get("rules")
    return {
        "apiVersion": item.body["apiVersion"],
        "kind": item.kind,
        "metadata": metadata,
        **({"rules": rules} if rules else {}),
    }


def all_charts(helm: str) -> Iterator[Values]:
    """The objects of every release of Dapr in the table, and OSM's."""
    where = Namespaces()
    for release in DAPR_RELEASES.values():
        values = helm_values.dapr(release=release, mtls=False, registry=None, pull_secret=None, further={})
        chart = MODULES / f"dapr/dapr@v{release.version}" / "charts" / "dapr"
        yield from rendered(helm, names.DAPR_RELEASE_NAME, where.dapr, chart, values, release.chart)
    values = helm_values.osm(registry=None, envoy_image=None, curl_image=None, pull_secret=None, further={})
    chart = MODULES / f"openservicemesh/osm@v{OSM_RELEASE.version}" / "charts" / "osm"
    yield from rendered(helm, names.OSM_RELEASE_NAME, where.osm, chart, values, OSM_RELEASE.chart)


def united(objects: Iterable[Values]) -> list[dict[str, Any]]:
    """Each object once, with all the rules that any release gives it."""
    found: dict[str, dict[str, Any]] = {}
    for item in objects:
        key = json.dumps([item["apiVersion"], item["kind"], item["metadata"]], sort_keys=True)
        one = found.setdefault(key, {**item, **({"rules": []} if "rules" in item else {})})
        for rule in item.get("rules", []):
            if rule not in one.setdefault("rules", []):
                one["rules"].append(rule)
    return sorted(found.values(), key=lambda item: (item["apiVersion"], item["kind"], item["metadata"]["name"]))


def main(arguments: list[str]) -> int:
    """Write the record; an exit code."""
    (helm,) = arguments
    lines = ",\n".join(json.dumps(item) for item in united(all_charts(helm)))
    CHARTS.write_text(f"[\n{lines}\n]\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
