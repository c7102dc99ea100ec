"""Users of the cluster: known by their certificates, and without any rights of their own."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import node, users
from lab.certificates import subject
from lab.errors import LabError
from lab.paths import LAB, Paths

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the lab installs openssl when it starts")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return the paths of a cluster that was never started."""
    return Paths(checkout=tmp_path / "checkout", cache=tmp_path / "cache", data=tmp_path / "data", run=tmp_path / "run")


@pytest.fixture
def started(paths: Paths) -> Paths:
    """Return the paths of a cluster that has its authority."""
    users.authority(paths).create()
    return paths


def named(kubeconfig: Path) -> str:
    """Return the name in a kubeconfig's certificate, as the API server reads it."""
    content: dict[str, Any] = yaml.safe_load(kubeconfig.read_text())
    certificate = base64.b64decode(content["users"][0]["user"]["client-certificate-data"])
    argv = ["openssl", "x509", "-noout", "-subject", "-nameopt", "sep_multiline,utf8"]
    said = subprocess.run(argv, input=certificate, capture_output=True, check=True).stdout.decode()  # noqa: S603
    return " ".join(line.strip() for line in said.splitlines()[1:])


@needs_openssl
@pytest.mark.parametrize(
    ("user", "groups", "name"),
    [
        ("deployer", (), "CN=deployer"),
        ("deployer", ("team", "other"), "O=team O=other CN=deployer"),
        ("team/deployer", ("a+b=c",), "O=a+b=c CN=team/deployer"),
    ],
)
def test_a_user_is_who_was_asked_for_whatever_the_names_hold(
    started: Paths, user: str, groups: tuple[str, ...], name: str
) -> None:
    assert named(users.kubeconfig(started, user, groups)) == name


@needs_openssl
def test_a_users_kubeconfig_is_the_same_each_time_and_only_roots_to_read(started: Paths) -> None:
    path = users.kubeconfig(started, "deployer")
    first = path.read_text()
    assert users.kubeconfig(started, "deployer") == path
    assert path.read_text() == first
    assert path.stat().st_mode & 0o077 == 0
    assert yaml.safe_load(first)["current-context"] == LAB, "settings name one context, whoever the user is"
    assert path.is_relative_to(started.data), "it goes with the cluster"


def test_two_users_never_share_a_certificate() -> None:
    given = [("a:b", ()), ("a-b", ()), ("a-b", ("team",)), ("a-b", ("te", "am"))]
    assert len({users.label(user, groups) for user, groups in given}) == len(given)
    assert all("/" not in users.label(user) for user in ("../x", "a/b"))


def test_without_a_cluster_there_is_no_user(paths: Paths) -> None:
    with pytest.raises(LabError, match="has not been started"):
        users.kubeconfig(paths, "deployer")


def test_a_subject_has_the_groups_before_the_user() -> None:
    assert subject("me", ["one", "two"]) == "/O=one/O=two/CN=me"
    assert subject("a/b") == r"/CN=a\/b"


@needs_openssl
def test_only_the_lab_itself_is_past_all_permissions(started: Paths) -> None:
    users.write(started)
    assert named(started.own_kubeconfig) == "O=system:masters CN=lab:admin"
    assert named(started.kubeconfig) == f"CN={users.ADMINISTRATOR}", "people and tests are ordinary administrators"


def test_the_administrator_has_rights_by_a_binding_like_any_user() -> None:
    (binding,) = [
        item
        for item in node.system_objects()
        if item["kind"] == "ClusterRoleBinding" and item["metadata"]["name"] == "lab:admin"  # type: ignore[index]
    ]
    assert binding["roleRef"]["name"] == "cluster-admin"  # type: ignore[index]
    assert [(one["kind"], one["name"]) for one in binding["subjects"]] == [("User", users.ADMINISTRATOR)]  # type: ignore[attr-defined]
