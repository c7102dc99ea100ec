"""``python -m review``: what a preview would do, as one comment; and a digest of it."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from model.leaks import LeakError, guard, visible
from policy.config import PolicyConfigError
from review import digest, plans, policies, secrets
from review.compare import compared, stack_file_changes
from review.events import EventsError, Violation, parse
from review.markdown import GITHUB_LIMIT, GITLAB_LIMIT, SUMMARY_LIMIT, Level, fitting, rendered
from review.post import Forge, GitHub, GitLab, PostError, post, reviewed
from review.report import Review, known, review
from review.revisions import Engine, laid_out
from review.tools import ToolError, full_name, pulumi
from settings.project import ROOT

# Exit codes beside 0; 2 is argparse's.
FAILED: Final = 1
DIFFERENT: Final = 3
LEAK: Final = 4
VIOLATED: Final = 5
LEAK_ADVICE: Final = (
    "The program hands them to a resource without marking them as secret: look for where a secret setting becomes "
    "plain text."
)

# In a folder of event streams, which stacks were previewed; without it an earlier run's would be taken for this one's.
STACKS: Final = "stacks"

# What must never be in a comment, if the job has it.
SECRET_VARIABLES: Final = (
    "ARM_CLIENT_SECRET",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
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
        print(f"{error} {LEAK_ADVICE}", file=sys.stderr)
        return LEAK
    except (EventsError, PostError, ToolError, UsageError, PolicyConfigError, OSError, UnicodeError) as error:
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
        help="a stack's events, from PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true pulumi preview --json; - is stdin; or a "
        "folder that `python -m environments preview` has filled",
    )
    events.add_argument(
        "--policies",
        type=lambda text: Path(text) if text else None,
        metavar="FILE",
        help="an environment's policies, or a folder with one file per stack: those that no policy pack sees are asked",
    )
    guarded = argparse.ArgumentParser(add_help=False)
    guarded.add_argument(
        "--secrets",
        action="append",
        default=[],
        metavar="FILE",
        help="what `pulumi config --show-secrets --json` prints: nothing is written that has one of these",
    )
    guarded.add_argument(
        "--config-secrets", action="store_true", help="the same of each stack's config, which Pulumi is asked for"
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

    command = commands.add_parser(
        "reviewed", help="print the digest of one stack's plan, as the comment has it of what brought a commit in"
    )
    command.add_argument("stack", metavar="STACK")
    command.add_argument("--commit", help="the commit; else what the CI's variables say")
    command.add_argument("--forge", choices=("github", "gitlab"), help="where; else what the CI's variables say")
    command.add_argument("--author", default=None, help="who must have written the comment")
    command.set_defaults(run=_reviewed)

    command = commands.add_parser(
        "compare", parents=[guarded], help="print what a change of the program or of a stack file does, as a review"
    )
    command.add_argument("base", metavar="BASE", help="the revision that it is a change of")
    command.add_argument(
        "head", nargs="?", metavar="HEAD", help="the changed revision; the working copy where not given"
    )
    command.add_argument("--stack", action="append", metavar="STACK", help="may be given several times; dev where not")
    command.add_argument("--cluster", action="store_true", help="on each stack's own cluster, from its own state")
    command.add_argument("--limit", type=int, metavar="BYTES", help="as much detail as fits; all of it where not given")
    command.set_defaults(run=_compare)

    command = commands.add_parser("digest", parents=[events], help="print the digest of what would be done")
    command.set_defaults(run=_digest)

    command = commands.add_parser(
        "check",
        parents=[events, guarded],
        help=f"exit with {DIFFERENT} where something else would be done, with {VIOLATED} where a policy is not kept",
    )
    command.add_argument("--digest", help="the reviewed plan's, as `digest` prints it")
    command.set_defaults(run=_check)
    return parser


def _reviews(given: argparse.Namespace) -> list[Review]:
    found = []
    for path in (file for one in given.events for file in _files(one)):
        if path == "-":
            preview = parse(sys.stdin, name="stdin")
        else:
            # Of a run that was killed, the last line may end in the middle of a character.
            with Path(path).open(encoding="utf-8", errors="replace") as lines:
                preview = parse(lines, name=Path(path).name, stack=Path(path).stem)
        config = None if given.policies is None else policies.load(given.policies, preview.stack)
        found.append(review(preview, config))
    names = [one.stack for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"there are several previews of {', '.join(twice)}")
    return found


def _files(path: str) -> list[str]:
    """The event streams that an argument names: of a folder, of all stacks that it says were previewed."""
    folder = Path(path)
    if not folder.is_dir():
        return [path]
    index = folder / STACKS
    if not index.is_file():
        raise UsageError(
            f"{path} has no file {STACKS}: it is no folder that `python -m environments preview` has filled"
        )
    return [str(folder / f"{stack}.jsonl") for stack in index.read_text(encoding="utf-8").split()]


def _known(given: argparse.Namespace, reviews: Sequence[Review], environment: Mapping[str, str]) -> frozenset[str]:
    found = set(known(reviews)) | {environment[name] for name in SECRET_VARIABLES if environment.get(name)}
    for path in given.secrets:
        try:
            found |= secrets.from_config(sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8"))
        except ValueError:
            raise UsageError(
                f"{path} is not what `pulumi config --show-secrets --json` prints, so nothing is written"
            ) from None
    if given.config_secrets:
        for one in reviews:
            found |= _of_config(one, environment)
    return frozenset(found)


def _of_config(one: Review, environment: Mapping[str, str]) -> set[str]:
    """The secrets of a stack's config."""
    if not one.preview.steps:
        # It came to no resource and so had none of them, maybe since its config can't be read.
        return set()
    asked = ["config", "--show-secrets", "--json", "--stack", full_name(one.stack, environment)]
    done = pulumi(asked, ROOT, environment)
    if done.returncode != 0:
        raise UsageError(f"the secrets of {one.stack} can't be read, so nothing is written: {done.stderr.strip()}")
    return secrets.from_config(done.stdout)


