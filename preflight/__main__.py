"""``python -m preflight``: whether this stack can come to this cluster, asked without Pulumi, and without a change."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from charts import ChartError, Renderer
from cluster.client import Cluster
from cluster.errors import OperationError
from cluster.kubeconfig import check_context, check_reachable
from model import names
from model.chart import ChartObject, UnknownHookError
from model.owner import Owner
from preflight import stackfile
from preflight.checks import CHECKS, examine
from preflight.finding import Finding, Level, breaks, unseen
from preflight.rights import who
from preflight.stackfile import StackFile
from preflight.subject import Subject
from settings import PROJECT, Settings, SettingsError, load

CONFIG: Final = "config"
REACHED: Final = "reachable"
CHARTS: Final = "charts"
# What says whose something is, in a line of the check of ownership.
THERE: Final = " is there"
# So many objects of the same somebody are named one by one, and of more so many.
LONGEST: Final = 5
NAMED: Final = 5
# How a level is told.
TOLD: Final = {
    Level.BREAKS: "error",
    Level.LACKS: "error",
    Level.ONLY_LOOKS: "note",
    Level.WARNS: "warning",
    Level.UNSEEN: "not seen",
}


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What the doctor says.

    Attributes:
        about: What was looked at, in a line.
        findings: By the check's name, what it found.
        checks: How many checks there were.
    """

    about: str
    findings: Sequence[tuple[str, Finding]]
    checks: int

    @property
    def fits(self) -> bool:
        """Whether nothing is known to be in the way."""
        return not any(TOLD[finding.level] == "error" for _, finding in self.findings)


def main(arguments: Sequence[str] | None = None) -> int:
    """Say what is in the way of a stack; 0 where nothing is, 1 where something is, 2 for wrong arguments."""
    given = _parser().parse_args(arguments)
    try:
        diagnosis = diagnose(given.stack, given.config_file, given.context, cluster=not given.no_cluster)
    except OperationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(as_json(diagnosis), indent=2) if given.json else "\n".join(as_lines(diagnosis)))
    return 0 if diagnosis.fits else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m preflight",
        description="Say what is in the way of `pulumi up`, a line each. Nothing is changed, and nothing is decrypted.",
    )
    parser.add_argument("--stack", default=os.environ.get("PULUMI_STACK") or "dev", help="the stack (default: dev)")
    parser.add_argument("--config-file", type=Path, help="its file (default: Pulumi.STACK.yaml)")
    parser.add_argument("--context", help="the kubeconfig's context (default: the config's, or the current one)")
    parser.add_argument("--no-cluster", action="store_true", help="look at the config alone")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def diagnose(stack: str, file: Path | None, context: str | None, *, cluster: bool) -> Diagnosis:
    """Look at a stack's config, and at its cluster.

    Args:
        stack: The stack's name.
        file: Its file, or None for the one in the project.
        context: The context, or None for the config's.
        cluster: Whether to look at the cluster as well.

    Raises:
        OperationError: There is no such stack file, or the cluster stops answering.
    """
    said = stackfile.read(file or stackfile.path_of(stack))
    findings = [(CONFIG, finding) for finding in _unread(said)]
    try:
        settings = load(said.config, said.secret.__contains__, said.unread)
    except SettingsError as error:
        wrong = [(CONFIG, breaks(str(problem))) for problem in error.problems]
        return Diagnosis(about=f"stack {stack}", findings=[*wrong, *findings], checks=1)
    if not cluster:
        return Diagnosis(about=f"stack {stack}, its config alone", findings=findings, checks=1)
    try:
        reached = check_context(context or settings.kube_context, os.environ)
        check_reachable(os.environ, reached)
    except OperationError as error:
        return Diagnosis(about=f"stack {stack}", findings=[*findings, (REACHED, breaks(str(error)))], checks=2)
    return _on(Cluster.connect(reached), reached, stack, settings, findings)


def _unread(said: StackFile) -> Iterable[Finding]:
    if said.environments:
        yield unseen(
            f"the stack takes values from ESC environments ({', '.join(said.environments)}), which only Pulumi reads: "
            "`pulumi preview` looks at all of them"
        )
    if said.unread:
        yield unseen(
            f"{', '.join(said.unread)}: encrypted as a whole, and nothing is decrypted here. `pulumi preview` looks at "
            "all of it"
        )


def _on(
    cluster: Cluster,
    context: str | None,
    stack: str,
    settings: Settings,
    findings: Sequence[tuple[str, Finding]],
) -> Diagnosis:
    owner = Owner(stack=stack.rpartition("/")[2])
    dapr, osm, wrong = _rendered(settings, owner, context)
    subject = Subject(cluster=cluster, settings=settings, owner=owner, dapr=dapr, osm=osm)
    found = [(one.check.name, one.finding) for one in examine(subject)]
    about = f"stack {stack}, Kubernetes at {cluster.server} (context {context or 'of this pod'}), as {who(cluster)}"
    told = [*findings, *((CHARTS, one) for one in wrong), *found]
    return Diagnosis(about=about, findings=_for_onlookers(told), checks=len(CHECKS) + 3)


