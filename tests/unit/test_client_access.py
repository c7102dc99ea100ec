"""What arrives at an API server, for every way of a kubeconfig to say who asks and where."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import credentials, kubeconfig
from cluster.access import find_access
from cluster.client import Cluster
from cluster.errors import ApiError, OperationError
from lab.certificates import Authority

from .api_server import ApiServer, Told, client, needs_openssl, serving
from .api_server import kubeconfig as write_kubeconfig


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with serving(ApiServer()) as running:
        yield running


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.create()
    return made


@pytest.fixture
def tls(authority: Authority) -> Iterator[ApiServer]:
    with serving(ApiServer(authority)) as running:
        yield running


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def in_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.client.PAUSES", ())


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def authorization(server: ApiServer, folder: Path, cluster: dict[str, Any] | None = None, /, **user: Any) -> str | None:
    client(folder, server.url, cluster, **user).request("GET", "/version")
    return server.last.header("authorization")


def refused(folder: Path, server: str = "http://127.0.0.1:1", cluster: Any = None, /, **user: Any) -> str:
    with pytest.raises(OperationError) as caught:
        client(folder, server, cluster, **user).request("GET", "/version")
    return str(caught.value)


# --- tokens, passwords ------------------------------------------------------------------------------------------


def test_a_user_without_credentials_is_nobody(server: ApiServer, tmp_path: Path) -> None:
    assert authorization(server, tmp_path) is None


def test_a_token_arrives(server: ApiServer, tmp_path: Path) -> None:
    assert authorization(server, tmp_path, token="secret") == "Bearer secret"


def test_a_name_and_a_password_arrive(server: ApiServer, tmp_path: Path) -> None:
    expected = "Basic " + base64.b64encode(b"ann:p\xc3\xa4ss").decode()
    assert authorization(server, tmp_path, username="ann", password="päss") == expected


def test_a_token_file_is_relative_to_its_kubeconfig_and_read_again(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").mkdir()
    file = tmp_path / "keys" / "token"
    file.write_text("first\n")
    cluster = client(tmp_path, server.url, tokenFile="keys/token")
    monkeypatch.chdir("/")
    cluster.request("GET", "/")
    assert server.last.header("authorization") == "Bearer first"
    file.write_text("second")
    cluster.request("GET", "/")
    assert server.last.header("authorization") == "Bearer first", "it is not read for each request"
    monkeypatch.setattr(credentials, "TOKEN_FILE_SECONDS", -1)
    cluster.request("GET", "/")
    assert server.last.header("authorization") == "Bearer second"
    file.write_text("")
    cluster.request("GET", "/")
    assert server.last.header("authorization") == "Bearer second", "while it is being written the last one counts"


def test_a_refused_token_is_read_again_at_once(server: ApiServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    cluster = client(tmp_path, server.url, tokenFile="token")
    cluster.request("GET", "/")
    file.write_text("new")
    server.answer = lambda arrived: Told(status=200 if arrived.header("authorization") == "Bearer new" else 401)
    cluster.request("GET", "/")
    assert len(server.arrived) == 3
    server.answer = lambda arrived: Told(status=401)
    with pytest.raises(ApiError):
        cluster.request("GET", "/")
    assert len(server.arrived) == 4, "the same token again would be refused again"


def test_a_token_files_content_goes_before_a_token(server: ApiServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file")
    assert authorization(server, tmp_path, token="inline", tokenFile="token") == "Bearer from-file"


def test_a_token_counts_where_its_file_is_gone(server: ApiServer, tmp_path: Path) -> None:
    assert authorization(server, tmp_path, token="inline", tokenFile="gone") == "Bearer inline"


def test_a_token_file_that_is_missing_is_named(tmp_path: Path) -> None:
    message = refused(tmp_path, tokenFile="gone")
    assert f'{tmp_path / "config"}: user "u": tokenFile: {tmp_path / "gone"} can\'t be read: ' in message


def test_an_empty_token_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    assert f"the token file {tmp_path / 'token'} can't be used: it is empty" in refused(tmp_path, tokenFile="token")


def test_only_one_way_to_sign_in_is_allowed(tmp_path: Path) -> None:
    message = refused(tmp_path, token="hidden", username="ann", password="hidden")
    assert f'{tmp_path / "config"}: user "u": username: can\'t be set beside a token' in message
    assert "hidden" not in message


# --- programs ---------------------------------------------------------------------------------------------------

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"
# Notes what it was given, and answers with what stands in the file beside it.
PROGRAM = """\
import json, os, pathlib, sys
folder = pathlib.Path(__file__).parent
seen = folder / "seen"
runs = json.loads(seen.read_text()) if seen.exists() else []
names = ["KUBERNETES_EXEC_INFO", "GIVEN", "PATH"]
runs.append({"args": sys.argv[1:], "env": {name: os.environ.get(name) for name in names}, "stdin": sys.stdin.read()})
seen.write_text(json.dumps(runs))
print((folder / "answer").read_text())
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "sign-in"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\n{PROGRAM}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    answer(path, token="given")
    return path


