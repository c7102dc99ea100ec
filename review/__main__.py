"""``python -m review``: what a preview would do, as one comment; and a digest of it."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from review import digest, secrets
from review.events import EventsError, parse
from review.markdown import GITHUB_LIMIT, GITLAB_LIMIT, SUMMARY_LIMIT, Level, fitting, rendered
from review.post import Forge, GitHub, GitLab, PostError, post
from review.report import Review, known, review
from review.secrets import LeakError

# Exit codes beside 0; 2 is argparse's.
FAILED: Final = 1
DIFFERENT: Final = 3
LEAK: Final = 4

# What must never be in a comment, if the job has it.
SECRET_VARIABLES: Final = (
    "GITHUB_TOKEN",
    "GITLAB_TOKEN",
    "PULUMI_ACCESS_TOKEN",
    "PULUMI_CONFIG_PASSPHRASE",
)


class UsageError(ValueError):
    """Something is missing on the command line or in the environment."""


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command and return its exit code; what can be mended is told in one message."""
    given = _parser().parse_args(arguments)
    try:
        code: int = given.run(given, environment)
    except LeakError as error:
        print(error, file=sys.stderr)
        return LEAK
    except (EventsError, PostError, UsageError, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m review", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    events = argparse.ArgumentParser(add_help=False)
    events.add_argument(
        "events",
        nargs="+",
        metavar="EVENTS",
        help="a stack's events, from PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true pulumi preview --json; - is stdin",
    )
    guarded = argparse.ArgumentParser(add_help=False)
    guarded.add_argument(
        "--secrets",
        action="append",
        default=[],
        metavar="FILE",
        help="what `pulumi config --show-secrets --json` prints: nothing is written that has one of these",
    )

    command = commands.add_parser("render", parents=[events, guarded], help="print the review")
    command.add_argument("--limit", type=int, metavar="BYTES", help="as much detail as fits; all of it where not given")
    command.set_defaults(run=_render)

    command = commands.add_parser("post", parents=[events, guarded], help="write the review to its request, once")
    command.add_argument("--forge", choices=("github", "gitlab"), help="where; else what the CI's variables say")
    command.add_argument("--number", type=int, help="the pull or merge request's; else what the CI's variables say")
    command.add_argument("--author", default=None, help="who must have written the comment that is there")
    command.add_argument("--summary", metavar="FILE", help="append the whole to this file, too")
    command.add_argument("--where", default="", help="what the comment says of where the whole is; a link, say")
    command.set_defaults(run=_post)

    command = commands.add_parser("digest", parents=[events], help="print the digest of what would be done")
    command.set_defaults(run=_digest)

    command = commands.add_parser(
        "check", parents=[events, guarded], help=f"exit with {DIFFERENT} where something else would be done"
    )
    command.add_argument("--digest", required=True, help="the reviewed plan's, as `digest` prints it")
    command.set_defaults(run=_check)
    return parser


def _reviews(paths: Sequence[str]) -> list[Review]:
    found = []
    for path in paths:
        if path == "-":
            preview = parse(sys.stdin, name="stdin")
        else:
            with Path(path).open(encoding="utf-8") as lines:
                preview = parse(lines, name=Path(path).name)
        found.append(review(preview))
    names = [one.stack for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"there are several previews of {', '.join(twice)}")
    return found


def _known(given: argparse.Namespace, reviews: Sequence[Review], environment: Mapping[str, str]) -> frozenset[str]:
    found = set(known(reviews)) | {environment[name] for name in SECRET_VARIABLES if environment.get(name)}
    for path in given.secrets:
        try:
            found |= secrets.from_config(sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8"))
        except ValueError:
            raise UsageError(
                f"{path} is not what `pulumi config --show-secrets --json` prints, so nothing is written"
            ) from None
    return frozenset(found)


def _render(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    reviews = _reviews(given.events)
    secret = _known(given, reviews, environment)
    if given.limit is None:
        print(secrets.guard(rendered(reviews, Level.EVERYTHING), secret), end="")
    else:
        print(_fit(reviews, given.limit, secret), end="")
    return 0


def _fit(reviews: Sequence[Review], limit: int, secret: frozenset[str], where: str = "") -> str:
    try:
        return fitting(reviews, limit, known=secret, where=where)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _post(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    reviews = _reviews(given.events)
    secret = _known(given, reviews, environment)
    name = given.forge or ("gitlab" if "GITLAB_CI" in environment else "github")
    body = _fit(reviews, GITHUB_LIMIT if name == "github" else GITLAB_LIMIT, secret, given.where)
    if given.summary:
        whole = _fit(reviews, SUMMARY_LIMIT, secret)
        with Path(given.summary).open("a", encoding="utf-8") as file:
            file.write(whole)
    forge = _forge(name, given.number, environment)
    author = given.author
    if author is None:
        author = "github-actions[bot]" if name == "github" and environment.get("GITHUB_ACTIONS") == "true" else ""
    print(f"The comment was {post(forge, body, author=author)}.")
    return 0


def _forge(name: str, number: int | None, environment: Mapping[str, str]) -> Forge:
    def variable(key: str) -> str:
        value = environment.get(key, "")
        if not value:
            raise UsageError(f"{key} is not set")
        return value

    if name == "gitlab":
        return GitLab.at(
            url=variable("CI_API_V4_URL"),
            token=variable("GITLAB_TOKEN"),
            project=variable("CI_PROJECT_ID"),
            number=number or int(variable("CI_MERGE_REQUEST_IID")),
        )
    if number is None:
        # Of a pull request's run, GitHub's reference is refs/pull/NUMBER/merge.
        found = re.fullmatch(r"refs/pull/(\d+)/\w+", environment.get("GITHUB_REF", ""))
        if found is None:
            raise UsageError("GITHUB_REF names no pull request: give its number with --number")
        number = int(found[1])
    return GitHub.at(
        url=environment.get("GITHUB_API_URL") or "https://api.github.com",
        token=variable("GITHUB_TOKEN"),
        repository=variable("GITHUB_REPOSITORY"),
        number=number,
    )


def _digest(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    del environment
    print(digest.digest([one.preview for one in _reviews(given.events)]))
    return 0


def _check(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    reviews = _reviews(given.events)
    now = digest.digest([one.preview for one in reviews])
    if now == given.digest.strip():
        print("What would be done is what was reviewed.")
        return 0
    secret = _known(given, reviews, environment)
    print(secrets.guard(rendered(reviews, Level.NO_CREATED), secret), end="")
    print(
        f"What would be done now ({now}) is not what was reviewed ({given.digest.strip()}). Review it again: "
        "the program, the config or the cluster has changed since.",
        file=sys.stderr,
    )
    return DIFFERENT


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], os.environ))