Objects = tuple[ChartObject, ...] | None


def _rendered(settings: Settings, owner: Owner, context: str | None) -> tuple[Objects, Objects, list[Finding]]:
    """Dapr's chart and OSM's, as far as they can be had without Pulumi."""
    names_alone = "Objects of the charts were not looked at; those of the stack's own were"
    if settings.chart_credentials:
        secret = f"charts are fetched with {PROJECT}:chartCredentials, which are not decrypted here"
        return None, None, [unseen(secret, names_alone)]
    # Half a second that nobody needs to whom the config alone matters.
    from preflight import plugin

    try:
        with plugin.rendering(os.environ, context) as render:
            renderer = Renderer(
                render=render,
                owner=owner,
                pull_secret=names.REGISTRY_CREDENTIALS if settings.registry_credentials else None,
            )
            return renderer.dapr(settings), renderer.osm(settings) if settings.stage.meshed else (), []
    except (ChartError, UnknownHookError) as error:
        return None, None, [breaks(str(error))]
    except OperationError as error:
        return None, None, [unseen(str(error), names_alone)]


def _for_onlookers(findings: Sequence[tuple[str, Finding]]) -> list[tuple[str, Finding]]:
    """What is told to whoever may change nothing: that he can't is no fault of his, and no list of all rights."""
    if not any(finding.level is Level.ONLY_LOOKS for _, finding in findings):
        return list(findings)
    told = []
    for check, finding in findings:
        if finding.level is Level.ONLY_LOOKS:
            user = finding.what.partition(" may ")[0]
            finding = Finding(
                level=Level.ONLY_LOOKS,
                what=f"{user} may only look, and what he may not see was not looked at",
                mend="Whoever deploys needs the rights of deploy/deployer.yaml.",
            )
        elif finding.level is Level.LACKS:
            kinds = ", ".join(detail.partition(" ")[0] for detail in finding.details)
            finding = Finding(level=Level.UNSEEN, what=f"{finding.what}: {kinds}")
        told.append((check, finding))
    return told


def as_lines(diagnosis: Diagnosis) -> list[str]:
    """A diagnosis for a person: a line for each finding, the worst first."""
    order = list(dict.fromkeys(TOLD.values()))
    lines: dict[str, list[str]] = {}
    for check, finding in sorted(diagnosis.findings, key=lambda one: order.index(TOLD[one[1].level])):
        told = [f"{finding.what}: {detail}" for detail in finding.details] or [str(finding)]
        told += [finding.mend] if finding.details and finding.mend else []
        lines.setdefault(f"{TOLD[finding.level]:<8}  {check}: ", []).extend(" ".join(text.split()) for text in told)
    return [diagnosis.about, *(head + text for head, told in lines.items() for text in _folded(told)), _sum(diagnosis)]


def _folded(told: Sequence[str]) -> list[str]:
    """Lines, in which many objects of the same somebody, as of a whole Dapr, are one; JSON has them all."""
    whose: dict[str, list[str]] = {}
    for text in told:
        whose.setdefault(text.partition(THERE)[2], []).append(text.partition(THERE)[0])
    lines = []
    for text in told:
        name, found, rest = text.partition(THERE)
        alike = whose[rest]
        if not found or len(alike) <= LONGEST:
            lines.append(text)
        elif name == alike[0]:
            lines.append(f"{', '.join(alike[:NAMED])} and {len(alike) - NAMED} more are there{rest}")
    return lines


def _sum(diagnosis: Diagnosis) -> str:
    levels = [TOLD[finding.level] for _, finding in diagnosis.findings]
    counts = [_counted(levels.count(level), level) for level in dict.fromkeys(TOLD.values()) if level in levels]
    verdict = "`pulumi up` would fail" if not diagnosis.fits else "nothing is in the way"
    if diagnosis.fits and TOLD[Level.WARNS] in levels:
        verdict = "nothing is certain to fail"
    told = f" ({', '.join(counts)})" if counts else ""
    return f"{diagnosis.checks} checks: {verdict}{told}"


def _counted(number: int, level: str) -> str:
    return f"{number} {level}{'s' if number > 1 and level != TOLD[Level.UNSEEN] else ''}"


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The same for a program."""
    return {
        "about": diagnosis.about,
        "fits": diagnosis.fits,
        "findings": [
            {
                "check": check,
                "level": finding.level.value,
                "what": finding.what,
                "why": finding.why,
                "mend": finding.mend,
                "details": list(finding.details),
            }
            for check, finding in diagnosis.findings
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