def answer(program: Path, version: str = V1, **status: Any) -> None:
    credential = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    (program.parent / "answer").write_text(json.dumps(credential))


def runs(program: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((program.parent / "seen").read_text())
    return found


def plugin(command: str | Path, version: str = V1, **more: Any) -> dict[str, Any]:
    return {"command": str(command), "apiVersion": version, "interactiveMode": "Never", **more}


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_a_programs_token_arrives_and_the_program_gets_args_and_environment(
    version: str, server: ApiServer, tmp_path: Path, program: Path
) -> None:
    answer(program, version, token="given")
    env = [{"name": "GIVEN", "value": "yes"}]
    spec = plugin(program, version, args=["get", "--token"], env=env)
    assert authorization(server, tmp_path, exec=spec) == "Bearer given"
    [run] = runs(program)
    assert run["args"] == ["get", "--token"]
    assert (run["env"]["GIVEN"], run["env"]["PATH"]) == ("yes", os.environ["PATH"])
    info = json.loads(run["env"]["KUBERNETES_EXEC_INFO"])
    assert info == {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}


def test_standard_input_is_the_operations_and_not_the_programs(
    server: ApiServer, tmp_path: Path, program: Path
) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"the operation's")
    os.close(writing)
    kept = os.dup(0)
    os.dup2(reading, 0)
    try:
        authorization(server, tmp_path, exec=plugin(program))
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(reading)
    assert runs(program)[0]["stdin"] == ""


