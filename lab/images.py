"""The lab's images: which files they hold, whom they run as and what they start.

All are named `lab.local/...`, never like upstream's, so that nobody takes one for the other. Names, paths of binaries
and the lack of an entrypoint follow what the charts and Dapr's and OSM's injectors expect of upstream's images.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import oci
from lab.cache import Cache, Entry, digest
from lab.oci import Blob, File
from lab.parts import parts
from lab.paths import Paths

RECIPE = "1"
"""Counts changes of this module that change what an image becomes."""

REGISTRY = "lab.local"
"""Not a host: no registry answers under it, and the kubelet finds every image already there."""

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

NONROOT, APP, REDIS = 65532, 1000, 999
"""Users of the images; Dapr's sentry refuses a user that /etc/passwd and /etc/group don't name."""

PAUSE = f"{REGISTRY}/pause:1"
"""The image of a pod's first process."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one image is made."""

    name: str
    files: tuple[File, ...]
    base: bool = False
    """Whether it stands on the Debian root file system, whose one layer all such images share."""
    user: str = f"{NONROOT}:{NONROOT}"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    folder: str = "/"
    environment: tuple[str, ...] = (PATH,)

    @property
    def config(self) -> dict[str, object]:
        """Return the OCI's words for how it runs."""
        config: dict[str, object] = {"User": self.user, "WorkingDir": self.folder, "Env": list(self.environment)}
        if self.entrypoint:
            config["Entrypoint"] = list(self.entrypoint)
        if self.command:
            config["Cmd"] = list(self.command)
        return config


def _accounts() -> tuple[File, ...]:
    """Return /etc/passwd and /etc/group with every user that an image of the lab runs as."""
    users = {"root": 0, "redis": REDIS, "app": APP, "nobody": 65534, "nonroot": NONROOT}
    passwd = "".join(f"{name}:x:{uid}:{uid}::/:/sbin/nologin\n" for name, uid in users.items())
    group = "".join(f"{name}:x:{uid}:\n" for name, uid in users.items())
    return (File(target="/etc/passwd", content=passwd.encode()), File(target="/etc/group", content=group.encode()))


def _binary(source: Path, target: str | None = None) -> File:
    """Return an executable, at the root where nothing else is said."""
    return File(target=target or f"/{source.name}", source=source, mode=0o755)


def _static(name: str, *files: File, entrypoint: tuple[str, ...] = ()) -> Recipe:
    """Return the recipe of an image that holds static binaries and accounts, and no shell."""
    return Recipe(
        name=f"{REGISTRY}/{name}",
        files=(*files, *_accounts(), File(target="/tmp", mode=0o1777)),  # noqa: S108 - a folder in an image
        entrypoint=entrypoint,
    )


def _dapr(entries: Mapping[str, Entry]) -> list[Recipe]:
    """Return the images of every Dapr release: the binary at the root and no entrypoint.

    Dapr's injector starts its container with the arguments `/daprd ...`: an entrypoint would swallow the first.
    """
    return [
        _static(f"dapr/{binary.name}:{part.version}", _binary(binary))
        for part in parts()
        if part.name.startswith("dapr-") and part.name in entries
        for binary in sorted((entries[part.name].folder / "bin").iterdir())
    ]


def _osm(entries: Mapping[str, Entry]) -> list[Recipe]:
    """Return OSM's images; two of them need a shell: its cleanup hook's and the one that redirects a pod's traffic."""
    entry = entries["osm"]
    version = next(part.version for part in parts() if part.name == "osm")
    crds = [
        File(target=f"/osm-crds/{path.name}", source=path) for path in sorted((entry.folder / "osm-crds").iterdir())
    ]
    programs = [
        _static(f"osm/{binary.name}:{version}", _binary(binary), *(crds if binary.name == "osm-bootstrap" else ()))
        for binary in sorted((entry.folder / "bin").iterdir())
    ]
    kubectl = entries["kubectl"].folder / "bin" / "kubectl"
    return [
        *programs,
        Recipe(
            name=f"{REGISTRY}/osm/osm-crds:{version}",
            base=True,
            files=(_binary(kubectl, "/usr/local/bin/kubectl"), *crds, *_accounts()),
            entrypoint=("kubectl",),
        ),
        # It writes iptables rules: the one image that must run as root, as upstream's does.
        Recipe(name=f"{REGISTRY}/osm/init:{version}", base=True, files=_accounts(), user="0:0", command=("/bin/sh",)),
    ]


REDIS_ENTRYPOINT = b"""\
#!/bin/sh
# Like the official image: options alone mean the server, anything else is run as given.
set -e
case "$1" in
'' | -* | *.conf) set -- redis-server "$@" ;;
esac
exec "$@"
"""


