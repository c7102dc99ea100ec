"""Previews of a stack by any revision of the program: on a cluster that is not there, or on the stack's own.

Without a cluster nothing has to be known or reached: no state, no passphrase, no kubeconfig. A revision's files are
laid out in a folder of their own; what is encrypted in its stack file is replaced by stand-ins.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from review import nowhere
from review.events import Preview, parse
from review.tools import ToolError, commit_of, git, pulumi
from settings.project import PROJECT, ROOT

STAND_IN: Final = "stand-in"
# Stand-ins that have a form.
STAND_INS: Final[Mapping[str, str]] = {
    "registryCredentials": '{"auths": {"registry.example": {"auth": "c3RhbmQ6aW4="}}}',
}
# Needed for nothing but to fetch private charts, which a stand-in can't.
DROPPED: Final = ("chartCredentials",)
# The one setting without a default.
REQUIRED: Final = "redisPassword"
# Names that Pulumi makes up would be others in each preview, and with them the checksums of whatever uses them.
NAMED_ALIKE: Final = {"pulumi:autonaming": {"mode": "verbatim"}}
CHARTS: Final = ("daprChart", "osmChart")
# Variables that would lead to somebody's state or cluster.
LED_ASTRAY: Final = ("PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_ACCESS_TOKEN", "PULUMI_STACK", "DAPR_OSM_TAKE_OVER")


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A revision of the project, laid out.

    Attributes:
        name: What it is called.
        folder: Where it is.
    """

    name: str
    folder: Path

    def stack_file(self, stack: str) -> str:
        """A stack's file; empty where the revision has none."""
        path = self.folder / f"Pulumi.{stack}.yaml"
        return path.read_text(encoding="utf-8") if path.is_file() else ""


