"""From the comment to the deploy: each stack's digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from review.__main__ import FAILED, main
from review.digest import digest
from review.events import parse
from review.markdown import GITHUB_LIMIT, MARKER
from review.plans import plans, trailer
from review.report import Review, review
from tests.review import streams
from tests.review.fake_forge import FakeForge, serving
from tests.review.streams import Stream

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "t0ken-that-nobody-may-see"  # noqa: S105 - planted


def reviewed(*stacks: str) -> list[Review]:
    return [review(parse(Stream(stack=stack).delete("smi-traffic-target").lines())) for stack in stacks]


def github(forge: FakeForge, **more: str) -> dict[str, str]:
    return {
        "GITHUB_API_URL": forge.url,
        "GITHUB_REPOSITORY": "team/mesh",
        "GITHUB_SHA": COMMIT,
        "GITHUB_TOKEN": TOKEN,
        **more,
    }


def gitlab(forge: FakeForge, **more: str) -> dict[str, str]:
    return {
        "CI_API_V4_URL": forge.url,
        "CI_COMMIT_SHA": COMMIT,
        "CI_PROJECT_ID": "team/mesh",
        "GITLAB_CI": "true",
        "GITLAB_TOKEN": TOKEN,
        **more,
    }


def merged(number: int, **more: Any) -> dict[str, Any]:
    return {"number": number, "merged_at": "2026-01-01T00:00:00Z", "merge_commit_sha": COMMIT, **more}


def test_the_comments_last_line_has_each_stacks_digest_where_nobody_sees_it() -> None:
    found = reviewed("dev", "prod")
    line = trailer(found)
    assert line.startswith("<!-- plans ")
    assert line.endswith(" -->\n")
    assert plans(f"{MARKER}\n\nsomething\n\n{line}") == {one.stack: digest([one.preview]) for one in found}


def test_a_review_of_no_stack_says_so_and_an_old_one_says_nothing() -> None:
    assert plans(trailer([])) == {}
    assert plans("a comment") is None


@pytest.mark.parametrize("written", ["{", "[]", "null", '{"dev": 1}', '{"dev": "sha256:short"}'])
def test_what_is_no_digest_is_not_taken_for_one(written: str) -> None:
    assert not plans(f"<!-- plans {written} -->")


def test_of_several_lines_the_last_one_counts() -> None:
    """The comment's own text comes first, and has what people wrote in it."""
    own = trailer(reviewed("dev"))
    assert plans(f'<!-- plans {{"dev": "sha256:{"0" * 64}"}} -->\n{own}') == plans(own)


def test_no_stacks_name_ends_the_line() -> None:
    (one,) = reviewed("dev")
    object.__setattr__(one.preview, "stack", "a-->b")
    assert trailer([one]).count("-->") == 1
    assert plans(trailer([one])) == {"a-->b": digest([one.preview])}


def posted(tmp_path: Path, environment: dict[str, str], *stacks: str, number: str = "7") -> None:
    paths = []
    for stack in stacks:
        path = tmp_path / f"{stack}.jsonl"
        path.write_text("\n".join(Stream(stack=stack).delete("smi-traffic-target").lines()))
        paths.append(str(path))
    assert main(["post", "--number", number, *paths], environment) == 0


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_a_deploy_finds_what_was_reviewed_of_its_stack(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(kind) as forge:
        environment = github(forge) if kind == "github" else gitlab(forge)
        posted(tmp_path, environment, "dev", "prod")
        found = merged(7) if kind == "github" else {"iid": 7, "state": "merged", "merge_commit_sha": COMMIT}
        forge.commits[COMMIT] = [found]
        capsys.readouterr()
        assert main(["reviewed", "prod"], environment) == 0
        (one,) = reviewed("prod")
        assert capsys.readouterr().out.strip() == digest([one.preview])


def test_a_stack_that_the_change_does_not_touch_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving("github") as forge:
        posted(tmp_path, github(forge), "dev")
        forge.commits[COMMIT] = [merged(7)]
        capsys.readouterr()
        assert main(["reviewed", "prod"], github(forge)) == 0
        said = capsys.readouterr()
        assert said.out == ""
        assert "was not expected to touch prod" in said.err


def test_the_comment_stays_within_the_limit(tmp_path: Path) -> None:
    with serving("github") as forge:
        path = tmp_path / "lab.jsonl"
        path.write_text("\n".join(streams.real("first-install")))
        assert main(["post", "--number", "7", str(path)], github(forge)) == 0
        (body,) = forge.bodies().values()
        assert len(body.encode()) <= GITHUB_LIMIT
        assert plans(body)


def test_a_strangers_comment_opens_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del tmp_path
    with serving("github") as forge:
        forge.add(f"{MARKER}\n{trailer(reviewed('prod'))}", author="stranger")
        forge.commits[COMMIT] = [merged(7)]
        assert main(["reviewed", "prod"], github(forge, GITHUB_ACTIONS="true")) == FAILED
        assert "has no review with digests" in capsys.readouterr().err
        assert main(["reviewed", "prod"], github(forge, REVIEW_AUTHOR="stranger")) == 0, "unless it is whom one trusts"


def test_on_gitlab_only_the_notes_of_the_tokens_user_count(capsys: pytest.CaptureFixture[str]) -> None:
    with serving("gitlab") as forge:
        forge.add(f"{MARKER}\n{trailer(reviewed('prod'))}", author="stranger")
        forge.commits[COMMIT] = [{"iid": 7, "state": "merged", "merge_commit_sha": COMMIT}]
        for environment in (gitlab(forge), gitlab(forge, REVIEW_AUTHOR="")):
            assert main(["reviewed", "prod"], environment) == FAILED
            assert "has no review with digests" in capsys.readouterr().err
        assert main(["reviewed", "prod"], gitlab(forge, REVIEW_AUTHOR="stranger")) == 0


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [{"number": 7, "merged_at": None, "merge_commit_sha": COMMIT}],
    ],
)
def test_a_commit_that_no_request_brought_in_was_not_reviewed(
    requests: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    with serving("github") as forge:
        forge.commits[COMMIT] = requests
        assert main(["reviewed", "dev"], github(forge)) == FAILED
    said = capsys.readouterr().err
    assert f"no merged request has brought {COMMIT} in" in said
    assert "give a digest by hand" in said


@pytest.mark.parametrize("commit", ["main", "../../x", "0123", COMMIT.upper()])
def test_what_is_no_commit_is_not_asked_for(commit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with serving("github") as forge:
        assert main(["reviewed", "dev", "--commit", commit], github(forge)) == FAILED
        assert not forge.requests
    assert "is no commit's whole id" in capsys.readouterr().err


def test_without_a_commit_that_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reviewed", "dev"], {}) == FAILED
    assert "GITHUB_SHA is not set" in capsys.readouterr().err


def test_the_request_whose_merge_it_is_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A commit can be part of several: a merge into a branch that was merged then."""
    with serving("github") as forge:
        posted(tmp_path, github(forge), "dev")
        forge.commits[COMMIT] = [merged(8, merge_commit_sha="f" * 40), merged(7)]
        capsys.readouterr()
        assert main(["reviewed", "dev"], github(forge)) == 0
        assert [request.path for request in forge.requests if "/issues/8/" in request.path] == []
