"""The workflows: nothing that moves, no more rights than needed, and commands that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from environments import ORDER
from environments.__main__ import _parser as environments
from review.__main__ import _parser as review
from settings import ROOT

FOLDER: Final = ROOT / ".github" / "workflows"
FILES: Final = sorted(FOLDER.glob("*.yml"))
GITLAB: Final = ROOT / ".gitlab-ci.yml"
PARSERS: Final = {"environments": environments, "review": review}
# Each right that may write, and the only workflows that have it.
WRITES: Final = {
    "id-token": {"preview.yml", "deploy.yml", "drift.yml", "destroy.yml"},
    "issues": {"drift.yml"},
    "pull-requests": {"preview.yml"},
}
# Whose every step is one of these, or a command of this project.
KNOWN: Final = re.compile(r'echo .*|exit "\$code"|code=0')
COMMAND: Final = re.compile(r"\.venv/bin/python -m (?P<module>\w+) (?P<rest>[^|>)\n]*)")


def loaded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def jobs(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from loaded(path)["jobs"].items()


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for _, job in jobs(path):
        yield from job["steps"]


def triggers(path: Path) -> dict[str, Any]:
    # To YAML 1.1 the word is true.
    found: Any = yaml.safe_load(path.read_text().replace("\non:\n", "\n'on':\n"))["on"]
    return dict(found)


def gitlab_jobs() -> dict[str, dict[str, Any]]:
    words = ("stages", "workflow", "default")
    return {name: job for name, job in loaded(GITLAB).items() if name not in words}


def test_there_is_a_workflow_for_each_thing() -> None:
    assert [path.stem for path in FILES] == ["ci", "deploy", "destroy", "drift", "preview"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_a_commit_and_says_its_version(path: Path) -> None:
    used = [line for line in path.read_text().splitlines() if "uses:" in line]
    assert used
    for line in used:
        assert re.fullmatch(r"\s+uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_has_one_version_everywhere() -> None:
    found: dict[str, set[str]] = {}
    for path in FILES:
        for name, pinned in re.findall(r"uses: ([^@\s]+)@(.+)", path.read_text()):
            found.setdefault(name, set()).add(pinned)
    assert {name: len(versions) for name, versions in found.items()} == dict.fromkeys(found, 1)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nobody_has_a_right_that_is_not_named_with_its_reason(path: Path) -> None:
    assert loaded(path)["permissions"] == {}
    for name, job in jobs(path):
        assert job["permissions"], f"{name}: a job says itself what it may"
        for right, given in job["permissions"].items():
            assert given == "read" or path.name in WRITES[right], f"{name}: {right}"
            assert re.search(rf"^ +{right}: {given} # \w", path.read_text(), re.MULTILINE), f"{right}: what for?"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_workflow_runs_strangers_code_with_our_rights(path: Path) -> None:
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(triggers(path))
    for name, job in jobs(path):
        if "pull_request" in triggers(path) and "secrets." in path.read_text():
            assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository", name
        if "schedule" not in triggers(path) and "secrets." in path.read_text() and "pull_request" not in triggers(path):
            assert "github.ref == 'refs/heads/main'" in job.get("if", "") or job.get("needs") == "show", name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_checkout_leaves_its_token_behind(path: Path) -> None:
    found = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]
    assert len(found) == len(list(jobs(path)))
    assert all(step["with"]["persist-credentials"] is False for step in found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_somebody_wrote_reaches_a_shell_as_a_variable_only(path: Path) -> None:
    for step in steps(path):
        assert "${{" not in step.get("run", "")
        if "run" in step:
            assert not re.search(r"\$[A-Z_{]", re.sub(r'"[^"]*"', "", step["run"])), "a variable without quotes"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_secrets_are_given_to_single_steps_in_jobs_with_an_environment(path: Path) -> None:
    assert "secrets" not in str(loaded(path).get("env"))
    assert "secrets: inherit" not in path.read_text()
    for name, job in jobs(path):
        assert "secrets." not in str(job.get("env")), name
        if "secrets." in str(job["steps"]):
            assert job["environment"], f"{name}: what it may know is said by an environment"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_job_ends_in_time_and_says_how_it_meets_others(path: Path) -> None:
    for name, job in jobs(path):
        assert 0 < job["timeout-minutes"] <= 60, name
        assert "concurrency" in job or "concurrency" in loaded(path), name


def test_each_environment_is_deployed_after_the_one_before_it() -> None:
    found = loaded(FOLDER / "deploy.yml")["jobs"]
    assert list(found) == list(ORDER)
    for stack, before in zip(ORDER, (None, *ORDER), strict=False):
        assert found[stack].get("needs") == before
        assert found[stack]["environment"] == stack
        assert found[stack]["steps"][-1]["run"].endswith(f" deploy {stack}")
        assert ("!failure() && !cancelled()" in found[stack]["if"]) is (before is not None)


def test_whatever_changes_a_stack_waits_for_the_others_and_is_never_cancelled() -> None:
    deploy, destroy = (loaded(FOLDER / name)["jobs"] for name in ("deploy.yml", "destroy.yml"))
    for stack in ORDER:
        group = {"group": f"stack-{stack}", "cancel-in-progress": False, "queue": "max"}
        assert deploy[stack]["concurrency"] == group
    assert destroy["destroy"]["concurrency"] == {**group, "group": "stack-${{ inputs.stack }}"}


def test_what_can_be_chosen_is_the_environments() -> None:
    for name in ("deploy.yml", "destroy.yml"):
        inputs = triggers(FOLDER / name)["workflow_dispatch"]["inputs"]
        assert inputs["stack"]["options"] == list(ORDER)


def test_a_destroy_is_shown_typed_and_asked() -> None:
    found = loaded(FOLDER / "destroy.yml")["jobs"]
    assert "inputs.typed == inputs.stack" in found["show"]["if"]
    assert found["destroy"]["needs"] == "show"
    assert found["destroy"]["environment"] == "${{ inputs.stack }}"
    last = found["destroy"]["steps"][-1]
    assert last["env"]["REVIEWED"] == "${{ needs.show.outputs.digest }}"
    assert found["show"]["outputs"] == {"digest": "${{ steps.digest.outputs.digest }}"}


def test_pulumis_cli_is_the_one_that_is_tested_here() -> None:
    (version,) = re.findall(r"pulumi/pkg/v3 v(\S+)", (ROOT / "lab" / "go" / "pulumi" / "go.mod").read_text())
    for path in FILES:
        for step in steps(path):
            if step.get("uses", "").startswith("pulumi/actions@"):
                assert step["with"] == {"pulumi-version": version}, "and it is given no command"
    assert loaded(GITLAB)["default"]["image"].endswith(f":{version}")


def scripts() -> Iterator[tuple[str, str]]:
    for path in FILES:
        for step in steps(path):
            if "run" in step:
                yield path.name, step["run"]
    for name, job in gitlab_jobs().items():
        for line in [*job.get("script", []), *job.get("before_script", [])]:
            yield f"{GITLAB.name} {name}", line


@pytest.mark.parametrize(("where", "script"), list(scripts()))
def test_what_is_run_is_a_command_of_this_project_with_options_that_it_has(where: str, script: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = list(COMMAND.finditer(script))
    for command in commands:
        rest = command["rest"].replace('"$DRIFT_ISSUE"', "7").replace("|| code=$?", "")
        PARSERS[command["module"]]().parse_args(shlex.split(rest))
    made = re.fullmatch(r"make ([a-z-]+)", script)
    assert commands or KNOWN.fullmatch(script) or (made and made[1] in targets), f"{where}: {script}"


def test_whatever_is_written_is_looked_through_for_the_secrets_of_the_config() -> None:
    written = [script for _, script in scripts() if re.search(r"-m review (render|post)", script)]
    assert len(written) >= 7
    assert all("--config-secrets" in script for script in written)
    for path in FILES:
        for step in steps(path):
            if "--config-secrets" in step.get("run", ""):
                assert {"PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE"} <= set(step["env"]), "or it can't be asked"


# --- GitLab -----------------------------------------------------------------------------------------------------


def test_on_gitlab_each_environment_is_deployed_after_the_one_before_it_and_only_the_first_by_itself() -> None:
    found = gitlab_jobs()
    for stack, before in zip(ORDER, (None, *ORDER), strict=False):
        job = found[stack]
        assert job["extends"] == ".deploy"
        assert job["environment"] == {"name": stack}
        assert job["resource_group"] == f"stack-{stack}"
        assert job.get("needs") == ([before] if before else None)
        assert [rule.get("when") for rule in job["rules"]] == ["manual" if before else None]
        assert all("$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH" in rule["if"] for rule in job["rules"])


def test_on_gitlab_nothing_that_changes_a_stack_is_interrupted() -> None:
    assert loaded(GITLAB)["default"]["interruptible"] is False
    interruptible = {name for name, job in gitlab_jobs().items() if job.get("interruptible")}
    assert interruptible == {"unit", "preview", "drift"}


def test_on_gitlab_only_environments_can_be_destroyed() -> None:
    choice = "$DESTROY =~ /^(" + "|".join(ORDER) + ")$/"
    for name in ("show", "destroy"):
        (rule,) = gitlab_jobs()[name]["rules"]
        assert choice in rule["if"]
    assert rule["when"] == "manual"
