"""The same kubeconfig means the same to kubectl and to this client. Skipped where there is no kubectl."""

from __future__ import annotations

import base64
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster import kubeconfig
from cluster.client import Cluster
from cluster.errors import OperationError
from lab.certificates import Authority

from .api_server import ApiServer, Arrived, Told, needs_openssl, serving

# One that is installed, or the one that the lab builds.
KUBECTL = shutil.which("kubectl") or shutil.which("kubectl", path="/var/lib/dapr-osm-lab/bin")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl to compare with")


def kubectl(*arguments: str, files: list[Path], **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [str(KUBECTL), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUBECONFIG": ":".join(map(str, files)), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# --- merging ----------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c"])
CONTENTS = {
    "context": st.fixed_dictionaries({}, optional={"cluster": NAMES, "user": NAMES, "namespace": NAMES}),
    "cluster": st.fixed_dictionaries(
        {},
        optional={
            "server": NAMES.map("https://{}".format),
            "tls-server-name": NAMES,
            "insecure-skip-tls-verify": st.booleans(),
            "proxy-url": NAMES.map("http://{}".format),
        },
    ),
    "user": st.fixed_dictionaries({}, optional={"token": NAMES, "username": NAMES, "as": NAMES}),
}


def entries(kind: str) -> st.SearchStrategy[list[dict[str, Any]] | None]:
    content = st.none() | CONTENTS[kind]
    named = st.builds(lambda name, inner: {"name": name, kind: inner}, NAMES, content)
    return st.none() | st.lists(named, max_size=3, unique_by=lambda entry: entry["name"])


FILES = st.lists(
    st.none()
    | st.fixed_dictionaries(
        {},
        optional={
            "current-context": st.sampled_from(["", "a", "b", "gone"]) | st.none(),
            "contexts": entries("context"),
            "clusters": entries("cluster"),
            "users": entries("user"),
        },
    ),
    min_size=1,
    max_size=3,
)


def meaning(content: Any) -> Any:
    """Without what is empty, which is as good as not there."""
    if isinstance(content, dict):
        return {key: meaning(value) for key, value in content.items() if value not in (None, "", False, [], {})}
    return content


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(contents=FILES, missing=st.booleans(), twice=st.booleans())
def test_files_are_merged_alike(contents: list[Any], missing: bool, twice: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / str(index) for index in range(len(contents))]
        for file, content in zip(files, contents, strict=True):
            file.write_text("" if content is None else yaml.safe_dump(content))
        files = [*([Path(folder) / "missing"] if missing else []), *files, *(files[:1] if twice else [])]
        theirs = kubectl("config", "view", "--raw", "-o", "json", files=files)
        assert theirs.returncode == 0, theirs.stderr
        ours = kubeconfig.read({"KUBECONFIG": ":".join(map(str, files))})
    expected = json.loads(theirs.stdout)
    assert ours.current == expected["current-context"]
    for kind, inner in (("contexts", "context"), ("clusters", "cluster"), ("users", "user")):
        found = {name: meaning(entry.content) for name, entry in getattr(ours, kind).items()}
        assert found == {item["name"]: meaning(item[inner]) for item in expected[kind] or []}, kind


