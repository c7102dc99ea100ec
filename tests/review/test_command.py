"""``python -m review``."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from review.__main__ import DIFFERENT, FAILED, LEAK, main
from review.markdown import GITHUB_LIMIT, MARKER
from tests.review import streams
from tests.review.fake_forge import serving
from tests.review.streams import HERE, Stream

Write = Callable[..., str]
TOKEN = "t0ken-that-nobody-may-see"  # noqa: S105 - planted
INSTALL = str(HERE / "events" / "first-install.jsonl")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(stream: Stream, name: str = "lab.jsonl") -> str:
        path = tmp_path / name
        path.write_text("\n".join(stream.lines()))
        return str(path)

    return written


def test_render_prints_the_review(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", write(streams.dapr_value())], {}) == 0
    assert capsys.readouterr().out.startswith(f"{MARKER}\n\n## 🔄 `lab`: Restarts pods.")


def test_render_reads_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(Stream().lines())))
    assert main(["render", "-"], {}) == 0
    assert "Nothing changes" in capsys.readouterr().out


def test_a_file_that_ends_in_the_middle_of_a_character_is_told_as_broken_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lab.jsonl"
    path.write_bytes("\n".join(Stream().lines()[:-1]).encode() + b'\n{"diagnosticEvent": {"message": "\xc3')
    assert main(["render", str(path)], {}) == 0
    assert "The preview broke off" in capsys.readouterr().out


def test_a_file_that_is_no_text_is_an_error_in_words(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "policies.json"
    path.write_bytes(b"\xff\xfe")
    assert main(["check", "--policies", str(path), write(Stream())], {}) == FAILED
    assert "can't decode" in capsys.readouterr().err


def test_render_keeps_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "--limit", "5000", INSTALL], {}) == 0
    assert len(capsys.readouterr().out.encode()) <= 5000


def test_a_limit_that_nothing_fits_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "--limit", "50", INSTALL], {}) == FAILED
    assert "can't be told" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_an_error_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "nowhere.jsonl"], {}) == FAILED
    assert "nowhere.jsonl" in capsys.readouterr().err


def test_one_stack_twice_is_an_error(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", write(Stream()), write(Stream(), "b.jsonl")], {}) == FAILED
    assert "several previews of lab" in capsys.readouterr().err


def leaking() -> Stream:
    return Stream().update("smi-traffic-target", lambda i: i["metadata"]["annotations"].update(note="hunter22"))


def test_a_secret_of_the_config_stops_everything(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = tmp_path / "config.json"
    secrets.write_text(json.dumps({"dapr-osm:redisPassword": {"value": "hunter22", "secret": True}}))
    events = write(leaking())
    assert main(["render", events], {}) == 0, "nobody has said that it is one"
    assert "hunter22" in capsys.readouterr().out
    for command in (["render"], ["post"], ["check", "--digest", "x"]):
        assert main([*command, "--secrets", str(secrets), events], {}) == LEAK
        said = capsys.readouterr()
        assert "hunter22" not in said.out + said.err
        assert MARKER not in said.out


@pytest.mark.parametrize(
    "variable", ["GITHUB_TOKEN", "GITLAB_TOKEN", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN"]
)
def test_the_jobs_own_secrets_stop_it_too(write: Write, variable: str) -> None:
    assert main(["render", write(leaking())], {variable: "hunter22"}) == LEAK


def test_secrets_that_can_not_be_read_stop_it(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "config.json"
    broken.write_text("hunter22")
    assert main(["render", "--secrets", str(broken), write(Stream())], {}) == FAILED
    said = capsys.readouterr()
    assert "so nothing is written" in said.err
    assert "hunter22" not in said.err


def test_digest_and_check_agree(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    events = write(streams.dapr_value())
    assert main(["digest", events], {}) == 0
    digest = capsys.readouterr().out.strip()
    assert digest.startswith("sha256:")
    assert main(["check", "--digest", digest, events], {}) == 0
    assert "is what was reviewed" in capsys.readouterr().out


def test_check_stops_where_something_else_would_be_done(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    main(["digest", write(streams.dapr_value())], {})
    digest = capsys.readouterr().out.strip()
    assert main(["check", "--digest", digest, write(streams.redis_image())], {}) == DIFFERENT
    said = capsys.readouterr()
    assert "is not what was reviewed" in said.err
    assert "all state of the apps is lost" in said.out, "and says what it would be"


def test_the_digest_of_the_comment_is_the_one_that_check_takes(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    events = write(streams.dapr_value())
    main(["render", events], {})
    shown = capsys.readouterr().out.split("Plan `")[1].split("`")[0]
    assert main(["check", "--digest", shown, events], {}) == 0


def test_post_writes_what_fits_and_the_whole_to_the_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    with serving("github") as forge:
        environment = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": forge.url,
            "GITHUB_REF": "refs/pull/7/merge",
            "GITHUB_REPOSITORY": "team/mesh",
            "GITHUB_TOKEN": TOKEN,
        }
        assert main(["post", "--summary", str(summary), INSTALL], environment) == 0
    assert "The comment was created." in capsys.readouterr().out
    (body,) = forge.bodies().values()
    assert len(body.encode()) <= GITHUB_LIMIT
    assert "Left out here to fit" in body
    whole = summary.read_text()
    assert whole.startswith(f"before\n{MARKER}")
    assert "Left out here to fit" not in whole


def test_in_githubs_actions_only_their_own_comment_is_written_over() -> None:
    with serving("github") as forge:
        forge.add(f"{MARKER} of a stranger", author="stranger")
        ours = forge.add(f"{MARKER} ours", author="github-actions[bot]")
        environment = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": forge.url,
            "GITHUB_REPOSITORY": "team/mesh",
            "GITHUB_TOKEN": TOKEN,
        }
        assert main(["post", "--number", "7", INSTALL], environment) == 0
    assert forge.bodies()[1] == f"{MARKER} of a stranger"
    assert "first" not in forge.bodies()[ours]
    assert "🌐" in forge.bodies()[ours]


def test_post_knows_gitlab_by_its_variables() -> None:
    with serving("gitlab") as forge:
        environment = {
            "CI_API_V4_URL": forge.url,
            "CI_MERGE_REQUEST_IID": "7",
            "CI_PROJECT_ID": "team/mesh",
            "GITLAB_CI": "true",
            "GITLAB_TOKEN": TOKEN,
        }
        assert main(["post", INSTALL], environment) == 0
    (body,) = forge.bodies().values()
    assert "Left out" not in body, "GitLab takes a million characters"


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "GITHUB_REF names no pull request"),
        ({"GITHUB_REF": "refs/heads/main"}, "GITHUB_REF names no pull request"),
        ({"GITHUB_REF": "refs/pull/7/merge"}, "GITHUB_TOKEN is not set"),
        ({"GITLAB_CI": "true"}, "CI_API_V4_URL is not set"),
    ],
)
def test_post_says_what_is_missing(environment: dict[str, str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["post", INSTALL], environment) == FAILED
    assert says in capsys.readouterr().err
