"""``python -m environments``: promotion, and what CI does to each environment's stack."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from cluster.access import find_access
from cluster.client import Cluster
from cluster.errors import OperationError
from cluster.transport import Transport
from environments import ORDER, promote, stack_file, stack_files
from environments.affected import affected, changed_files
from environments.promote import PromotionError
from environments.runs import CHANGES, Cli, Look
from environments.stack_files import StackFileError
from model.owner import Owner
from model.stage import Stage
from preflight import stackfile
from review.__main__ import STACKS, UsageError, reviewed_digest
from review.__main__ import main as review
from review.changes import Op, changes
from review.digest import plan
from review.events import EventsError, Preview, parse
from review.post import PostError
from review.tools import ToolError
from review.words import counted
from settings import PROJECT, SettingsError
from settings.project import PROVIDER
from steps.sweep import left

# Exit codes beside 0; 2 is argparse's.
FAILED: Final = 1
DIFFERENT: Final = 3

EVENTS: Final = Path(".review")
POLICIES: Final = "POLICY_FOLDER"
REVIEWED: Final = "REVIEWED"
KUBECONFIG_CONTENT: Final = "KUBECONFIG_CONTENT"


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command and return its exit code; what can be mended is told in one message."""
    given = _parser().parse_args(arguments)
    try:
        with _kubeconfig(environment) as completed:
            code: int = given.run(given, completed)
    except (
        EventsError,
        OperationError,
        PostError,
        PromotionError,
        SettingsError,
        StackFileError,
        ToolError,
        UsageError,
        OSError,
    ) as error:
        print(error, file=sys.stderr)
        return FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m environments", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    several = argparse.ArgumentParser(add_help=False)
    several.add_argument("stacks", nargs="*", metavar="STACK", help=f"all of {', '.join(ORDER)} where none is named")
    several.add_argument("--since", metavar="BASE", help="of these, only stacks that a change of that revision touches")
    several.add_argument(
        "--into", type=Path, default=EVENTS, metavar="FOLDER", help="where each run's events go: FOLDER/STACK.jsonl"
    )
    packs = argparse.ArgumentParser(add_help=False)
    packs.add_argument(
        "--policies",
        metavar="FOLDER",
        help=f"the policies that must be kept, FOLDER/pack and FOLDER/STACK.json; else what {POLICIES} says, else none",
    )
    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("stack", metavar="STACK")
    reviewed = argparse.ArgumentParser(add_help=False)
    reviewed.add_argument(
        "--reviewed",
        metavar="DIGEST",
        help=f"of the plan that was reviewed, another one is not done; else what {REVIEWED} says, else what "
        "the review has of the request that brought this commit in (`python -m review reviewed`)",
    )

    command = commands.add_parser(
        "promote", help="give an environment the versions and the stage of the one before it; a dry run without --write"
    )
    command.add_argument("source", metavar="SOURCE")
    command.add_argument("target", metavar="TARGET")
    command.add_argument("--stage", type=Stage, choices=list(Stage), help="no further than this stage")
    command.add_argument("--write", action="store_true", help="write TARGET's file, where SOURCE is verified")
    command.add_argument("--unverified", action="store_true", help="do not ask whether SOURCE is deployed and verified")
    command.set_defaults(run=_promote)

    command = commands.add_parser("affected", help="print the stacks whose previews a change can touch, a line each")
    command.add_argument("base", metavar="BASE", help="the revision that it is a change of")
    command.add_argument("head", nargs="?", default="HEAD", metavar="HEAD")
    command.set_defaults(run=_affected)

    command = commands.add_parser("preview", parents=[several, packs], help="what `up` would do, as events")
    command.set_defaults(run=_preview, look=Look.UP)
    command = commands.add_parser(
        "drift", parents=[several], help=f"what on the cluster is not as deployed, as events; exit code {CHANGES}"
    )
    command.set_defaults(run=_preview, look=Look.DRIFT, policies="")
    command = commands.add_parser("preview-destroy", parents=[several], help="what `destroy` would do, as events")
    command.set_defaults(run=_preview, look=Look.DESTROY, policies="")

    command = commands.add_parser(
        "deploy",
        parents=[one, packs, reviewed],
        help=f"run `up` where it would do what was reviewed; exit code {DIFFERENT} where it would not",
    )
    command.set_defaults(run=_deploy)
    command = commands.add_parser(
        "destroy",
        parents=[one, packs, reviewed],
        help=f"run `destroy` where it would do what was reviewed; exit code {DIFFERENT} where it would not",
    )
    command.add_argument("--typed", required=True, metavar="NAME", help="the stack's name again, typed by hand")
    command.set_defaults(run=_destroy)
    command = commands.add_parser(
        "left", parents=[one], help="what of a stack is left, in its state and on the cluster"
    )
    command.set_defaults(run=_left)
    return parser