def test_a_programs_path_is_relative_to_its_kubeconfig(
    server: ApiServer, tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert authorization(server, tmp_path, exec=plugin("bin/sign-in")) == "Bearer given"


def test_a_programs_bare_name_is_looked_up(
    server: ApiServer, tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    assert authorization(server, tmp_path, exec=plugin("sign-in")) == "Bearer given"


def test_a_token_goes_before_a_program(server: ApiServer, tmp_path: Path, program: Path) -> None:
    assert authorization(server, tmp_path, token="fixed", exec=plugin(program)) == "Bearer fixed"
    assert not (program.parent / "seen").exists()


@needs_openssl
def test_a_certificate_goes_before_a_program(
    tls: ApiServer, authority: Authority, tmp_path: Path, program: Path
) -> None:
    certificate, key = authority.issue("ann", "ann")
    user = {"client-certificate": str(certificate), "client-key": str(key), "exec": plugin(program)}
    assert authorization(tls, tmp_path, {"insecure-skip-tls-verify": True}, **user) is None
    assert tls.last.subject == "ann"
    assert not (program.parent / "seen").exists()


def test_a_program_is_run_once_until_its_credential_expires(server: ApiServer, tmp_path: Path, program: Path) -> None:
    answer(program, token="one", expirationTimestamp="2999-01-01T00:00:00Z")
    cluster = client(tmp_path, server.url, exec=plugin(program))
    cluster.request("GET", "/")
    cluster.request("GET", "/")
    assert len(runs(program)) == 1
    (program.parent / "seen").unlink()
    answer(program, token="two", expirationTimestamp="2000-01-01T00:00:00Z")
    cluster = client(tmp_path, server.url, exec=plugin(program))
    cluster.request("GET", "/")
    cluster.request("GET", "/")
    assert len(runs(program)) == 2


def test_a_program_is_run_again_when_its_token_is_refused(server: ApiServer, tmp_path: Path, program: Path) -> None:
    cluster = client(tmp_path, server.url, exec=plugin(program))
    cluster.request("GET", "/")
    answer(program, token="renewed")
    server.answer = lambda arrived: Told(status=200 if arrived.header("authorization") == "Bearer renewed" else 401)
    cluster.request("GET", "/")
    assert server.last.header("authorization") == "Bearer renewed"


def test_a_program_learns_of_the_cluster_where_it_asks_for_it(server: ApiServer, tmp_path: Path, program: Path) -> None:
    extensions = [
        {"name": "other", "extension": 1},
        {"name": "client.authentication.k8s.io/exec", "extension": {"a": 1}},
    ]
    authorization(
        server,
        tmp_path,
        {"tls-server-name": "n", "extensions": extensions},
        exec=plugin(program, provideClusterInfo=True),
    )
    info = json.loads(runs(program)[0]["env"]["KUBERNETES_EXEC_INFO"])
    assert info["spec"]["cluster"] == {"server": server.url, "tls-server-name": "n", "config": {"a": 1}}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"command": "", "apiVersion": V1, "interactiveMode": "Never"}, "exec: command: is missing"),
        ({"command": "x", "apiVersion": "v1alpha1"}, 'exec: apiVersion: "v1alpha1" is not one of'),
        ({"command": "x", "apiVersion": V1}, 'exec: interactiveMode: "" is not one of Never'),
        ({"command": "x", "apiVersion": V1BETA1, "interactiveMode": "Yes"}, 'interactiveMode: "Yes" is not one of'),
        (plugin("x", args="text"), "exec: args: must be a list of texts"),
        (plugin("x", env=[{"value": "hidden"}]), "exec: env: must be a list of maps with name and value"),
        (plugin("x", env=[{"name": "A", "value": 5}]), "exec: env: A must be a text"),
        (
            plugin("no-such-program", installHint="Install it.\n"),
            "no-such-program gives no credentials: it is not there",
        ),
        (plugin("no-such-program", installHint="Get it at x."), "Get it at x"),
        (plugin(sys.executable, args=["-c", "import sys; sys.exit('signed out')"]), "exit code 1: signed out"),
        (plugin(sys.executable, args=["-c", "print('no JSON')"]), "its answer is no ExecCredential"),
        (plugin(sys.executable, args=["-c", "print('{}')"]), "its answer is no ExecCredential"),
        (plugin(sys.executable, interactiveMode="Always"), "it wants a person"),
    ],
    ids=str,
)
def test_a_program_that_cannot_be_used_is_named_with_the_cause(spec: dict[str, Any], says: str, tmp_path: Path) -> None:
    message = refused(tmp_path, exec=spec)
    assert says in message
    assert "hidden" not in message


@pytest.mark.parametrize(
    ("version", "status", "says"),
    [
        (V1BETA1, {"token": "hidden"}, "it answers as client.authentication.k8s.io/v1beta1, but the kubeconfig says"),
        (V1, {}, "it gave neither a token nor a certificate with its key"),
        (V1, {"clientCertificateData": "x", "token": "hidden"}, "neither a token nor a certificate with its key"),
        (V1, {"token": "hidden", "expirationTimestamp": "soon"}, "its expirationTimestamp is no time: soon"),
    ],
)
def test_a_programs_answer_is_checked(
    version: str, status: dict[str, Any], says: str, tmp_path: Path, program: Path
) -> None:
    answer(program, version, **status)
    message = refused(tmp_path, exec=plugin(program))
    assert says in message
    assert "hidden" not in message


def test_a_program_that_does_not_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "PROGRAM_SECONDS", 0.05)
    spec = plugin(sys.executable, args=["-c", "import time; time.sleep(60)"])
    assert "it did not end in time" in refused(tmp_path, exec=spec)


def test_an_identity_token_is_used_while_it_is_valid(server: ApiServer, tmp_path: Path) -> None:
    def provider(expires: int) -> dict[str, Any]:
        payload = base64.urlsafe_b64encode(json.dumps({"exp": expires}).encode()).decode().rstrip("=")
        return {"name": "oidc", "config": {"id-token": f"h.{payload}.s"}}

    valid = provider(32503680000)
    given = authorization(server, tmp_path, **{"auth-provider": valid})
    assert given == f"Bearer {valid['config']['id-token']}"
    message = refused(tmp_path, **{"auth-provider": provider(1)})
    assert "auth-provider oidc has no valid id-token. Renew it with any command of kubectl's" in message


