"""Assembles container images by hand: layers as tar archives, and an archive that containerd imports.

No container engine and no registry take part. Everything is deterministic: the same files give the same digests, so an
image that is in containerd already is recognised and not imported again.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"

NAME_ANNOTATION = "io.containerd.image.name"
"""containerd's `import` names an image by this annotation, in full."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One file or folder of a layer: its content is a file's or given here; without either it is a folder."""

    target: str
    source: Path | None = None
    content: bytes | None = None
    mode: int = 0o644
    user: int = 0
    group: int = 0


@dataclass(frozen=True)
class Blob:
    """A piece of an image, named by the digest of its content."""

    digest: str
    size: int
    source: Path | bytes

    @staticmethod
    def of(data: bytes) -> Blob:
        """Return the blob of some bytes."""
        return Blob(f"sha256:{hashlib.sha256(data).hexdigest()}", len(data), data)

    @staticmethod
    def of_file(path: Path) -> Blob:
        """Return the blob of a file."""
        with path.open("rb") as file:
            total = hashlib.file_digest(file, "sha256")
        return Blob(f"sha256:{total.hexdigest()}", path.stat().st_size, path)

    def descriptor(self, media_type: str) -> dict[str, object]:
        """Return what a manifest or index says of the blob."""
        return {"mediaType": media_type, "digest": self.digest, "size": self.size}


def _folders(files: Iterable[File]) -> list[str]:
    """Return the parent folders of the files that are not given themselves, outermost first."""
    given = {file.target.strip("/") for file in files}
    parents = {str(parent) for name in given for parent in Path(name).parents if str(parent) != "."}
    return sorted(parents - given)


def write_layer(files: Sequence[File], target: IO[bytes]) -> None:
    """Write a layer; times are zero and the order is by name, so that equal files make equal layers.

    Parent folders come with it, for everybody to read; so don't put a file into a folder of the layer below that is
    more private or more open than that.
    """
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in _folders(files):
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(member)
        for file in sorted(files, key=lambda item: item.target):
            member = tarfile.TarInfo(file.target.strip("/"))
            member.mode, member.uid, member.gid = file.mode, file.user, file.group
            if file.source is not None:
                member.size = file.source.stat().st_size
                with file.source.open("rb") as content:
                    archive.addfile(member, content)
            elif file.content is not None:
                member.size = len(file.content)
                archive.addfile(member, io.BytesIO(file.content))
            else:
                member.type = tarfile.DIRTYPE
                archive.addfile(member)


@dataclass(frozen=True)
class Image:
    """An image ready to be imported: its name and its blobs."""

    name: str
    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """All its blobs."""
        return (*self.layers, self.config, self.manifest)


def _json(value: object) -> bytes:
    """Return canonical JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def assemble(name: str, layers: Sequence[Blob], config: Mapping[str, object]) -> Image:
    """Return the image of these layers (not compressed) that runs as `config` says, in the OCI's words."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "dapr-osm lab"} for _ in layers],
    }
    config_blob = Blob.of(_json(document))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config_blob.descriptor(CONFIG_TYPE),
        "layers": [layer.descriptor(LAYER_TYPE) for layer in layers],
    }
    return Image(name, Blob.of(_json(manifest)), config_blob, tuple(layers))


def write_archive(images: Sequence[Image], target: IO[bytes]) -> None:
    """Write an OCI archive of several images to a stream; a layer that they share is in it once."""
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [
            {**image.manifest.descriptor(MANIFEST_TYPE), "annotations": {NAME_ANNOTATION: image.name}}
            for image in images
        ],
    }
    blobs = {blob.digest: blob for image in images for blob in image.blobs}
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        for name, data in (("oci-layout", _json({"imageLayoutVersion": "1.0.0"})), ("index.json", _json(index))):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for key in sorted(blobs):
            blob = blobs[key]
            member = tarfile.TarInfo(f"blobs/{key.replace(':', '/')}")
            member.size = blob.size
            if isinstance(blob.source, bytes):
                archive.addfile(member, io.BytesIO(blob.source))
            else:
                with blob.source.open("rb") as content:
                    archive.addfile(member, content)
