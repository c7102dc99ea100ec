"""``python -m environments``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import environments.__main__ as command
from cluster.errors import OperationError
from environments import ORDER, stack_file
from environments.__main__ import DIFFERENT, FAILED, main
from environments.runs import CHANGES
from model.versions import DEFAULT_DAPR_VERSION
from policy import NAME
from review.__main__ import LEAK, VIOLATED
from review.__main__ import main as reviewed_by
from review.digest import digest
from review.events import parse
from settings import ROOT
from tests.environments.fake_pulumi import FakePulumi
from tests.review import streams
from tests.review.fake_forge import serving
from tests.review.streams import Stream

OUTPUTS = json.dumps(
    {
        "stage": "smi",
        "versions": {"dapr": DEFAULT_DAPR_VERSION},
        "verification": {"verified": "2026-11-29T21:00:00+00:00", "orders": {"persisted": 3}},
    }
)


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePulumi:
    """A CLI, and a folder for what runs leave."""
    monkeypatch.chdir(tmp_path)
    return FakePulumi(tmp_path)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The committed stack files, to be written on."""
    folder = tmp_path / "project"
    folder.mkdir()
    for stack in ORDER:
        shutil.copy(stack_file(stack), folder)
    monkeypatch.setattr(command, "stack_file", lambda stack: stack_file(stack, folder))
    return folder


def digest_of(stream: Stream) -> str:
    return digest([parse(stream.lines())])


def changed(stack: str = "dev") -> Stream:
    return Stream(stack=stack).update(
        "dapr-chart/deployment/dapr-operator", lambda inputs: inputs["spec"].update(replicas=2)
    )


# --- promote ----------------------------------------------------------------------------------------------------