def _render(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    reviews = _reviews(given)
    secret = _known(given, reviews, environment)
    if given.limit is None:
        print(guard(rendered(reviews, Level.EVERYTHING), secret), end="")
    else:
        print(_fit(reviews, given.limit, secret), end="")
    return 0


def _compare(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    engine = Engine(environment=environment)
    found, files = [], []
    with laid_out(given.base) as base, laid_out(given.head) as head:
        for stack in given.stack or ["dev"]:
            before, after = engine.both(base, head, stack, cluster=given.cluster)
            for revision, preview in ((base, before), (head, after)):
                if not preview.finished:
                    print(f"{revision.name} can't be previewed for {stack}:", file=sys.stderr)
                    print(*preview.errors, sep="\n", file=sys.stderr)
                    return FAILED
            found.append(review(compared(before, after)))
            files.append(stack_file_changes(base.stack_file(stack), head.stack_file(stack), f"Pulumi.{stack}.yaml"))
    secret = _known(given, found, environment)
    text = _fit(found, given.limit, secret) if given.limit else rendered(found, Level.EVERYTHING)
    print(guard("\n".join([text, *filter(None, files)]), secret), end="")
    return 0


def _fit(reviews: Sequence[Review], limit: int, secret: frozenset[str], where: str = "") -> str:
    try:
        return fitting(reviews, limit, known=secret, where=where)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _post(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    reviews = _reviews(given)
    secret = _known(given, reviews, environment)
    name = _forge_name(given.forge, environment)
    last = plans.trailer(reviews)
    limit = (GITHUB_LIMIT if name == "github" else GITLAB_LIMIT) - len(last.encode())
    body = _fit(reviews, limit, secret, given.where) + last
    if given.summary:
        whole = _fit(reviews, SUMMARY_LIMIT, secret)
        with Path(given.summary).open("a", encoding="utf-8") as file:
            file.write(whole)
    forge = _forge(name, given.number, environment)
    done = post(forge, body, author=_author(forge, given.author, environment))
    print(f"The comment was {done}.")
    return 0


def _reviewed(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    found = reviewed_digest(given.stack, environment, commit=given.commit, forge=given.forge, author=given.author)
    if found is None:
        print(f"The change was not expected to touch {given.stack}: it is not in the review.", file=sys.stderr)
    else:
        print(found)
    return 0


def reviewed_digest(
    stack: str,
    environment: Mapping[str, str],
    *,
    commit: str | None = None,
    forge: str | None = None,
    author: str | None = None,
) -> str | None:
    """The digest of one stack's plan, as the review has it of the request that brought a commit in.

    Args:
        stack: The stack.
        environment: The CI's variables.
        commit: The commit; else what the CI's variables say.
        forge: ``github`` or ``gitlab``; else what the CI's variables say.
        author: Who must have written the comment; in GitHub's Actions they themselves, on GitLab the token's user,
            unless another is given.

    Returns:
        The digest, or None where the reviewed change does not touch the stack.

    Raises:
        PostError: There is no such request, or no review.
        UsageError: A variable is missing.
    """
    name = _forge_name(forge, environment)
    variable = "CI_COMMIT_SHA" if name == "gitlab" else "GITHUB_SHA"
    asked = commit or environment.get(variable, "")
    if not asked:
        raise UsageError(f"{variable} is not set, so the commit is not known whose review counts")
    # The request's number is what is looked for.
    place = _forge(name, 0, environment)
    return reviewed(place, asked, author=_author(place, author, environment)).get(stack)


def _forge_name(given: str | None, environment: Mapping[str, str]) -> str:
    return given or ("gitlab" if "GITLAB_CI" in environment else "github")


def _author(forge: Forge, given: str | None, environment: Mapping[str, str]) -> str:
    """Whose comment it is: anybody can write the marker."""
    if given is None:
        given = environment.get("REVIEW_AUTHOR") or None
    if given is not None:
        return given
    if isinstance(forge, GitHub) and environment.get("GITHUB_ACTIONS") == "true":
        return "github-actions[bot]"
    return forge.itself()


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
            number=int(variable("CI_MERGE_REQUEST_IID")) if number is None else number,
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
    print(digest.digest([one.preview for one in _reviews(given)]))
    return 0


def _check(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    if given.digest is None and given.policies is None:
        raise UsageError("there is nothing to check: give --digest, --policies, or both")
    reviews = _reviews(given)
    return _as_reviewed(given, reviews, environment) or _kept(given, reviews, environment)


def _kept(given: argparse.Namespace, reviews: Sequence[Review], environment: Mapping[str, str]) -> int:
    """Whether no mandatory policy is violated."""
    found = [(one.stack, violation) for one in reviews for violation in one.preview.violations]
    lines = [f"{stack}: {_level(violation)}: {violation.policy}: {violation.message}" for stack, violation in found]
    text = "\n".join(" ".join(visible(line).split()) for line in lines)
    if text:
        print(guard(text, _known(given, reviews, environment)), file=sys.stderr)
    if any(violation.stops for _, violation in found):
        return VIOLATED
    unfinished = [one for one in reviews if given.policies is not None and not one.preview.finished]
    if unfinished:
        errors = "\n".join(error for one in unfinished for error in one.preview.errors)
        names = ", ".join(one.stack for one in unfinished)
        text = f"{errors}\nThe preview of {names} did not come to its end, so nobody can tell.".strip()
        print(guard(text, _known(given, reviews, environment)), file=sys.stderr)
        return FAILED
    if given.policies is not None:
        print("No mandatory policy is violated.")
    return 0


def _level(violation: Violation) -> str:
    if not violation.asked:
        return "not known yet"
    return "excepted" if violation.excepted else "mandatory" if violation.mandatory else "advisory"


def _as_reviewed(given: argparse.Namespace, reviews: Sequence[Review], environment: Mapping[str, str]) -> int:
    """Whether what would be done is what was reviewed."""
    if given.digest is None:
        return 0
    now = digest.digest([one.preview for one in reviews])
    if now == given.digest.strip():
        print("What would be done is what was reviewed.")
        return 0
    secret = _known(given, reviews, environment)
    print(guard(rendered(reviews, Level.NO_CREATED), secret), end="")
    print(
        f"What would be done now ({now}) is not what was reviewed ({given.digest.strip()}). Review it again: "
        "the program, the config or the cluster has changed since.",
        file=sys.stderr,
    )
    return DIFFERENT


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], os.environ))
