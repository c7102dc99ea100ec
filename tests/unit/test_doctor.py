"""``python -m preflight``: what a person and a program are told, and by which exit code."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest

from cluster.client import Cluster
from cluster.errors import OperationError
from preflight import __main__ as doctor
from preflight import plugin
from preflight.preconditions import DEFAULT_CLASS, STORAGE_CLASSES

from .fake_cluster import FakeCluster

SECURE = "{secure: v1:abc}"
Run = Callable[..., tuple[int, str]]
SERVICES = ("dapr-placement-server", "dapr-api", "dapr-sentry", "dapr-scheduler-server", "dapr-scheduler-server-a")
STATEFUL = ("dapr-placement-server", "dapr-scheduler-server")


class Narrow(FakeCluster):
    """A cluster whose user may do what a function says.

    Attributes:
        may: Answers questions of the API server's own form.
    """

    def __init__(self, may: Callable[[Mapping[str, Any]], bool]) -> None:
        super().__init__()
        self.may_do = may

    def allows(self, asked: Mapping[str, Any]) -> bool:
        """Ask the function."""
        return self.may_do(asked)


def rendered(options: str) -> list[dict[str, Any]]:
    """Charts of nothing but what must be there: Services, whose ports have the names that are looked for, and pods."""
    given = json.loads(options)
    if given["release_name"] == "osm":
        return [workload(name) for name in ("osm-bootstrap", "osm-controller", "osm-injector")]
    ports = [{"name": name, "port": port} for name, port in (("api", 443), ("grpc", 444))]
    services = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports}}
        for name in SERVICES
    ]
    return [*services, *map(workload, ("dapr-operator", "dapr-sentry", "dapr-sidecar-injector", *STATEFUL))]


def workload(name: str) -> dict[str, Any]:
    """One of a chart."""
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    kind = "StatefulSet" if name in STATEFUL else "Deployment"
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": {"template": template}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A stack file of a working config."""
    path = tmp_path / "Pulumi.x.yaml"
    path.write_text(f"config:\n  dapr-osm:redisPassword: {SECURE}\n")
    return path


