"""Charts as the real Kubernetes provider renders them, and the recordings of it that graph tests run on.

``python -m tests.support.rendering`` renders anew and writes ``tests/graph/charts/``; it needs Go and the lab's build
of the provider, and no cluster: what the provider asks of one is answered here.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import grpc  # type: ignore[import-untyped]
from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from lab import build, parts
from lab.cache import Cache
from lab.charts import release
from lab.paths import default_paths
from model.route import Route
from model.versions import DEFAULT_DAPR_VERSION, OSM_RELEASE

Object = dict[str, Any]
Values = Mapping[str, Any]

RECORDED: Final = Path(__file__).parent.parent / "graph" / "charts"
# The release that stands for a way of riding the mesh.
RELEASE_OF: Final[Mapping[Route, str]] = {
    Route.DNS_NAME: "1.12.0",
    Route.ADDRESS: "1.16.0",
    Route.NAME_FORMAT: DEFAULT_DAPR_VERSION,
}
VERSION: Final = "{version}"
# What the program itself gives each chart; said here once more, for it is under test.
_EVERY: Final = {
    "global": {"mtls": {"enabled": False}, "tag": VERSION},
    "dapr_rbac": {"secretReader": {"enabled": False}},
}
_SCHEDULER: Final = {"dapr_scheduler": {"cluster": {"storageSize": "16Gi"}}}
DAPR_BASE: Final[Mapping[Route, Values]] = {
    Route.DNS_NAME: _EVERY,
    Route.ADDRESS: {**_EVERY, "dapr_operator": {"serviceReconciler": {"enabled": False}}, **_SCHEDULER},
    Route.NAME_FORMAT: {**_EVERY, **_SCHEDULER},
}
OSM_BASE: Final[Values] = {"osm": {"meshName": "osm", "enablePermissiveTrafficPolicy": False}}
# What tests change of them.
DAPR_FURTHER: Final[tuple[Values, ...]] = (
    {"global": {"imagePullSecrets": "registry-credentials"}},
    {"global": {"registry": "mirror.example/dapr"}},
    {"global": {"logAsJson": True}},
    # Of the committed stack files.
    {"global": {"registry": "registry.example/daprio"}},
)
DAPR_FURTHER_OF: Final[Mapping[Route, tuple[Values, ...]]] = {
    Route.DNS_NAME: (),
    Route.ADDRESS: ({"global": {"mtls": {"enabled": True}}},),
    # 1.16's chart refuses the first one.
    Route.NAME_FORMAT: (
        {"dapr_scheduler": {"cluster": {"inMemoryStorage": True}}},
        {"dapr_scheduler": {"cluster": {"storageClassName": "slow"}}},
        {"global": {"ha": {"enabled": True}}},
    ),
}
# The image that OSM's chart names.
ENVOY: Final = (
    "envoyproxy/envoy-distroless:v1.22.2@sha256:541d31419b95e3c62d8cc0967db9cdb4ad2782cc08faa6f15f04c081200e324a"
)
OSM_FURTHER: Final[tuple[Values, ...]] = (
    {"osm": {"imagePullSecrets": [{"name": "registry-credentials"}]}},
    {"osm": {"image": {"registry": "mirror.example/osm"}}},
    {"osm": {"image": {"tag": f"v{VERSION}-patched"}}},
    # Both are parts of one text.
    {"osm": {"image": {"registry": "mirror.example/osm", "tag": f"v{VERSION}-patched"}}},
    {"osm": {"sidecarImage": "mirror.example/envoy:1"}},
    {"osm": {"curlImage": "mirror.example/curl:1"}},
    {"osm": {"injector": {"replicaCount": 2}}},
    {"osm": {"osmController": {"replicaCount": 2}}},
    # Of the committed stack files.
    {"osm": {"image": {"registry": "registry.example/openservicemesh"}}},
    {"osm": {"sidecarImage": f"registry.example/{ENVOY}"}},
    {"osm": {"curlImage": "registry.example/curlimages/curl:8.10.1"}},
)


def merged(one: Any, other: Any) -> Any:
    """Both, deeply; where both have a value, the second one's."""
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return other
    return {**one, **{key: merged(one.get(key), value) for key, value in other.items()}}


class _Api(BaseHTTPRequestHandler):
    """An API server that knows its version and no kinds."""

    def do_GET(self) -> None:
        """Answer what the provider asks before it renders."""
        answers: dict[str, Object] = {
            "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.0"},
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
            "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
        }
        body = json.dumps(answers.get(self.path.partition("?")[0], {"kind": "Status", "code": 404})).encode()
        self.send_response(200 if self.path.partition("?")[0] in answers else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def _kubeconfig() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "none",
                    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
                    "clusters": [
                        {"name": "none", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}
                    ],
                    "users": [{"name": "none", "user": {}}],
                }
            )
        finally:
            server.shutdown()
            thread.join()


class Renderer:
    """The provider, asked to render."""

    def __init__(self, provider: provider_pb2_grpc.ResourceProviderStub) -> None:
        self._provider = provider

    def render(self, folder: Path, *, name: str, namespace: str, values: Values) -> list[Object]:
        """A chart's objects, hooks and definitions included, as the program gets them."""
        options = {
            "path": str(folder),
            "release_name": name,
            "namespace": namespace,
            "values": values,
        }
        answer = self._provider.Invoke(
            provider_pb2.InvokeRequest(tok="kubernetes:helm:template", args=_struct({"jsonOpts": json.dumps(options)})),
            timeout=60,
        )
        found = json_format.MessageToDict(answer)["return"]["result"]
        return [_plain(item) for item in found if item]


def _struct(values: Values) -> Any:
    struct = struct_pb2.Struct()
    struct.update(values)
    return struct


