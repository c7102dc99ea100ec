"""Go modules that are compiled without some of their code, because nothing in the lab calls it and it takes minutes.

The module's source is copied, cut and put in the place of the original, for the one build. A cut that finds nothing
to cut is an error: a new release of the module has moved what it is about, and wants to be looked at.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

NEVER_COMPILED = ("testdata", "*_test.go")


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A change of one file: what the pattern finds, which must be just once, becomes the text."""

    path: str
    pattern: str
    """A regular expression, in which `.` is any character and `^` and `$` are borders of lines."""
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Trimmed:
    """What of a module is left out."""

    module: str
    edits: tuple[Edit, ...] = ()
    removed: tuple[str, ...] = ()
    """Files."""
    keep: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Folders with the names of the files that stay in them; further folders in them stay too."""


def copy(source: Path, target: Path, trimmed: Trimmed) -> None:
    """Copy a module's source, which may be read-only, and cut it."""
    shutil.copytree(
        source, target, ignore=shutil.ignore_patterns(*NEVER_COMPILED), copy_function=shutil.copyfile, symlinks=True
    )
    for path in (target, *target.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    cut(target, trimmed)


def cut(folder: Path, trimmed: Trimmed) -> None:
    """Cut a module's source in place."""
    for name in trimmed.removed:
        _there(folder / name, trimmed).unlink()
    for name, kept in trimmed.keep:
        for file in kept:
            _there(folder / name / file, trimmed)
        for path in (folder / name).iterdir():
            if path.is_file() and path.name not in kept:
                path.unlink()
    for edit in trimmed.edits:
        path = _there(folder / edit.path, trimmed)
        changed, found = re.subn(edit.pattern, edit.text, path.read_text(), flags=re.DOTALL | re.MULTILINE)
        if found != 1:
            raise LabError(f"{edit.path} of {trimmed.module} has {found} times, not once: {edit.pattern}")
        path.write_text(changed)


def _there(path: Path, trimmed: Trimmed) -> Path:
    """Return the path of a file, which must be there."""
    if not path.is_file():
        raise LabError(f"{trimmed.module} has no file {path.name} where the lab cuts it")
    return path


def imports(path: str, *packages: str) -> tuple[Edit, ...]:
    """Return the edits that take imports out of a file, whatever names they have there."""
    return tuple(Edit(path=path, pattern=rf'^\t(?:\w+ )?"{re.escape(package)}"[^\n]*\n') for package in packages)


_PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4"

PROVIDER_KUBERNETES = Trimmed(
    module=_PROVIDER,
    edits=(
        # The component resources helm.sh/v4 Chart, yaml/v2 and kustomize/v2 pull in the provider's whole Go SDK.
        *imports(
            "pkg/provider/provider_construct.go",
            f"{_PROVIDER}/pkg/provider/helm/v4",
            f"{_PROVIDER}/pkg/provider/kustomize/v2",
            f"{_PROVIDER}/pkg/provider/yaml/v2",
        ),
        Edit(
            path="pkg/provider/provider_construct.go",
            pattern=r"^(var resourceProviders = [^\n]*\{\n).*?^\}",
            text=r"\1}",
        ),
        *imports("pkg/helm/tool.go", "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/helm/v4"),
        Edit(path="pkg/helm/tool.go", pattern=r"^func ApplyRepositoryOpts\(.*?^\}\n"),
        # As later releases of Pulumi's schema package want it.
        Edit(path="pkg/gen/schema.go", pattern=r"(\bProvider:\s+)(pschema\.ResourceSpec\{)", text=r"\1&\2"),
        # The same package of the release that client-go has since 0.34.
        Edit(
            path="pkg/await/await.go",
            pattern=r'"sigs\.k8s\.io/structured-merge-diff/v4/fieldpath"',
            text='"sigs.k8s.io/structured-merge-diff/v6/fieldpath"',
        ),
    ),
)

_DIY = "backend/diy/backend.go"

PULUMI = Trimmed(
    module="github.com/pulumi/pulumi/pkg/v3",
    removed=tuple(f"cmd/esc/cli/setup_{cloud}.go" for cloud in ("aws", "azure", "gcp")),
    edits=(
        # State in a cloud's storage.
        *imports(
            _DIY,
            *(f"gocloud.dev/blob/{driver}" for driver in ("azureblob", "gcsblob", "s3blob")),
            "github.com/pulumi/pulumi/pkg/v3/authhelpers",
        ),
        *(
            Edit(path=_DIY, pattern=rf"^\tif p\.Scheme == {driver}\.Scheme \{{\n.*?^\t\}}\n")
            for driver in ("gcsblob", "azureblob")
        ),
        *imports("backend/diy/bucket.go", "net/url", "github.com/aws/aws-sdk-go-v2/service/s3"),
        Edit(path="backend/diy/bucket.go", pattern=r"^\t\tvar input \*awss3\.CopyObjectInput\n\t\tif .*?^\t\t\}\n"),
        Edit(path="backend/diy/bucket.go", pattern=r"^func fixupS3CopySource\(.*?^\}\n"),
        # Secrets by a cloud's key service.
        *imports(
            "secrets/cloud/manager.go",
            *(f"gocloud.dev/secrets/{driver}" for driver in ("awskms", "azurekeyvault", "gcpkms", "hashivault")),
            "google.golang.org/api/cloudkms/v1",
            "github.com/pulumi/pulumi/pkg/v3/authhelpers",
            "net/url",
        ),
        Edit(
            path="secrets/cloud/manager.go",
            pattern=r"(^func openKeeper\([^\n]*\n).*?^\}",
            text=r"\1\treturn gosecrets.OpenKeeper(ctx, url)\n}",
        ),
        # Setting up a cloud's accounts for Pulumi's own service.
        Edit(
            path="cmd/esc/cli/setup.go",
            pattern=r"^\tsetup := &setupCommand\{env: env\}\n\n(?:\tcmd\.AddCommand\(newSetup\w+Cmd\(setup\)\)\n){3}",
        ),
    ),
)


def daprd(*resolvers: str) -> Trimmed:
    """Return what is left out of daprd: most of its two hundred kinds of components.

    What stays beside the in-memory ones is Redis, whatever it can be used for, Kubernetes' Secrets, and resolvers.
    `resolvers` are further ones, which a release has beside those by Kubernetes and mDNS.
    """
    return Trimmed(
        module="github.com/dapr/dapr",
        keep=(
            (
                "cmd/daprd/components",
                (
                    *(f"{kind}_redis.go" for kind in ("configuration", "lock", "pubsub", "state")),
                    *(f"{kind}_in-memory.go" for kind in ("pubsub", "state")),
                    "secretstores_kubernetes.go",
                    *(f"nameresolution_{name}.go" for name in ("kubernetes", "mdns", *resolvers)),
                ),
            ),
        ),
    )