@contextmanager
def laid_out(revision: str | None, project: Path = ROOT) -> Iterator[Revision]:
    """A revision of the project in a folder of its own, for as long as the context lasts.

    Args:
        revision: A commit, a branch or a tag; None for the project's files as they are now.
        project: The project.

    Raises:
        ToolError: There is no such revision.
    """
    if revision is None:
        yield Revision(name="the working copy", folder=project)
        return
    archive = git("archive", "--format=tar", commit_of(revision, project), folder=project)
    with tempfile.TemporaryDirectory(prefix="revision-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        yield Revision(name=revision, folder=Path(folder))


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Pulumi's CLI.

    Attributes:
        environment: The variables that it runs with.
        project: The project whose packages and charts every revision is run with.
    """

    environment: Mapping[str, str] = field(repr=False)
    project: Path = ROOT

    def both(self, base: Revision, head: Revision, stack: str, *, cluster: bool) -> tuple[Preview, Preview]:
        """Both revisions' previews of a stack, made side by side.

        Args:
            base: One revision.
            head: The other one.
            stack: The stack.
            cluster: Whether on the stack's own cluster, from its own state.

        Raises:
            ToolError: One of them can't be made.
        """
        make = self.on_its_cluster if cluster else self.on_none
        with ThreadPoolExecutor(max_workers=2) as pool:
            first, second = pool.map(lambda one: make(one, stack), (base, head))
        return first, second

    def on_its_cluster(self, revision: Revision, stack: str) -> Preview:
        """What a revision would do to the stack as it is deployed."""
        with self._linked(revision, revision.stack_file(stack)):
            return self._preview(revision, stack, self._own({}))

    def on_none(self, revision: Revision, stack: str) -> Preview:
        """What a revision makes where nothing is."""
        text = revision.stack_file(stack)
        if not text:
            raise ToolError(f"{revision.name} has no Pulumi.{stack}.yaml")
        content = yaml.safe_load(text) or {}
        config = {key: value for key, value in (content.get("config") or {}).items() if not _is_of(key, DROPPED)}
        open_config, secrets = without_secrets(config)
        context = config.get(f"{PROJECT}:kubeContext") or config.get("kubernetes:context") or "none"
        with (
            self._linked(revision, text),
            tempfile.TemporaryDirectory(prefix="nowhere-") as made,
            nowhere.kubeconfig(Path(made), str(context)) as kubeconfig,
        ):
            folder = Path(made)
            environment = self._own(
                {
                    "KUBECONFIG": str(kubeconfig),
                    "NO_PROXY": "127.0.0.1",
                    "no_proxy": "127.0.0.1",
                    "PULUMI_BACKEND_URL": f"file://{folder}",
                    "PULUMI_CONFIG_PASSPHRASE": STAND_IN,
                }
            )
            file = self._stack(folder / "stack", stack, open_config, secrets, environment)
            return self._preview(revision, stack, environment, "--config-file", str(file))

    def _stack(
        self,
        folder: Path,
        stack: str,
        config: Mapping[str, Any],
        secrets: Mapping[str, str],
        environment: Mapping[str, str],
    ) -> Path:
        """A stack in a state of its own; its config file."""
        folder.mkdir()
        file = folder / f"Pulumi.{stack}.yaml"
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump({"name": PROJECT, "runtime": "python"}))
        file.write_text(yaml.safe_dump({"config": {**config, **NAMED_ALIKE}}))
        self._say(["stack", "init", stack], folder, environment)
        given = [argument for path, value in secrets.items() for argument in ("--secret", f"{path}={value}")]
        self._say(["config", "set-all", "--stack", stack, "--path", *given], folder, environment)
        return file

    def _preview(self, revision: Revision, stack: str, environment: Mapping[str, str], *flags: str) -> Preview:
        done = pulumi(["preview", "--json", "--stack", stack, *flags], revision.folder, environment)
        if not done.stdout.strip():
            raise ToolError(f"{revision.name} can't be previewed: {' '.join(done.stderr.split())}")
        return parse(done.stdout.splitlines(), name=f"the preview of {revision.name}")

    @contextmanager
    def _linked(self, revision: Revision, stack_file: str) -> Iterator[None]:
        """A revision with what none has: the virtual environment, and folders of charts that are not committed."""
        config = (yaml.safe_load(stack_file) or {}).get("config") or {}
        sources = [str(config.get(f"{PROJECT}:{key}") or "") for key in CHARTS]
        folders = {Path(source).parts[0] for source in sources if source and "://" not in source}
        for name in (".venv", *sorted(folders)):
            if (self.project / name).exists() and not (revision.folder / name).exists():
                (revision.folder / name).symlink_to(self.project / name)
        yield

    def _own(self, further: Mapping[str, str]) -> dict[str, str]:
        """The variables, but those that would lead elsewhere than the further ones do."""
        return {
            **{key: value for key, value in self.environment.items() if not further or key not in LED_ASTRAY},
            **further,
        }

    def _say(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        done = pulumi(arguments, folder, environment)
        if done.returncode != 0:
            raise ToolError(f"pulumi {' '.join(arguments[:2])}: {' '.join(done.stderr.split())}")


def _is_of(key: str, names: Sequence[str]) -> bool:
    return key in {f"{PROJECT}:{name}" for name in names}


def without_secrets(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A config without what is encrypted in it, and by path a stand-in for each such value.

    The stand-in is there because a setting may be asked for as secret, and because what is secret shows as such.
    """
    secrets: dict[str, str] = {f"{PROJECT}:{REQUIRED}": STAND_IN}

    def opened(value: Any, path: str) -> Any:
        if isinstance(value, Mapping):
            if set(value) == {"secure"}:
                secrets[path] = STAND_INS.get(path.removeprefix(f"{PROJECT}:"), STAND_IN)
                return None
            inside = {key: opened(inner, f'{path}["{key}"]') for key, inner in value.items()}
            return {key: inner for key, inner in inside.items() if inner is not None or value[key] is None}
        if isinstance(value, list):
            return [opened(item, f"{path}[{number}]") for number, item in enumerate(value)]
        return value

    found = {str(key): opened(value, str(key)) for key, value in config.items()}
    return {key: value for key, value in found.items() if key not in secrets}, secrets