@pytest.mark.parametrize(
    "content",
    [
        "",
        "# nothing",
        "[]",
        "text",
        "contexts: [{name: 5}]",
        "users: [{name: a}, {name: a}]",
        "users: {a: b}",
        "current-context: 5",
        "users: [{name: 2020-01-01}]",
        "a: [",
        "contexts: null",
        "contexts: [null]",
    ],
)
def test_a_file_is_readable_for_both_or_for_neither(content: str, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(content)
    theirs = kubectl("config", "view", files=[file])
    try:
        kubeconfig.read({"KUBECONFIG": str(file)})
    except OperationError as error:
        assert theirs.returncode != 0, error
    else:
        assert theirs.returncode == 0, theirs.stderr


# --- what arrives -----------------------------------------------------------------------------------------------

TOLD = ("authorization", "impersonate-user", "impersonate-uid", "impersonate-group", "impersonate-extra-team%2fname")


def told(arrived: Arrived) -> dict[str, Any]:
    """What a server learns of who asks. Go writes several values of one header in any order."""
    return {"subject": arrived.subject} | {name: sorted(arrived.all(name)) for name in TOLD}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.create()
    return made


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[ApiServer]:
    with serving(ApiServer(authority)) as running:
        running.answer = lambda arrived: Told(body='{"gitVersion": "v1.33.0", "major": "1", "minor": "33"}')
        yield running


PROGRAM = """\
import json
status = {status!r}
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}}))
"""


def program(folder: Path, **status: str) -> dict[str, Any]:
    path = folder / "sign-in"
    path.write_text(f"#!{sys.executable}\n" + PROGRAM.format(status=status))
    path.chmod(0o700)
    return {"command": "./sign-in", "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}


@functools.cache
def _text(path: Path) -> str:
    return path.read_text()


def user(case: str, folder: Path, authority: Authority) -> dict[str, Any]:
    """A user who signs in by one way, or by several at once."""
    certificate, key = authority.issue("ann", "ann")
    for name in ("token", "crt", "key"):
        (folder / name).write_text({"token": "from-file\n", "crt": _text(certificate), "key": _text(key)}[name])
    data = {
        "client-certificate-data": base64.b64encode(certificate.read_bytes()).decode(),
        "client-key-data": base64.b64encode(key.read_bytes()).decode(),
    }
    by_file = {"client-certificate": "crt", "client-key": "key"}
    from_program = {"clientCertificateData": _text(certificate), "clientKeyData": _text(key)}
    speaker = {"as": "bob", "as-uid": "7", "as-groups": ["dev", "ops"], "as-user-extra": {"Team/Name": ["p", "q"]}}
    cases: dict[str, dict[str, Any]] = {
        "token": {"token": "t"},
        "token file": {"tokenFile": "token"},
        "token and token file": {"token": "t", "tokenFile": "token"},
        "password": {"username": "ann", "password": "päss:word"},
        "certificate": data,
        "certificate by file": by_file,
        "certificate and token": {**by_file, "token": "t"},
        "program": {"exec": program(folder, token="given")},
        "program and token": {"exec": program(folder, token="given"), "token": "t"},
        "program and password": {"exec": program(folder, token="given"), "username": "ann", "password": "p"},
        "program's certificate": {"exec": program(folder, **from_program)},
        "program's certificate and token": {"exec": program(folder, token="given", **from_program)},
        "program's certificate and a token": {"exec": program(folder, **from_program), "token": "t"},
        "program and certificate": {"exec": program(folder, token="given"), **by_file},
        "impersonation": {"token": "t", **speaker},
        "token and password": {"token": "t", "username": "ann", "password": "p"},
        "certificate without a key": {"client-certificate": "crt"},
        "certificate twice": {**data, **by_file},
        "groups without a name": {"token": "t", "as-groups": ["x"]},
        "missing token file": {"tokenFile": "gone"},
        "missing certificate": {**by_file, "client-certificate": "gone"},
        "program without a mode": {"exec": {"command": "x", "apiVersion": "client.authentication.k8s.io/v1"}},
        "program of an old version": {"exec": {"command": "x", "apiVersion": "client.authentication.k8s.io/v1alpha1"}},
    }
    return cases[case]


CASES = [
    "token",
    "token file",
    "token and token file",
    "password",
    "certificate",
    "certificate by file",
    "certificate and token",
    "program",
    "program and token",
    "program and password",
    "program's certificate",
    "program's certificate and token",
    "program's certificate and a token",
    "program and certificate",
    "impersonation",
    "token and password",
    "certificate without a key",
    "certificate twice",
    "groups without a name",
    "missing token file",
    "missing certificate",
    "program without a mode",
    "program of an old version",
]


def compare(server: ApiServer, file: Path, context: str | None = None) -> None:
    """Ask with both, and hold what arrived against each other."""
    server.arrived.clear()
    chosen = ["--context", context] if context else []
    theirs = kubectl("get", "--raw", "/version", *chosen, files=[file])
    # Some kubectl ask for the server's version first, to choose the binary that fits.
    arrived = server.arrived[-1:]
    server.arrived.clear()
    try:
        Cluster.connect(context, kubeconfig=file).request("GET", "/version")
        problem = ""
    except OperationError as error:
        problem = str(error)
    assert [told(one) for one in arrived] == [told(one) for one in server.arrived], f"{theirs.stderr} | {problem}"
    assert (theirs.returncode == 0) == (not problem), f"{theirs.stderr} | {problem}"


@needs_openssl
@pytest.mark.parametrize("case", CASES)
def test_the_same_arrives(
    case: str, server: ApiServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.client.PAUSES", ())
    monkeypatch.chdir("/")
    content = {
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [
            {"name": "k", "cluster": {"server": server.url, "certificate-authority": str(authority.certificate)}}
        ],
        "users": [{"name": "u", "user": user(case, tmp_path, authority)}],
    }
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(content))
    compare(server, file, "c")