def test_a_sign_in_that_is_gone_from_kubectl_is_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, **{"auth-provider": {"name": "gcp"}})
    assert 'auth-provider: name: "gcp" is gone from kubectl and from the provider too' in message


def test_a_program_and_a_built_in_sign_in_exclude_each_other(tmp_path: Path) -> None:
    message = refused(tmp_path, exec=plugin("x"), **{"auth-provider": {"name": "oidc"}})
    assert 'user "u": exec: can\'t be set beside auth-provider' in message


# --- impersonation ----------------------------------------------------------------------------------------------


def test_whom_a_user_speaks_for_arrives_with_every_group(server: ApiServer, tmp_path: Path) -> None:
    speaker: dict[str, Any] = {
        "as": "ann",
        "as-uid": "7",
        "as-groups": ["dev", "ops"],
        "as-user-extra": {"Team/Name": ["a", "b"]},
    }
    assert authorization(server, tmp_path, token="t", **speaker) == "Bearer t"
    assert server.last.header("impersonate-user") == "ann"
    assert server.last.header("impersonate-uid") == "7"
    assert server.last.all("impersonate-group") == ["dev", "ops"]
    assert server.last.all("impersonate-extra-team%2fname") == ["a", "b"]


def test_a_name_of_any_script_arrives_as_go_sends_it(server: ApiServer, tmp_path: Path) -> None:
    authorization(server, tmp_path, **{"as": "Łukasz"})
    assert (server.last.header("impersonate-user") or "").encode("latin-1").decode() == "Łukasz"


def test_groups_without_a_name_are_refused(tmp_path: Path) -> None:
    assert 'user "u": as: is missing beside as-uid' in refused(tmp_path, **{"as-groups": ["dev"]})


# --- TLS --------------------------------------------------------------------------------------------------------