def test_a_promotion_is_shown_and_not_written(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = files / "Pulumi.staging.yaml"
    path.write_text(path.read_text().replace("stage: smi", "stage: locked"))
    before = path.read_text()
    assert main(["promote", "dev", "staging"], {}) == 0
    said = capsys.readouterr()
    assert "-  dapr-osm:stage: locked\n+  dapr-osm:stage: smi\n" in said.out
    assert "Nothing is written" in said.err
    assert path.read_text() == before


def test_a_promotion_is_written_where_what_comes_was_verified(files: Path, pulumi: FakePulumi) -> None:
    path = files / "Pulumi.staging.yaml"
    before = path.read_text()
    path.write_text(before.replace("stage: smi", "stage: locked"))
    pulumi.says("stack output", OUTPUTS)
    pulumi.says("stack history", '[{"kind": "update", "result": "succeeded"}]')
    assert main(["promote", "dev", "staging", "--write"], pulumi.environment) == 0
    assert path.read_text() == before, "comments and all"
    assert all(call.arguments[-1] == "dev" for call in pulumi.calls)


def test_a_promotion_is_not_written_where_it_was_not(
    files: Path, pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    path = files / "Pulumi.staging.yaml"
    path.write_text(path.read_text().replace("stage: smi", "stage: locked"))
    before = path.read_text()
    pulumi.says("stack output", OUTPUTS)
    pulumi.says("stack history", '[{"kind": "update", "result": "failed"}]')
    assert main(["promote", "dev", "staging", "--write"], pulumi.environment) == FAILED
    assert "has ended as 'failed'" in capsys.readouterr().err
    assert path.read_text() == before
    assert main(["promote", "dev", "staging", "--write", "--unverified"], {}) == 0, "unless that is said"
    assert path.read_text() != before


def test_a_refresh_makes_no_failed_deploy_good_and_a_file_is_no_deploy(
    files: Path, pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = files / "Pulumi.dev.yaml", files / "Pulumi.staging.yaml"
    source.write_text(f"{source.read_text()}  dapr-osm:nodeAppImage: node:2\n")
    target.write_text(target.read_text().replace("stage: smi", "stage: locked"))
    config = {
        "dapr-osm:nodeAppImage": {"value": "node:1", "secret": False},
        "dapr-osm:apps": {"value": '{"a":{"image":"a:1"}}', "objectValue": {"a": {"image": "a:1"}}, "secret": False},
        "dapr-osm:redisPassword": {"secret": True},
    }
    runs = [{"kind": "refresh", "result": "succeeded"}, {"kind": "update", "result": "failed", "config": config}]
    pulumi.says("stack output", OUTPUTS)
    pulumi.says("stack history", json.dumps(runs))
    assert main(["promote", "dev", "staging", "--write"], pulumi.environment) == FAILED
    said = capsys.readouterr().err
    assert "the last deploy of dev has ended as 'failed'" in said
    assert "dev is deployed with nodeAppImage node:1, and its file says node:2" in said


def test_a_promotion_of_nothing_says_so(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del files
    assert main(["promote", "staging", "prod"], {}) == 0
    assert "there is nothing to promote" in capsys.readouterr().out


def test_a_promotion_that_ends_in_a_config_that_cannot_be_used_is_refused(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = files / "Pulumi.staging.yaml"
    path.write_text(path.read_text().replace("stage: smi", "stage: locked\n  dapr-osm:extraPortExclusions: [50002]"))
    assert main(["promote", "dev", "staging"], {}) == FAILED
    assert "dapr-osm:extraPortExclusions holds 50002" in capsys.readouterr().err


def test_a_file_in_another_encoding_is_told_in_one_line(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "Pulumi.dev.yaml").write_bytes("config: # für\n".encode("latin-1"))
    assert main(["promote", "dev", "staging"], {}) == FAILED
    assert capsys.readouterr().err == "Pulumi.dev.yaml is no text in UTF-8: byte 11 is none of it\n"


@pytest.mark.parametrize("names", [("dev", "nowhere"), ("../../etc/passwd", "staging"), ("lab", "dev")])
def test_what_is_no_environment_is_not_read(names: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", *names], {}) == FAILED
    assert "is no environment here; there are dev, staging, prod" in capsys.readouterr().err


# --- previews ---------------------------------------------------------------------------------------------------


def test_a_preview_of_each_stack_is_left_for_the_review(pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]) -> None:
    pulumi.says("preview", changed("dev").lines())
    pulumi.says("preview", changed("prod").lines())
    assert main(["preview", "dev", "prod"], pulumi.environment) == 0
    first, second = pulumi.calls
    assert first.arguments[1:] == ["preview", "--refresh", "--json", "--stack", "dev"]
    assert second.arguments[-1] == "prod"
    assert first.variables["PULUMI_ENABLE_STREAMING_JSON_PREVIEW"] == "true"
    assert first.variables["PULUMI_RUN_PROGRAM"] == "true", "or a refresh would not ask which cluster it is"
    capsys.readouterr()
    assert reviewed_by(["render", ".review"], {}) == 0
    assert "2 stacks" in capsys.readouterr().out


def test_a_preview_that_fails_is_told_and_the_others_are_made(pulumi: FakePulumi) -> None:
    pulumi.says("preview", streams.real("refused"), code=1)
    pulumi.says("preview", changed("prod").lines())
    assert main(["preview", "dev", "prod"], pulumi.environment) == FAILED
    assert len(pulumi.calls) == 2
    assert Path(".review/dev.jsonl").read_text(), "what it said goes into the review"


def test_a_run_that_ends_before_it_has_begun_is_told_beside_the_others(
    pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    """No such stack, a wrong passphrase, a stack file that is no YAML: then Pulumi makes no event at all."""
    pulumi.says("preview", changed("dev").lines())
    pulumi.says("preview", "", code=6, stderr="error: no stack named 'staging' found\n")
    pulumi.says("preview", "", code=1)
    assert main(["preview"], pulumi.environment) == FAILED
    assert "no stack named 'staging' found" in capsys.readouterr().err, "in the job's log, too"
    assert reviewed_by(["render", ".review", "--policies", str(ROOT / "policy")], {}) == 0
    said = capsys.readouterr().out
    assert "## ⛔ 3 stacks: Would not be deployed as it stands." in said
    assert "### ⛔ `staging`" in said
    assert "no stack named 'staging' found" in said
    assert "ended with exit code 1 and said nothing" in said
    assert "Deployment dapr-system/dapr-operator" in said, "what dev's preview has found"
    assert reviewed_by(["check", ".review", "--policies", str(ROOT / "policy")], {}) != 0


def test_a_run_that_ends_soon_after_it_has_begun_is_told_with_what_it_said(
    pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plugin that can't be started: then only the job's log has an error."""
    begun = '{"sequence":0,"diagnosticEvent":{"message":"missing executor","severity":"info#err"}}\n'
    pulumi.says(
        "preview", f'{begun}{{"sequence":1,"cancelEvent":{{}}}}\n', code=255, stderr="error: no language plugin"
    )
    assert main(["preview", "dev"], pulumi.environment) == FAILED
    capsys.readouterr()
    assert reviewed_by(["render", ".review"], {}) == 0
    assert "error: no language plugin" in capsys.readouterr().out


def test_a_secret_of_a_stacks_config_is_asked_for_and_never_written(
    pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    leaking = changed("dev").update(
        "smi-traffic-target", lambda inputs: inputs["metadata"]["annotations"].update(note="hunter22")
    )
    pulumi.says("preview", leaking.lines())
    pulumi.says("preview", "", code=6, stderr="error: no stack named 'prod' found")
    pulumi.says("config", json.dumps({"dapr-osm:redisPassword": {"value": "hunter22", "secret": True}}))
    environment = {**pulumi.environment, "PULUMI_ORGANIZATION": "acme"}
    main(["preview", "dev", "prod"], environment)
    capsys.readouterr()
    assert reviewed_by(["render", ".review", "--config-secrets"], environment) == LEAK
    said = capsys.readouterr()
    assert "hunter22" not in said.out + said.err
    assert pulumi.calls[-1].arguments[1:] == ["config", "--show-secrets", "--json", "--stack", "acme/dev"]
    assert [call.arguments[-1] for call in pulumi.calls].count("acme/prod") == 1, "it had no secret yet, nor a config"
    pulumi.says("config", "", code=1, stderr="error: incorrect passphrase")
    assert reviewed_by(["render", ".review", "--config-secrets"], environment) == FAILED
    assert "can't be read, so nothing is written: error: incorrect passphrase" in capsys.readouterr().err


def test_a_deploy_that_stops_shows_no_secret_of_the_config(
    pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    pulumi.says("preview", changed().lines())
    pulumi.says("config", json.dumps({"a:b": {"value": "dapr-operator", "secret": True}}))
    assert main(["deploy", "dev", "--reviewed", "sha256:another"], pulumi.environment) == LEAK
    said = capsys.readouterr()
    assert "dapr-operator" not in said.out + said.err
    assert "up" not in pulumi.commands


def test_an_earlier_runs_previews_are_not_taken_for_this_ones(
    pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    pulumi.says("preview", changed("dev").lines())
    assert main(["preview", "dev"], pulumi.environment) == 0
    pulumi.says("preview", changed("prod").lines())
    assert main(["preview", "prod"], pulumi.environment) == 0
    capsys.readouterr()
    reviewed_by(["render", ".review"], {})
    assert "`prod`" in capsys.readouterr().out


def test_a_folder_that_no_preview_has_filled_is_no_review_of_nothing(
    pulumi: FakePulumi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that broke off would else be told as a change that touches no stack."""
    del pulumi
    (tmp_path / ".review").mkdir()
    assert reviewed_by(["render", ".review"], {}) == FAILED
    assert "has no file stacks" in capsys.readouterr().err


def test_a_change_that_touches_no_stack_is_told_so(
    pulumi: FakePulumi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "changed_files", lambda base: ["docs/ci.md"])
    assert main(["preview", "--since", "main"], pulumi.environment) == 0
    assert not pulumi.calls
    capsys.readouterr()
    assert reviewed_by(["render", ".review"], {}) == 0
    assert "No stack is touched" in capsys.readouterr().out


def test_only_stacks_that_a_change_touches_are_previewed(pulumi: FakePulumi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "changed_files", lambda base: ["Pulumi.prod.yaml"])
    pulumi.says("preview", changed("prod").lines())
    assert main(["preview", "--since", "main"], pulumi.environment) == 0
    assert [call.arguments[-1] for call in pulumi.calls] == ["prod"]


def asked(stream: Stream) -> Stream:
    """A run that has asked the policy pack."""
    stream.packs = {f"{NAME}|local|policy/pack": "0.0.1"}
    return stream


def test_policies_are_kept_by_previews_and_deploys_with_each_environments_own_file(
    pulumi: FakePulumi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {**pulumi.environment, "POLICY_FOLDER": str(tmp_path / "policies")}
    assert main(["preview", "dev"], environment) == FAILED
    assert "there is no policy pack" in capsys.readouterr().err
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "pack").touch()
    (tmp_path / "policies" / "prod.json").write_text("{}")
    pulumi.says("preview", asked(changed("dev")).lines())
    pulumi.says("preview", asked(changed("prod")).lines())
    pulumi.says("up")
    assert main(["preview", "dev", "prod"], environment) == 0
    assert main(["deploy", "prod", "--reviewed", digest_of(changed("prod"))], environment) == 0
    dev, prod, again, up = ([one for one in call.arguments if "polic" in one] for call in pulumi.calls)
    pack = ["--policy-pack", str(tmp_path / "policies" / "pack")]
    assert dev == pack
    assert prod == again == up == [*pack, "--policy-pack-config", str(tmp_path / "policies" / "prod.json")]
    assert main(["preview", "dev", "--policies", ""], environment) == 0
    assert "--policy-pack" not in pulumi.calls[-1].arguments


def test_what_was_reviewed_and_does_not_keep_the_policies_is_not_deployed(
    pulumi: FakePulumi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A definition that goes takes all objects of its kind along: no policy pack sees it, the review does."""
    shutil.copytree(ROOT / "policy", tmp_path / "policy", ignore=shutil.ignore_patterns(".venv", "__pycache__"))
    gone = Stream(stack="prod").delete("dapr-chart/customresourcedefinition/components.dapr.io")
    pulumi.says("preview", asked(gone).lines())
    environment = {**pulumi.environment, "POLICY_FOLDER": str(tmp_path / "policy")}
    assert main(["deploy", "prod", "--reviewed", digest_of(gone)], environment) == VIOLATED
    assert "CustomResourceDefinition components.dapr.io" in capsys.readouterr().err
    assert pulumi.commands == ["preview"]


@pytest.mark.parametrize("name", ["../dev", "", "-y", ".dev"])
def test_a_stacks_name_leads_to_no_other_folder(name: str, pulumi: FakePulumi) -> None:
    assert main(["preview", "--", name], pulumi.environment) == FAILED
    assert not pulumi.calls


def test_a_kubeconfig_that_a_ci_has_as_a_secret_is_a_private_file_for_as_long_as_it_is_needed(
    pulumi: FakePulumi,
) -> None:
    pulumi.says("preview", changed().lines())
    environment = {**pulumi.environment, "KUBECONFIG_CONTENT": "apiVersion: v1\n"}
    assert main(["preview", "dev"], environment) == 0
    (call,) = pulumi.calls
    assert (call.kubeconfig, call.mode, call.content) == ("apiVersion: v1\n", 0o600, "")


def test_stacks_of_an_organization_are_named_in_full(pulumi: FakePulumi) -> None:
    pulumi.says("preview", changed().lines())
    assert main(["preview", "dev"], {**pulumi.environment, "PULUMI_ORGANIZATION": "acme"}) == 0
    assert pulumi.calls[0].arguments[-1] == "acme/dev"
    assert Path(".review/dev.jsonl").exists()


# --- drift ------------------------------------------------------------------------------------------------------


def real(name: str) -> str:
    """Events of a drift check on the lab; of most resources they were cut."""
    return (Path(__file__).parent / "events" / f"{name}.jsonl").read_text()


def test_a_drift_is_an_exit_code_of_its_own_and_an_annotation(
    pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    pulumi.says("refresh", real("drift"), code=CHANGES)
    pulumi.says("refresh", real("no-drift"))
    assert main(["drift", "staging", "prod"], {**pulumi.environment, "GITHUB_ACTIONS": "true"}) == CHANGES
    said = capsys.readouterr().out
    assert said.startswith("::warning title=Drift of staging::")
    assert "prod" not in said
    assert "--preview-only" in pulumi.calls[0].arguments, "nothing is changed, the state neither"
    assert "--expect-no-changes" in pulumi.calls[0].arguments


def test_what_was_edited_by_hand_is_told_by_object(pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]) -> None:
    pulumi.says("refresh", real("drift"), code=CHANGES)
    assert main(["drift", "staging"], pulumi.environment) == CHANGES
    capsys.readouterr()
    assert reviewed_by(["render", ".review"], {}) == 0
    said = capsys.readouterr().out
    assert "Edited by hand on the cluster" in said
    for line in ("-   replicas: 1", "+   replicas: 2", "+     app: edited", "-   maxUnavailable: 25%"):
        assert line in said


def test_a_failure_counts_more_than_a_drift(pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]) -> None:
    pulumi.says("refresh", real("drift"), code=CHANGES)
    pulumi.says("refresh", "", code=255, stderr="error: incorrect passphrase")
    assert main(["drift", "dev", "prod"], pulumi.environment) == FAILED
    capsys.readouterr()
    assert reviewed_by(["render", ".review"], {}) == 0
    said = capsys.readouterr().out
    assert "Edited by hand on the cluster" in said, "and hides none"
    assert "incorrect passphrase" in said


def test_no_drift_is_nothing(pulumi: FakePulumi) -> None:
    pulumi.says("refresh", real("no-drift"))
    assert main(["drift", "staging"], pulumi.environment) == 0


def test_a_stack_that_is_not_deployed_does_not_drift(pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]) -> None:
    """Pulumi counts what the program declares, and calls it a change."""
    pulumi.says("refresh", real("nothing-deployed"), code=CHANGES)
    assert main(["drift", "staging"], {**pulumi.environment, "GITHUB_ACTIONS": "true"}) == 0
    assert "warning" not in capsys.readouterr().out


# --- deploy -----------------------------------------------------------------------------------------------------


def test_what_was_reviewed_is_deployed(pulumi: FakePulumi) -> None:
    pulumi.says("preview", changed().lines())
    pulumi.says("up")
    assert main(["deploy", "dev", "--reviewed", digest_of(changed())], pulumi.environment) == 0
    assert pulumi.commands == ["preview", "up"]
    assert {"--yes", "--skip-preview", "--refresh"} <= set(pulumi.calls[1].arguments)


def test_what_was_not_reviewed_is_not_deployed_and_shown(
    pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    pulumi.says("preview", changed().lines())
    assert main(["deploy", "dev", "--reviewed", "sha256:another"], pulumi.environment) == DIFFERENT
    assert pulumi.commands == ["preview"]
    said = capsys.readouterr()
    assert "Deployment dapr-system/dapr-operator" in said.out
    assert digest_of(changed()) in said.err, "to be given where it is all right"


def test_another_stacks_review_opens_nothing(pulumi: FakePulumi) -> None:
    pulumi.says("preview", changed("prod").lines())
    assert main(["deploy", "prod", "--reviewed", digest_of(changed("dev"))], pulumi.environment) == DIFFERENT


def test_a_failed_preview_is_not_deployed(pulumi: FakePulumi) -> None:
    pulumi.says("preview", changed().lines(), code=1)
    assert main(["deploy", "dev", "--reviewed", digest_of(changed())], pulumi.environment) == FAILED
    assert pulumi.commands == ["preview"]


def test_where_nothing_would_be_done_nothing_is(pulumi: FakePulumi) -> None:
    """A job that is run again after it has deployed."""
    pulumi.says("preview", Stream(stack="dev").lines())
    assert main(["deploy", "dev", "--reviewed", digest_of(changed())], pulumi.environment) == 0
    assert pulumi.commands == ["preview"]


def test_a_failed_up_is_a_failed_deploy(pulumi: FakePulumi) -> None:
    pulumi.says("preview", changed().lines())
    pulumi.says("up", code=255)
    assert main(["deploy", "dev", "--reviewed", digest_of(changed())], pulumi.environment) == 255


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_what_was_reviewed_is_read_from_the_request_that_brought_the_commit_in(pulumi: FakePulumi) -> None:
    pulumi.says("preview", changed("dev").lines())
    pulumi.says("preview", changed("prod").lines())
    with serving("github") as forge:
        forge.commits[COMMIT] = [{"number": 7, "merged_at": "2026-01-01T00:00:00Z", "merge_commit_sha": COMMIT}]
        environment = {
            **pulumi.environment,
            "GITHUB_API_URL": forge.url,
            "GITHUB_REF": "refs/pull/7/merge",
            "GITHUB_REPOSITORY": "team/mesh",
            "GITHUB_SHA": COMMIT,
            "GITHUB_TOKEN": "t0ken-that-nobody-may-see",
        }
        assert main(["preview", "dev", "prod"], environment) == 0
        assert reviewed_by(["post", ".review"], environment) == 0
        pulumi.says("preview", changed("prod").lines())
        pulumi.says("up")
        assert main(["deploy", "prod", "--reviewed", ""], environment) == 0
        assert pulumi.commands == ["preview", "preview", "preview", "up"]
        assert main(["deploy", "staging"], environment) == 0
        assert len(pulumi.calls) == 4, "what the change does not touch is not deployed"


# --- destroy ----------------------------------------------------------------------------------------------------


def test_a_name_that_was_typed_otherwise_destroys_nothing(
    pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    for typed in ("dev", "", "Prod", "prod "):
        assert main(["destroy", "prod", "--typed", typed, "--reviewed", "x"], pulumi.environment) == FAILED
        assert "nothing is destroyed" in capsys.readouterr().err
    assert not pulumi.calls


def test_what_was_shown_is_destroyed_and_what_is_left_is_told(
    pulumi: FakePulumi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "left_on_cluster", lambda stack, environment: [])
    gone = Stream(stack="dev").gone()
    pulumi.says("destroy --preview-only", gone.lines())
    pulumi.says("destroy --yes")
    pulumi.says("stack export", '{"deployment": {"resources": []}}')
    assert main(["destroy", "dev", "--typed", "dev", "--reviewed", digest_of(gone)], pulumi.environment) == 0
    assert pulumi.commands == ["destroy", "destroy", "stack"]
    assert "Nothing of it is left" in capsys.readouterr().err


def test_a_destroy_that_was_not_shown_is_not_done(pulumi: FakePulumi, capsys: pytest.CaptureFixture[str]) -> None:
    pulumi.says("destroy --preview-only", Stream(stack="dev").gone().lines())
    assert main(["destroy", "dev", "--typed", "dev", "--reviewed", "sha256:x"], pulumi.environment) == DIFFERENT
    assert main(["destroy", "dev", "--typed", "dev"], pulumi.environment) == FAILED
    assert "give the digest of the destroy that was reviewed" in capsys.readouterr().err
    assert len(pulumi.calls) == 1


def test_what_is_left_fails_the_job_and_is_listed(
    pulumi: FakePulumi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "left_on_cluster", lambda stack, environment: ["Namespace dapr-test"])
    pulumi.says("stack export", '{"deployment": {"resources": [{"urn": "urn:pulumi:dev::dapr-osm::a::b"}]}}')
    assert main(["left", "dev"], pulumi.environment) == FAILED
    said = capsys.readouterr()
    assert json.loads(said.out) == {"state": ["urn:pulumi:dev::dapr-osm::a::b"], "cluster": ["Namespace dapr-test"]}
    assert "Still there: 1 resource in the state and 1 object on the cluster." in said.err


@pytest.mark.parametrize("key", ["dapr-osm:kubeContext", "kubernetes:context"])
@pytest.mark.parametrize("stack", ["dev", "lab"])
def test_what_is_left_is_looked_for_on_the_stacks_own_cluster(stack: str, key: str, files: Path) -> None:
    (files / f"Pulumi.{stack}.yaml").write_text(f"config:\n  {key}: the-stacks\n")
    kubeconfig = files / "kubeconfig"
    kubeconfig.write_text("{current-context: others, contexts: [{name: others, context: {cluster: a, user: b}}]}")
    with pytest.raises(OperationError, match="the-stacks"):
        command.left_on_cluster(stack, {"KUBECONFIG": str(kubeconfig)})


def test_a_machine_without_pulumi_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert main(["preview", "dev"], {"PATH": str(tmp_path)}) == FAILED
    assert "pulumi is not installed, or not on PATH" in capsys.readouterr().err