def _debian(entries: Mapping[str, Entry]) -> list[Recipe]:
    """Return the images of programs that need a C library or come from Debian's packages."""
    envoy = next(part.version for part in parts() if part.name == "envoy")
    return [
        Recipe(
            name=f"{REGISTRY}/envoy:{envoy}",
            base=True,
            files=(_binary(entries["envoy"].folder / "bin" / "envoy", "/usr/local/bin/envoy"), *_accounts()),
            entrypoint=("/usr/local/bin/envoy",),
        ),
        Recipe(name=f"{REGISTRY}/curl:1", base=True, files=_accounts(), entrypoint=("curl",)),
        Recipe(
            name=f"{REGISTRY}/redis:7",
            base=True,
            files=(
                File(target="/data", mode=0o755, user=REDIS, group=REDIS),
                File(target="/usr/local/bin/docker-entrypoint.sh", content=REDIS_ENTRYPOINT, mode=0o755),
                *_accounts(),
            ),
            user=f"{REDIS}:{REDIS}",
            folder="/data",
            entrypoint=("docker-entrypoint.sh",),
            command=("redis-server",),
        ),
    ]


def _apps(apps: Path) -> list[Recipe]:
    """Return the two quickstart apps, each a folder of sources run by Debian's interpreter."""
    commands = {"node": ("node", "app.js"), "python": ("python3", "app.py")}
    return [
        Recipe(
            name=f"{REGISTRY}/hello-k8s-{name}:1",
            base=True,
            files=(
                *(
                    File(target=f"/app/{path.relative_to(apps / name)}", source=path)
                    for path in sorted((apps / name).rglob("*"))
                    if path.is_file() and "__pycache__" not in path.parts
                ),
                *_accounts(),
            ),
            user=f"{APP}:{APP}",
            folder="/app",
            command=command,
            environment=(PATH, "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"),
        )
        for name, command in commands.items()
        if (apps / name / command[1]).is_file()
    ]


def recipes(entries: Mapping[str, Entry], apps: Path) -> list[Recipe]:
    """Return how every image is made from the built parts and the apps' sources."""
    pause = entries["pause"].folder / "bin" / "pause"
    return [
        _static("pause:1", _binary(pause), entrypoint=("/pause",)),
        *_dapr(entries),
        *_osm(entries),
        *_debian(entries),
        *_apps(apps),
    ]


def _key(recipe: Recipe, entries: Mapping[str, Entry]) -> str:
    """Return the digest of what decides an image's own layer.

    A file of the cache is known by its path, which carries the digest of its part; any other by its content.
    """
    cached = {entry.folder for entry in entries.values()}
    items: list[str | bytes] = [RECIPE]
    for file in recipe.files:
        items += [file.target, f"{file.mode}:{file.user}:{file.group}", file.content or b""]
        if file.source is not None:
            in_cache = not cached.isdisjoint(file.source.parents)
            items.append(
                f"{file.source.parent.parent.name}/{file.source.name}" if in_cache else file.source.read_bytes()
            )
    return digest(*items)


def _make_layer(recipe: Recipe, folder: Path) -> None:
    """Write an image's own layer and what is known of it."""
    layer = folder / "layer.tar"
    with layer.open("wb") as target:
        oci.write_layer(recipe.files, target)
    _note_blob(layer)


def _note_blob(path: Path) -> Blob:
    """Return a file's blob and write it down beside the file, so that it is hashed only once."""
    blob = Blob.of_file(path)
    path.with_suffix(".json").write_text(json.dumps({"digest": blob.digest, "size": blob.size}))
    return blob


def _blob(path: Path) -> Blob:
    """Return the blob of a file in the cache."""
    try:
        noted = json.loads(path.with_suffix(".json").read_text())
    except FileNotFoundError:
        return _note_blob(path)
    return Blob(noted["digest"], noted["size"], path)


def _entry_name(recipe: Recipe) -> str:
    """Return the name of an image's own layer in the cache."""
    return "image-" + recipe.name.removeprefix(f"{REGISTRY}/").replace("/", "-").replace(":", "-")


def are_built(paths: Paths, entries: Mapping[str, Entry]) -> bool:
    """Tell whether every image's layers are in the cache."""
    cache = Cache(paths.cache)
    return all(cache.find(_entry_name(recipe), _key(recipe, entries)) for recipe in recipes(entries, paths.apps))


def images(paths: Paths, entries: Mapping[str, Entry]) -> list[oci.Image]:
    """Return all images, their layers built into the cache where they are missing."""
    cache = Cache(paths.cache)
    base = entries["rootfs"].folder / "rootfs.tar"
    made = []
    for recipe in recipes(entries, paths.apps):
        make = functools.partial(_make_layer, recipe)
        entry = cache.build(_entry_name(recipe), _key(recipe, entries), make, image=recipe.name)
        own = _blob(entry.folder / "layer.tar")
        layers = [_blob(base), own] if recipe.base else [own]
        made.append(oci.assemble(recipe.name, layers, recipe.config))
    return made