@contextlib.contextmanager
def _kubeconfig(environment: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """The environment, with a kubeconfig that a CI has as a secret in a file that lasts as long as the command."""
    content = environment.get(KUBECONFIG_CONTENT, "")
    if not content.strip():
        yield environment
        return
    with tempfile.TemporaryDirectory(prefix="kubeconfig-") as folder:
        path = Path(folder) / "config"
        path.touch(mode=0o600)
        path.write_text(content, encoding="utf-8")
        yield {**environment, "KUBECONFIG": str(path), KUBECONFIG_CONTENT: ""}


# --- promotion --------------------------------------------------------------------------------------------------


def _promote(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    names = (given.source, given.target)
    texts = [_text(name) for name in names]
    source, target = (
        stack_files.config_of(text, stack_file(name).name) for text, name in zip(texts, names, strict=True)
    )
    found = promote.promotion(source, target, names=names, stage=given.stage)
    for note in found.notes:
        print(note, file=sys.stderr)
    if not found.moves:
        print(f"{given.target} has the versions and the stage of {given.source}: there is nothing to promote.")
        return 0
    path = stack_file(given.target)
    after = stack_files.changed(texts[1], found.moves, path.name)
    stack_files.check(after, path.name)
    print(stack_files.difference(texts[1], after, path.name))
    if not given.write:
        print(f"Nothing is written; --write writes it into {path.name}.", file=sys.stderr)
        return 0
    if not given.unverified:
        cli, name = Cli(environment=environment), given.source
        last = cli.last_update(name)
        promote.check_verified(source, cli.outputs(name), name=name, result=last.result, deployed=last.config)
    path.write_text(after, encoding="utf-8")
    print(f"Written. What it does: python -m environments preview {given.target}", file=sys.stderr)
    return 0


def _text(stack: str) -> str:
    path = stack_file(stack)
    if stack not in ORDER or not path.is_file():
        raise UsageError(f"{stack} is no environment here; there are {', '.join(ORDER)}, in this order")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise StackFileError(f"{path.name} is no text in UTF-8: byte {error.start} is none of it") from None


# --- previews ---------------------------------------------------------------------------------------------------


def _affected(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    del environment
    for stack in affected(changed_files(given.base, given.head), ORDER):
        print(stack)
    return 0


def _preview(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    cli = _cli(given, environment)
    stacks = [_named(stack) for stack in given.stacks or ORDER]
    if given.since is not None:
        stacks = affected(changed_files(given.since), stacks)
    given.into.mkdir(parents=True, exist_ok=True)
    (given.into / STACKS).write_text("".join(f"{stack}\n" for stack in stacks), encoding="utf-8")
    if not stacks:
        print("No stack is touched.", file=sys.stderr)
    codes = {}
    for stack in stacks:
        path = given.into / f"{stack}.jsonl"
        codes[stack] = _judged(given.look, cli.look(given.look, stack, path), path)
        told = _told(given.look, codes[stack])
        print(f"{stack}: {told}: {path}", file=sys.stderr)
        if codes[stack] == CHANGES and environment.get("GITHUB_ACTIONS") == "true":
            print(f"::warning title=Drift of {stack}::{told}; the run's summary has the difference")
    return _worst(codes.values())


def _judged(look: Look, code: int, path: Path) -> int:
    """Of a drift check, whether something of what the stack declares is another one: Pulumi counts more than that."""
    if look is not Look.DRIFT or code not in (0, CHANGES):
        return code
    return CHANGES if any(change.op is Op.DRIFT for change in changes(_preview_of(path))) else 0


def _preview_of(path: Path) -> Preview:
    with path.open(encoding="utf-8") as lines:
        return parse(lines, name=path.name, stack=path.stem)


def _told(look: Look, code: int) -> str:
    if code == CHANGES and look is Look.DRIFT:
        return "the cluster is not as it was deployed"
    return "previewed" if code == 0 else f"it would not be done (exit code {code})"


def _worst(codes: Iterable[int]) -> int:
    """A failure before a drift: what failed may hide one."""
    failed = [code for code in codes if code != 0]
    return 0 if not failed else CHANGES if set(failed) == {CHANGES} else FAILED


def _named(stack: str) -> str:
    """A stack's name as a file's: no folder of somebody's choice."""
    if not stack or "/" in stack or stack.startswith((".", "-")):
        raise UsageError(f"{stack!r} is not the name of a stack")
    return stack


def _cli(given: argparse.Namespace, environment: Mapping[str, str]) -> Cli:
    return Cli(environment=environment, policies=_policies(given, environment))


def _policies(given: argparse.Namespace, environment: Mapping[str, str]) -> str:
    return str(environment.get(POLICIES, "") if given.policies is None else given.policies)


# --- what changes something -------------------------------------------------------------------------------------


def _deploy(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    cli = _cli(given, environment)
    digest = _reviewed(given, environment)
    if not digest:
        print(f"The change was not expected to touch {given.stack}, so nothing is deployed there.", file=sys.stderr)
        return 0
    refused = _as_reviewed(cli, Look.UP, given, digest, environment)
    return cli.up(given.stack) if refused is None else refused


def _destroy(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    if given.typed != given.stack:
        raise UsageError(f"{given.typed!r} was typed, and the stack is {given.stack}: nothing is destroyed")
    cli = _cli(given, environment)
    digest = given.reviewed or environment.get(REVIEWED, "")
    if not digest:
        raise UsageError("give the digest of the destroy that was reviewed: `python -m environments preview-destroy`")
    refused = _as_reviewed(cli, Look.DESTROY, given, digest, environment)
    if refused:
        return refused
    return (cli.destroy(given.stack) if refused is None else 0) or _left(given, environment)


def _reviewed(given: argparse.Namespace, environment: Mapping[str, str]) -> str:
    """The digest that was reviewed; empty where the reviewed change does not touch the stack."""
    told = given.reviewed or environment.get(REVIEWED, "")
    if told:
        return str(told).strip()
    return reviewed_digest(given.stack, environment) or ""


def _as_reviewed(
    cli: Cli, look: Look, given: argparse.Namespace, reviewed: str, environment: Mapping[str, str]
) -> int | None:
    """None where what would be done now is what was reviewed, and keeps the policies; else the exit code."""
    path = EVENTS / f"{_named(given.stack)}.jsonl"
    code = cli.look(look, given.stack, path)
    asked = [str(path), "--policies", cli.policies, "--config-secrets"]
    if code != 0:
        review(["render", *asked], environment)
        print(f"The preview failed (exit code {code}), so nothing is done.", file=sys.stderr)
        return FAILED
    if not plan(_preview_of(path)):
        print("Nothing would be done: it is as it should be.", file=sys.stderr)
        return 0
    return review(["check", "--digest", reviewed, *asked], environment) or None


def _left(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    state = Cli(environment=environment).resources(given.stack)
    there = left_on_cluster(given.stack, environment)
    print(json.dumps({"state": state, "cluster": there}, indent=2))
    if state or there:
        still = f"{counted(len(state), 'resource')} in the state and {counted(len(there), 'object')} on the cluster"
        print(f"Still there: {still}.", file=sys.stderr)
        return FAILED
    print("Nothing of it is left, in the state or on the cluster.", file=sys.stderr)
    return 0


def left_on_cluster(stack: str, environment: Mapping[str, str]) -> list[str]:
    """Every object on the stack's cluster that carries its mark."""
    path = stack_file(stack)
    config = stackfile.read(path).config if path.is_file() else {}
    access = find_access(environment, config.get(f"{PROJECT}:kubeContext") or config.get(f"{PROVIDER}:context"))
    return [str(item) for item in left(Cluster(Transport(access, environment)), Owner(stack=stack))]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], os.environ))