@needs_openssl
@pytest.mark.parametrize("inline", [True, False], ids=["inline", "by file"])
def test_certificates_of_both_sides_are_taken_inline_and_by_file(
    inline: bool, tls: ApiServer, authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issue("ann", "ann")
    files = {"certificate-authority": authority.certificate, "client-certificate": certificate, "client-key": key}
    if inline:
        given = {f"{name}-data": encoded(path) for name, path in files.items()}
    else:
        given = {name: os.path.relpath(path, tmp_path) for name, path in files.items()}
    cluster = {name: value for name, value in given.items() if name.startswith("certificate")}
    user = {name: value for name, value in given.items() if name.startswith("client")}
    client(tmp_path, tls.url, cluster, **user).request("GET", "/version")
    assert tls.last.subject == "ann"


@needs_openssl
def test_no_key_stays_in_a_file(tls: ApiServer, authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("ann", "ann")
    folder = tmp_path / "temporary"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(folder))
        data = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
        client(tmp_path, tls.url, {"insecure-skip-tls-verify": True}, **data).request("GET", "/version")
    assert tls.last.subject == "ann"
    assert list(folder.iterdir()) == []


@needs_openssl
def test_a_certificate_and_a_token_go_together(tls: ApiServer, authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("ann", "ann")
    user = {"client-certificate": str(certificate), "client-key": str(key), "token": "t"}
    trusted = {"certificate-authority": str(authority.certificate)}
    assert authorization(tls, tmp_path, trusted, **user) == "Bearer t"
    assert tls.last.subject == "ann"


@needs_openssl
def test_a_programs_certificate_is_shown_and_replaced(
    tls: ApiServer, authority: Authority, tmp_path: Path, program: Path
) -> None:
    def given(name: str, **more: Any) -> None:
        certificate, key = authority.issue(name, name)
        answer(program, clientCertificateData=certificate.read_text(), clientKeyData=key.read_text(), **more)

    given("ann", expirationTimestamp="2000-01-01T00:00:00Z")
    cluster = client(tmp_path, tls.url, {"certificate-authority": str(authority.certificate)}, exec=plugin(program))
    cluster.request("GET", "/version")
    assert tls.last.subject == "ann"
    given("bob")
    cluster.request("GET", "/version")
    assert tls.last.subject == "bob"
    assert tls.last.header("authorization") is None


@needs_openssl
def test_a_server_of_another_authority_is_refused(tls: ApiServer, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    other.create()
    message = refused(tmp_path, tls.url, {"certificate-authority": str(other.certificate)}, token="hidden")
    assert "CERTIFICATE_VERIFY_FAILED" in message
    assert tls.arrived == []
    assert "hidden" not in message


@needs_openssl
def test_without_an_authority_this_machines_own_count(tls: ApiServer, tmp_path: Path) -> None:
    assert "CERTIFICATE_VERIFY_FAILED" in refused(tmp_path, tls.url)


@needs_openssl
def test_this_machines_own_authorities_are_those_of_go(
    tls: ApiServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    authorization(tls, tmp_path)
    assert len(tls.arrived) == 1


@needs_openssl
def test_a_servers_certificate_may_be_left_unlooked_at(tls: ApiServer, tmp_path: Path) -> None:
    authorization(tls, tmp_path, {"insecure-skip-tls-verify": True})
    assert len(tls.arrived) == 1


@needs_openssl
def test_the_name_in_a_servers_certificate_counts(authority: Authority, tmp_path: Path) -> None:
    trusted = {"certificate-authority": str(authority.certificate)}
    with serving(ApiServer(authority, hosts=("api.example",))) as named:
        assert "CERTIFICATE_VERIFY_FAILED" in refused(tmp_path, named.url, trusted)
        authorization(named, tmp_path, {**trusted, "tls-server-name": "api.example"})
        assert named.last.header("host") == f"127.0.0.1:{named.port}", "the name is TLS's alone"
        assert "CERTIFICATE_VERIFY_FAILED" in refused(tmp_path, named.url, {**trusted, "tls-server-name": "b.example"})


@needs_openssl
def test_a_certificates_common_name_does_not_count(authority: Authority, tmp_path: Path) -> None:
    server = ApiServer(authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("common", "localhost"))
    server.socket = context.wrap_socket(socket.socket(fileno=server.socket.detach()), server_side=True)
    with serving(server):
        trusted = {"certificate-authority": str(authority.certificate)}
        assert "CERTIFICATE_VERIFY_FAILED" in refused(tmp_path, f"https://localhost:{server.port}", trusted)


@pytest.mark.parametrize(
    ("cluster", "user", "says"),
    [
        ({"server": ""}, {}, 'cluster "k": server: is missing'),
        ({"server": "https://"}, {}, 'cluster "k": server: must be a URL'),
        ({"server": "ftp://x"}, {}, 'cluster "k": server: must be a URL'),
        ({"server": "https://x:nan"}, {}, 'cluster "k": server: must be a URL'),
        ({"server": 5}, {}, 'cluster "k": server: must be a text'),
        ({"certificate-authority": "gone"}, {}, 'cluster "k": certificate-authority: '),
        ({"certificate-authority": "a", "certificate-authority-data": "a"}, {}, "can't be set beside"),
        ({"certificate-authority-data": "a"}, {}, "certificate-authority-data: is not base64"),
        ({"certificate-authority-data": "YQ=="}, {}, "the certificates for https://127.0.0.1:1 can't be used"),
        (
            {"certificate-authority-data": "YQ==", "insecure-skip-tls-verify": True},
            {},
            "beside a certificate authority",
        ),
        ({"insecure-skip-tls-verify": "yes"}, {}, "insecure-skip-tls-verify: must be true or false"),
        ({"proxy-url": "ftp://x"}, {}, 'cluster "k": proxy-url: must be a URL'),
        ({}, {"client-certificate-data": "YQ=="}, "client-certificate: needs its key"),
        ({}, {"client-certificate-data": "YQ==", "client-key-data": "YQ=="}, "client-certificate and client-key"),
        ({}, {"client-certificate": "gone"}, 'user "u": client-certificate: '),
        ({}, {"token": 5}, 'user "u": token: must be a text'),
        ({}, {"exec": "x"}, 'user "u": exec: must be a map'),
        ({}, {"as-groups": "x"}, 'user "u": as-groups: must be a list of texts'),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(cluster: dict[str, Any], user: dict[str, Any], says: str, tmp_path: Path) -> None:
    assert says in refused(tmp_path, "https://127.0.0.1:1", cluster, **user)


# --- servers, contexts, pods ------------------------------------------------------------------------------------


def test_a_server_may_live_below_a_path(server: ApiServer, tmp_path: Path) -> None:
    client(tmp_path, f"{server.url}/k8s/clusters/c-1/").request("GET", "/version", {"a": "b c"})
    assert server.last.path == "/k8s/clusters/c-1/version?a=b+c"


def test_a_server_without_a_scheme_speaks_http(server: ApiServer, tmp_path: Path) -> None:
    client(tmp_path, f"127.0.0.1:{server.port}").request("GET", "/version")
    assert len(server.arrived) == 1


@needs_openssl
def test_a_server_without_a_scheme_speaks_https_where_certificates_are_given(tls: ApiServer, tmp_path: Path) -> None:
    client(tmp_path, f"127.0.0.1:{tls.port}", {"insecure-skip-tls-verify": True}).request("GET", "/version")
    assert len(tls.arrived) == 1


def test_a_redirect_is_not_followed(server: ApiServer, tmp_path: Path) -> None:
    server.answer = lambda arrived: Told(status=302, headers={"Location": f"{server.url}/elsewhere"})
    with pytest.raises(ApiError):
        client(tmp_path, server.url, token="t").request("GET", "/version")
    assert len(server.arrived) == 1, "the credentials would go along"


def test_a_named_context_is_connected_to_whichever_is_current(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write_kubeconfig(tmp_path / "first", "http://127.0.0.1:1")
    second = tmp_path / "second"
    second.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "mine", "context": {"cluster": "mine", "user": "mine"}}],
                "clusters": [{"name": "mine", "cluster": {"server": server.url}}],
                "users": [{"name": "mine", "user": {"token": "mine"}}],
            }
        )
    )
    monkeypatch.setenv("KUBECONFIG", f"{first}{os.pathsep}{second}")
    Cluster.connect("mine").request("GET", "/version")
    assert server.last.header("authorization") == "Bearer mine"
    assert Cluster.connect().server == "http://127.0.0.1:1"
    Cluster.connect("mine", kubeconfig=second).request("GET", "/version")
    assert len(server.arrived) == 2
    with pytest.raises(OperationError, match="is not a context of"):
        Cluster.connect("c", kubeconfig=second)


def test_a_kubeconfig_that_was_named_has_to_exist(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="there is no kubeconfig"):
        Cluster.connect(kubeconfig=tmp_path / "none")


@pytest.mark.parametrize("user", [None, "gone"])
def test_a_context_without_a_user_is_nobodys(user: str | None, server: ApiServer, tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", server.url, token="t")
    content = yaml.safe_load(path.read_text())
    content["contexts"][0]["context"]["user"] = user
    path.write_text(yaml.safe_dump(content))
    Cluster.connect(kubeconfig=path).request("GET", "/version")
    assert server.last.header("authorization") is None


def test_a_context_whose_cluster_is_missing_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", "https://x")
    path.write_text(path.read_text().replace("cluster: k\n", "cluster: kk\n"))
    with pytest.raises(OperationError) as caught:
        Cluster.connect(kubeconfig=path)
    assert f'{path}: context "c": cluster: "kk" is not a cluster of {path} (there: k); did you mean "k"?' in str(
        caught.value
    )


def test_in_a_pod_its_service_account_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", tmp_path)
    environ = {"HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(OperationError, match="ServiceAccount has no token"):
        find_access(environ)
    (tmp_path / "token").write_text("mine")
    (tmp_path / "ca.crt").write_text("PEM")
    found = find_access(environ)
    assert (found.context, found.server, found.authorities) == (None, "https://10.0.0.1:443", b"PEM")
    assert credentials.source_of(found).current().authorization == "Bearer mine"
    assert find_access(environ | {"KUBERNETES_SERVICE_HOST": "fd00::1"}).server == "https://[fd00::1]:443"


@pytest.mark.parametrize("user", [{"token": "hidden\n"}, {"tokenFile": "token"}, {"as": "hidden\r\nMore: 1"}], ids=str)
def test_what_no_header_can_hold_is_told_and_not_shown(user: dict[str, Any], server: ApiServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hid\nden")
    message = refused(tmp_path, server.url, **user)
    assert "line break" in message
    assert "hid" not in message
    assert server.arrived == []


def test_nothing_shows_a_credential(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", "https://x", token="hidden")
    found = find_access({"KUBECONFIG": str(path)})
    shown = f"{found!r} {kubeconfig.read({'KUBECONFIG': str(path)})!r} {credentials.source_of(found).current()!r}"
    assert "hidden" not in shown
