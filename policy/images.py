"""Where images come from, and whether it is known which one runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from policy.found import Asked, Found, NotKnown, found, not_known
from policy.objects import UNKNOWN, Object, Path, containers, listed, pod_path

DOCKER_HUB: Final = "docker.io"
# Environment variables and annotations by which Dapr and OSM are told which sidecars to put into pods.
IMAGE_VARIABLE: Final = re.compile(r"_IMAGE$")
IMAGE_ANNOTATIONS: Final = ("dapr.io/sidecar-image",)
IMAGE_SETTINGS: Final = ("envoyImage", "envoyWindowsImage", "initContainerImage")


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image's name, taken apart.

    Attributes:
        repository: Registry and path, with what a container client adds by itself.
        tag: Its tag, or empty.
        digest: Its digest, or empty.
    """

    repository: str
    tag: str = ""
    digest: str = ""


def parse(name: str) -> Image:
    """Take a name apart, by the rules of container clients.

    Source: github.com/distribution/reference: without a dot, a colon or ``localhost`` in front it is Docker Hub's, and
    a single word is one of its official images.
    """
    rest, _, digest = name.strip().partition("@")
    path, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        path, tag = rest, ""
    first, slash, _ = path.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        path = f"{DOCKER_HUB}/{path}" if slash else f"{DOCKER_HUB}/library/{path}"
    return Image(repository=path.replace("index.docker.io/", f"{DOCKER_HUB}/", 1), tag=tag, digest=digest)


def is_from(image: Image, places: list[str]) -> bool:
    """Whether it comes from one of these registries, or paths in them."""
    return any(f"{image.repository}/".startswith(f"{place.rstrip('/')}/") for place in places)


def named(item: Object) -> Iterator[tuple[str, Path, Any]]:
    """Every image that an object names: whose it is, where it stands, its name."""
    for container in containers(item):
        yield f"container {container.name}", (*container.path, "image"), container.body.get("image")
        env = container.body.get("env")
        for number, variable in enumerate(env if isinstance(env, list) else ()):
            name = variable.get("name") if isinstance(variable, Mapping) else None
            if isinstance(name, str) and IMAGE_VARIABLE.search(name) and variable.get("value"):
                whose = f"variable {name} of container {container.name}"
                yield whose, (*container.path, "env", number, "value"), variable["value"]
    pods = pod_path(item)
    if pods is not None:
        for number, volume in enumerate(listed(item.at(*pods, "spec", "volumes"))):
            path = (*pods, "spec", "volumes", number, "image", "reference")
            if isinstance(volume, Mapping) and item.at(*path):
                yield f"volume {volume.get('name', '?')}", path, item.at(*path)
        for annotation in IMAGE_ANNOTATIONS:
            path = (*pods, "metadata", "annotations", annotation)
            if item.at(*path):
                yield f"annotation {annotation}", path, item.at(*path)
    for setting, path, value in _of_mesh(item):
        yield f"the mesh's {setting}", path, value


def _of_mesh(item: Object) -> Iterator[tuple[str, Path, Any]]:
    for path, sidecar in mesh_settings(item, "sidecar"):
        for setting in IMAGE_SETTINGS:
            if sidecar.get(setting):
                yield setting, (*path, setting), sidecar[setting]


def mesh_settings(item: Object, part: str) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """A part of the mesh's settings: in a MeshConfig, and in the preset of which OSM makes the first one."""
    if item.kind == "MeshConfig":
        settings = item.at("spec", part)
        if isinstance(settings, Mapping):
            yield ("spec", part), settings
    preset = item.at("data", "preset-mesh-config.json") if item.kind == "ConfigMap" else None
    if isinstance(preset, str):
        try:
            settings = json.loads(preset).get(part)
        except (ValueError, AttributeError):
            return
        if isinstance(settings, Mapping):
            yield ("data", "preset-mesh-config.json"), settings


def images(asked: Asked) -> Iterator[Found | NotKnown]:
    """The rule."""
    item, places = asked.item, list(asked.parameters["registries"])
    allowed = ", ".join(places) or "no registry at all"
    for whose, path, name in named(item):
        if name is UNKNOWN:
            yield not_known(item, *path)
            continue
        if not isinstance(name, str) or not name:
            # Pods of a template that is completed elsewhere; Kubernetes refuses them where they are not.
            continue
        image = parse(name)
        if not is_from(image, places):
            yield found(item, f"{whose} has {item.quoted(path, name)}, which is not from {allowed}")
        if not image.digest and image.tag in ("", "latest"):
            what = "latest is another image from day to day" if image.tag else "without a tag it is latest"
            yield found(item, f"{whose} has {item.quoted(path, name)}: {what}. Name a version or a digest")