@pytest.fixture
def run(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs the doctor on a cluster."""
    (tmp_path / "kubeconfig").write_text("current-context: c\ncontexts:\n- name: c\n- name: d\n")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.delenv("PULUMI_STACK", raising=False)

    @contextmanager
    def rendering(environ: Mapping[str, str], context: str | None) -> Iterator[Callable[[str], Any]]:
        del environ, context
        yield rendered

    monkeypatch.setattr(plugin, "rendering", rendering)

    def running(*arguments: str, on: FakeCluster | None = None) -> tuple[int, str]:
        there = on or FakeCluster()
        if f"{STORAGE_CLASSES}/standard" not in there.objects:
            there.add(f"{STORAGE_CLASSES}/standard", metadata={"annotations": {DEFAULT_CLASS: "true"}})
        monkeypatch.setattr(Cluster, "connect", lambda context=None: there)
        code = doctor.main(["--stack", "x", "--config-file", str(file), *arguments])
        assert not there.changes or {method for method, _ in there.changes} == {"PATCH"}
        assert {query.get("dryRun") for _, query in there.applied} <= {"All"}
        said = capsys.readouterr()
        return code, said.out + said.err

    yield running


def test_where_nothing_is_in_the_way_that_is_said_in_one_line(run: Run) -> None:
    code, said = run()
    head, verdict = said.splitlines()
    assert code == 0
    assert head == "stack x, Kubernetes at https://fake.example:6443 (context c), as user somebody"
    assert verdict.endswith("checks: nothing is in the way")


def test_a_finding_is_a_line_with_its_mend_and_the_worst_come_first(run: Run, file: Path) -> None:
    file.write_text(file.read_text() + "  dapr-osm:extraIpRangeExclusions: [10.0.0.0/8, 172.20.0.0/16]\n")
    there = FakeCluster()
    there.version = "v1.99.0"
    there.add("/api/v1/namespaces/x/pods/p", spec={}, status={"podIP": "10.1.2.3"})
    code, said = run(on=there)
    _, error, warning, verdict = said.splitlines()
    assert code == 1
    assert error.startswith("error     ranges: dapr-osm:extraIpRangeExclusions holds 10.0.0.0/8, in which pods live")
    assert error.endswith("Name only what is outside: single hosts as /32, or the ranges around the pods'.")
    assert warning.startswith("warning   version: the cluster is Kubernetes v1.99.0")
    assert verdict.endswith("checks: `pulumi up` would fail (1 error, 1 warning)")


def test_as_json_it_is_the_same(run: Run) -> None:
    there = FakeCluster()
    there.version = "v1.20.0"
    code, said = run("--json", on=there)
    answer = json.loads(said)
    assert (code, answer["fits"]) == (1, False)
    (finding,) = answer["findings"]
    assert (finding["check"], finding["level"]) == ("version", "breaks")
    assert finding["what"] == "the cluster is Kubernetes v1.20.0, before 1.22.9"
    assert finding["mend"] == "Upgrade it, or choose another cluster."


# --- the config alone -------------------------------------------------------------------------------------------


def test_without_a_cluster_the_config_is_looked_at_all_the_same(run: Run, file: Path) -> None:
    assert run("--no-cluster") == (0, "stack x, its config alone\n1 checks: nothing is in the way\n")
    file.write_text(file.read_text() + "  dapr-osm:stage: smii\n  dapr-osm:daprVersion: 1.12\n")
    code, said = run("--no-cluster")
    assert code == 1
    assert 'error     config: dapr-osm:stage: "smii" is not one of' in said
    assert 'Did you mean "1.12.0"?' in said


def test_a_config_that_can_not_be_used_is_told_before_any_cluster_is_looked_for(run: Run, file: Path) -> None:
    file.write_text("config: {}\n")
    code, said = run("--context", "nowhere")
    assert code == 1
    assert "dapr-osm:redisPassword is not set" in said
    assert "nowhere" not in said


def test_what_depends_on_apps_that_are_encrypted_is_not_taken_for_wrong(run: Run, file: Path) -> None:
    file.write_text(f"{file.read_text()}  dapr-osm:apps: {SECURE}\n  dapr-osm:existingNamespaces: [shops]\n")
    code, said = run("--no-cluster")
    assert code == 0, said
    assert "existingNamespaces" not in said


def test_values_of_esc_environments_are_not_read_and_that_is_said(run: Run, file: Path) -> None:
    file.write_text(f"environment: [team/dev]\n{file.read_text()}")
    code, said = run()
    assert code == 0
    assert "not seen  config: the stack takes values from ESC environments (team/dev)" in said


def test_a_stack_that_is_not_there_is_told_in_one_line(run: Run) -> None:
    code, said = run("--config-file", "no/such/file")
    assert code == 1
    assert said.startswith("error: there is no stack file no/such/file.")


# --- the cluster ------------------------------------------------------------------------------------------------


def test_another_context_is_looked_at_where_one_is_named(run: Run) -> None:
    assert "(context d)" in run("--context", "d")[1]
    code, said = run("--context", "e")
    assert code == 1
    assert 'error     reachable: dapr-osm:kubeContext: "e" is not a context of' in said


def test_a_cluster_that_does_not_answer_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(
        "current-context: c\ncontexts:\n- {name: c, context: {cluster: k}}\n"
        "clusters:\n- {name: k, cluster: {server: 'https://127.0.0.1:1'}}\n"
    )
    code, said = run()
    assert code == 1
    assert 'error     reachable: the cluster of context "c" does not answer at https://127.0.0.1:1' in said


def test_charts_that_can_not_be_rendered_here_are_not_looked_at_and_that_is_said(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def rendering(environ: Mapping[str, str], context: str | None) -> Iterator[Callable[[str], Any]]:
        raise OperationError("Pulumi's Kubernetes provider is not there")
        yield rendered

    monkeypatch.setattr(plugin, "rendering", rendering)
    code, said = run()
    assert code == 0
    assert "not seen  charts: Pulumi's Kubernetes provider is not there. Objects of the charts were not looked" in said


def test_private_charts_are_not_fetched(run: Run, file: Path) -> None:
    credentials = f"{{username: u, password: {SECURE}}}"
    file.write_text(
        f"{file.read_text()}  dapr-osm:daprChart: https://charts.example\n  dapr-osm:chartCredentials: {credentials}\n"
    )
    code, said = run()
    assert code == 0
    assert "not seen  charts: charts are fetched with dapr-osm:chartCredentials, which are not decrypted here" in said


def test_a_chart_that_does_not_take_the_values_is_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def rendering(environ: Mapping[str, str], context: str | None) -> Iterator[Callable[[str], Any]]:
        def refuse(options: str) -> Any:
            raise OperationError("execution error at (dapr/templates/x.yaml)")

        yield refuse

    monkeypatch.setattr(plugin, "rendering", rendering)
    code, said = run()
    assert code == 1
    assert "error     charts: dapr-osm:daprChart: https://dapr.github.io/helm-charts 1.18.2 can't be rendered" in said


# --- who asks ---------------------------------------------------------------------------------------------------


def test_who_may_only_look_is_told_so_in_one_line_and_not_failed(run: Run) -> None:
    code, said = run(on=Narrow(lambda asked: asked.get("verb") in ("get", "list", "watch")))
    _, note, verdict = said.splitlines()
    assert code == 0
    assert note.startswith("note      rights: user somebody may only look")
    assert "deploy/deployer.yaml" in note
    assert "nothing is in the way (1 note)" in verdict


def test_who_may_see_only_some_of_it_is_told_what_was_not_seen(run: Run) -> None:
    there = Narrow(lambda asked: asked.get("verb") in ("get", "list", "watch"))
    there.refused_with["GET", "/api/v1/nodes"] = 403
    there.refused_with["GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles"] = 403
    code, said = run(on=there)
    assert code == 0
    assert "not seen  room: the room on the nodes: no" in said
    assert "not seen  ownership: this user may not look at all that has a name this stack wants: no" in said


def test_a_whole_dapr_of_somebody_elses_is_one_line_and_json_names_it_all(run: Run) -> None:
    there = FakeCluster()
    for name in SERVICES:
        there.add(f"/api/v1/namespaces/dapr-system/services/{name}", metadata={"labels": {"dapr-osm/stack": "other"}})
    for name in ("redis", "nodeapp"):
        labels = {"labels": {"dapr-osm/stack": "other"}}
        there.add(f"/api/v1/namespaces/dapr-test/services/{name}", metadata=labels)
        there.add(f"/apis/apps/v1/namespaces/dapr-test/deployments/{name}", metadata=labels)
    for name in ("dapr-system", "osm-system", "dapr-test"):
        there.add(f"/api/v1/namespaces/{name}", metadata={"labels": {"dapr-osm/stack": "other"}})
    code, said = run(on=there)
    (line,) = [one for one in said.splitlines() if one.startswith("error     ownership: ")]
    assert code == 1
    assert line.endswith("and 7 more are there, of a stack other")
    _, said = run("--json", on=there)
    assert len([one for one in json.loads(said)["findings"] if one["check"] == "ownership"]) == 12


def test_who_lacks_a_right_is_told_which_a_line_each_and_what_to_do(run: Run) -> None:
    code, said = run(on=Narrow(lambda asked: asked.get("verb") != "*" and asked.get("subresource") != "portforward"))
    errors = [line for line in said.splitlines() if line.startswith("error")]
    assert code == 1
    assert errors[0].startswith(
        "error     rights: user somebody may not do all that this stack needs: get, create pods"
    )
    assert errors[-1].startswith("error     rights: Have an administrator run `kubectl apply -f deploy/deployer.yaml`")


def test_where_rights_can_not_be_asked_for_that_is_said(run: Run) -> None:
    there = FakeCluster()
    there.refused_with["POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"] = 403
    code, said = run(on=there)
    assert code == 0
    assert "not seen  rights: what this user may do can't be asked: POST" in said
    assert "system:basic-user" in said


# --- the provider -----------------------------------------------------------------------------------------------


def test_the_provider_is_the_one_that_the_program_uses(tmp_path: Path) -> None:
    from importlib.metadata import version

    wanted = version("pulumi-kubernetes")
    with pytest.raises(OperationError, match=f"provider {wanted} is not in .*Run `pulumi install`"):
        plugin.binary({"PULUMI_HOME": str(tmp_path)})
    binary = tmp_path / "plugins" / f"resource-kubernetes-v{wanted}" / plugin.NAME
    binary.parent.mkdir(parents=True)
    binary.touch()
    assert plugin.binary({"PULUMI_HOME": str(tmp_path)}) == binary


def test_a_provider_that_does_not_start_is_told(tmp_path: Path) -> None:
    from importlib.metadata import version

    binary = tmp_path / "plugins" / f"resource-kubernetes-v{version('pulumi-kubernetes')}" / plugin.NAME
    binary.parent.mkdir(parents=True)
    binary.write_text("#!/bin/sh\nexit 1\n")
    binary.chmod(0o700)
    with pytest.raises(OperationError, match="does not start"), plugin.rendering({"PULUMI_HOME": str(tmp_path)}, None):
        pass


def test_a_provider_that_does_not_answer_is_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts, and then says no, as to a kubeconfig that it can't use."""
    program = tmp_path / "provider"
    program.write_text("#!/bin/sh\necho 1\nexec sleep 60\n")
    program.chmod(0o700)
    monkeypatch.setattr(plugin, "binary", lambda environ: program)
    with pytest.raises(OperationError), plugin.rendering(dict(os.environ), None):
        pytest.fail("nobody listens there")


def test_a_provider_that_can_not_be_run_is_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of another machine's kind, or with its right to run lost in a copy."""
    program = tmp_path / "provider"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o700)
    monkeypatch.setattr(plugin, "binary", lambda environ: program)
    with pytest.raises(OperationError, match="can't be run: Exec format error"), plugin.rendering({}, None):
        pytest.fail("it does not run")


def test_no_proxy_leads_to_a_provider_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Go has it; gRPC would take the environment's."""
    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    program = tmp_path / "provider"
    program.write_text(f"#!/bin/sh\necho {port}\nexec sleep 60\n")
    program.chmod(0o700)
    monkeypatch.setattr(plugin, "binary", lambda environ: program)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    try:
        with pytest.raises(OperationError, match="Method not found"), plugin.rendering(dict(os.environ), None):
            pytest.fail("it knows no method")
    finally:
        server.stop(None)