def _plain(value: Any) -> Any:
    # The wire knows floating point numbers only.
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@contextlib.contextmanager
def renderer(binary: Path) -> Iterator[Renderer]:
    """Start the provider, on no cluster, and stop it at the end.

    Args:
        binary: ``pulumi-resource-kubernetes``.
    """
    with _kubeconfig() as kubeconfig, tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(  # noqa: S603 - the lab's own
            [binary, "127.0.0.1:1"],  # nobody listens to its log
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": home},
            text=True,
        )
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            with grpc.insecure_channel(
                f"127.0.0.1:{port}", options=[("grpc.max_receive_message_length", 1 << 28)]
            ) as channel:
                stub = provider_pb2_grpc.ResourceProviderStub(channel)
                stub.Configure(
                    provider_pb2.ConfigureRequest(
                        variables={"kubernetes:config:kubeconfig": kubeconfig},
                        args=_struct({"kubeconfig": kubeconfig}),
                        acceptSecrets=True,
                    ),
                    timeout=60,
                )
                yield Renderer(stub)
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()


def provider_binary() -> Path:
    """The provider, as the lab builds it; built first where it never was."""
    name, paths = "pulumi-resource-kubernetes", default_paths()
    (part,) = (one for one in parts.parts() if one.name == name)
    entry = Cache(paths.cache).find(name, build.key(part)) or build.build(paths)[name]
    return entry.folder / "bin" / name


def chart(project: str, version: str, folder: Path) -> Path:
    """The chart of a release, as its project would publish it: made from the source that the lab pins.

    Args:
        project: ``dapr`` or ``osm``.
        version: The release.
        folder: Where to put it.
    """
    modules = parts.GO / (f"dapr-{version}" if project == "dapr" else "osm")
    module = {"dapr": "github.com/dapr/dapr", "osm": "github.com/openservicemesh/osm"}[project]
    subprocess.run(["go", "mod", "download", module], cwd=modules, check=True)  # noqa: S603, S607 - Go, on our own go.mod
    source = subprocess.run(  # noqa: S603 - Go, on our own go.mod
        ["go", "list", "-m", "-f", "{{.Dir}}", module],  # noqa: S607
        cwd=modules,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    target = folder / f"{project}-{version}"
    app_version = version if project == "dapr" else f"v{version}"
    release(Path(source) / "charts" / project, target, version=version, app_version=app_version)
    return target


def condensed(objects: list[Object], version: str) -> list[Object]:
    """A rendering without definitions' schemas, and with its version left open."""
    kept = [{**item, "spec": _without_schemas(item["spec"])} if _is_definition(item) else item for item in objects]
    found: list[Object] = json.loads(json.dumps(kept).replace(version, VERSION))
    return sorted(found, key=key_of)


def key_of(item: Object) -> tuple[str, str, str]:
    """What tells a chart's objects apart."""
    return (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])


def _is_definition(item: Object) -> bool:
    return bool(item["kind"] == "CustomResourceDefinition")


def _without_schemas(spec: Object) -> Object:
    versions = [{key: value for key, value in one.items() if key != "schema"} for one in spec["versions"]]
    return {**spec, "versions": versions}


def released(value: Any, version: str) -> Any:
    """Recorded values or objects, of this version."""
    return json.loads(json.dumps(value).replace(VERSION, version))


def recording(render: Renderer, folder: Path, *, name: str, version: str, base: Values, further: Any) -> Object:
    """All renderings of one chart that tests run on: with the program's own values, and what others make of it."""

    def rendered(values: Values) -> list[Object]:
        found = render.render(
            folder, name=name, namespace=f"{name}-system", values=released(merged(base, values), version)
        )
        return condensed(found, version)

    first = rendered({})
    before = {key_of(item): item for item in first}
    variants = []
    for values in further:
        objects = rendered(values)
        changed = [item for item in objects if before.get(key_of(item)) != item]
        gone = [list(key) for key in before if key not in {key_of(item) for item in objects}]
        variants.append({"values": values, "changed": changed, "gone": gone})
    return {"values": base, "objects": first, "variants": variants}


def recordings(binary: Path) -> Iterator[tuple[str, Object]]:
    """Every recording, by its file's name."""
    with renderer(binary) as render, tempfile.TemporaryDirectory() as folder:
        for route, version in RELEASE_OF.items():
            further = (*DAPR_FURTHER, *DAPR_FURTHER_OF[route])
            source = chart("dapr", version, Path(folder))
            base = DAPR_BASE[route]
            yield (
                f"dapr-{route.value}.json",
                recording(render, source, name="dapr", version=version, base=base, further=further),
            )
        source = chart("osm", OSM_RELEASE.version, Path(folder))
        yield (
            "osm.json",
            recording(render, source, name="osm", version=OSM_RELEASE.version, base=OSM_BASE, further=OSM_FURTHER),
        )


def text_of(recorded: Object) -> str:
    """A recording as its file: an object a line."""

    def rows(objects: list[Any]) -> str:
        return "".join(f"\n  {json.dumps(item, sort_keys=True)}," for item in objects).rstrip(",")

    return (
        f'{{"values": {json.dumps(recorded["values"], sort_keys=True)},\n'
        f' "objects": [{rows(recorded["objects"])}],\n "variants": [{rows(recorded["variants"])}]}}\n'
    )


def main() -> None:
    """Write the recordings."""
    RECORDED.mkdir(exist_ok=True)
    for file, recorded in recordings(provider_binary()):
        (RECORDED / file).write_text(text_of(recorded))
        print(f"{file}: {len(recorded['objects'])} objects, {len(recorded['variants'])} variants")


if __name__ == "__main__":
    main()
