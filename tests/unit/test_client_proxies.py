"""Proxies lead where they lead Go's programs: kubectl, the provider and Helm."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.client import Cluster
from cluster.errors import OperationError
from cluster.proxies import proxy_for
from lab.certificates import Authority

from .api_server import ApiServer, client, kubeconfig, needs_openssl, serving

PROXY = "http://proxy.example:3128"


def leads(server: str, **environ: str) -> bool:
    """Whether a proxy leads to this server."""
    return proxy_for(server, {"HTTPS_PROXY": PROXY, **environ}) == PROXY


def test_without_a_proxy_the_way_is_direct() -> None:
    assert proxy_for("https://api.example", {}) is None


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_a_proxy_is_found_in_both_spellings(name: str) -> None:
    assert proxy_for("https://api.example", {name: PROXY}) == PROXY


def test_upper_case_goes_first() -> None:
    both = {"HTTPS_PROXY": PROXY, "https_proxy": "http://other"}
    assert proxy_for("https://api.example", both) == PROXY
    assert proxy_for("https://api.example", {**both, "HTTPS_PROXY": ""}) == "http://other"
    assert not leads("https://api.example", NO_PROXY="api.example", no_proxy="other.example")
    assert leads("https://api.example", NO_PROXY="other.example", no_proxy="api.example")


def test_each_scheme_has_its_own_proxy() -> None:
    environ = {"HTTPS_PROXY": "http://one", "HTTP_PROXY": "http://two", "ALL_PROXY": "http://three"}
    assert proxy_for("https://api.example", environ) == "http://one"
    assert proxy_for("http://api.example", environ) == "http://two"
    assert proxy_for("https://api.example", {"ALL_PROXY": PROXY}) is None, "Go does not know that one"


def test_a_proxy_without_a_scheme_speaks_http() -> None:
    assert proxy_for("https://api.example", {"HTTPS_PROXY": "proxy.example:3128"}) == PROXY


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "[::ffff:127.0.0.1]"])
def test_no_proxy_leads_to_this_machine(host: str) -> None:
    assert not leads(f"https://{host}:6443")


@pytest.mark.parametrize(
    ("exceptions", "server", "excepted"),
    [
        ("", "https://api.example", False),
        ("*", "https://api.example", True),
        ("other, *", "https://10.0.0.1", True),
        ("example", "https://api.example", True),
        ("example", "https://example", True),
        ("ample", "https://api.example", False),
        (".example", "https://api.example", True),
        (".example", "https://example", False),
        ("*.example", "https://api.example", True),
        ("*.example", "https://example", False),
        ("API.Example", "https://api.example", True),
        ("api.example", "https://API.example", True),
        (" a , api.example ", "https://api.example", True),
        ("api.example:6443", "https://api.example:6443", True),
        ("api.example:6443", "https://api.example", False),
        ("api.example:443", "https://api.example", True),
        ("api.example:80", "http://api.example", True),
        ("10.0.0.1", "https://10.0.0.1:6443", True),
        ("10.0.0.1", "https://10.0.0.10", False),
        ("10.0.0.1:6443", "https://10.0.0.1:6443", True),
        ("10.0.0.1:6443", "https://10.0.0.1:443", False),
        ("10.0.0.0/8", "https://10.200.0.1:6443", True),
        ("10.1.2.3/8", "https://10.200.0.1", True),
        ("10.0.0.0/8", "https://11.0.0.1", False),
        ("10.0.0.0/8", "https://api.example", False),
        ("10.0.0.0/255.0.0.0", "https://10.0.0.1", False),
        ("10.0.0.0/99", "https://10.0.0.1", False),
        ("fd00::/8", "https://[fd00::1]:6443", True),
        ("fd00::1", "https://[fd00::1]:6443", True),
        ("[fd00::1]:6443", "https://[fd00::1]:6443", True),
        ("[fd00::1]:6443", "https://[fd00::1]", False),
        ("[fd00::1]", "https://[fd00::1]:6443", False),
        ("::ffff:10.0.0.1", "https://10.0.0.1", True),
        (":6443", "https://api.example:6443", False),
        (",,", "https://api.example", False),
    ],
)
def test_exceptions_are_read_as_go_reads_them(exceptions: str, server: str, excepted: bool) -> None:
    proxied = {"HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY, "NO_PROXY": exceptions}
    assert (proxy_for(server, proxied) is None) == excepted


# --- what arrives at a proxy ------------------------------------------------------------------------------------


class Proxy:
    """A proxy on loopback that leads everything to one port, and notes what it was asked for.

    Attributes:
        asked: The first line and the headers of each connection.
    """

    def __init__(self, target: int, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> None:
        self.target = target
        self.answer = answer
        self.asked: list[str] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.getsockname()[1]}"

    def close(self) -> None:
        for connection in [self._server, *self._open]:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._lead, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _lead(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as incoming:
            first = incoming.peek(1)[:1]
            if first == b"\x05":
                self._greet_socks(connection, incoming)
            else:
                lines = []
                while (line := incoming.readline()) not in (b"\r\n", b""):
                    lines.append(line.decode().strip())
                self.asked.append("\n".join(lines))
                if not lines or not lines[0].startswith("CONNECT"):
                    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                    return
                connection.sendall(self.answer)
                if b" 200 " not in self.answer:
                    return
            with socket.create_connection(("127.0.0.1", self.target)) as target:
                self._open.append(target)
                back = threading.Thread(target=_copy, args=(target, connection), daemon=True)
                back.start()
                while data := incoming.read1(65536):
                    target.sendall(data)
                # The server may have gone first.
                with contextlib.suppress(OSError):
                    target.shutdown(socket.SHUT_WR)
                back.join()

    def _greet_socks(self, connection: socket.socket, incoming: object) -> None:
        read = incoming.read  # type: ignore[attr-defined]
        read(read(2)[1])
        connection.sendall(b"\x05\x00")
        kind = read(4)[3]
        host = read(read(1)[0]).decode() if kind == 3 else socket.inet_ntoa(read(4))
        port = int.from_bytes(read(2), "big")
        self.asked.append(f"SOCKS {'name' if kind == 3 else 'address'} {host}:{port}")
        connection.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        return


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.create()
    return made


@pytest.fixture
def server(authority: Authority) -> Iterator[ApiServer]:
    with serving(ApiServer(authority, hosts=("api.example", "127.0.0.1"))) as running:
        yield running


@pytest.fixture
def proxy(server: ApiServer) -> Iterator[Proxy]:
    made = Proxy(server.port)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower() in ("https_proxy", "http_proxy", "no_proxy", "all_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("cluster.client.PAUSES", ())


@needs_openssl
def test_the_environments_proxy_leads_to_a_cluster(
    server: ApiServer, proxy: Proxy, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://ann:p%40ss@{proxy.address}")
    trusted = {"certificate-authority": str(authority.certificate)}
    cluster = client(tmp_path, "https://api.example:6443", trusted, token="t")
    cluster.request("GET", "/version")
    cluster.request("GET", "/version")
    assert len(server.arrived) == 2
    [asked] = proxy.asked
    assert asked.startswith("CONNECT api.example:6443 HTTP/1.")
    assert "Proxy-Authorization: Basic YW5uOnBAc3M=" in asked.title().replace(
        "Basic Yw5Uonbac3M=", "Basic YW5uOnBAc3M="
    )
    assert "Bearer" not in asked, "the credentials are the cluster's, not the proxy's"


@needs_openssl
def test_loopback_needs_no_proxy(
    server: ApiServer, proxy: Proxy, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
    client(tmp_path, server.url, {"certificate-authority": str(authority.certificate)}).request("GET", "/version")
    assert (len(server.arrived), proxy.asked) == (1, [])


@needs_openssl
@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_the_kubeconfigs_own_proxy_goes_before_the_environments(
    scheme: str,
    server: ApiServer,
    proxy: Proxy,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    trusted = {"certificate-authority": str(authority.certificate), "proxy-url": f"{scheme}://{proxy.address}"}
    client(tmp_path, "https://api.example", trusted).request("GET", "/version")
    monkeypatch.setenv("NO_PROXY", "*")
    client(tmp_path, server.url, trusted).request("GET", "/version")
    assert len(server.arrived) == 2
    assert len(proxy.asked) == 2, "even to loopback, and whatever NO_PROXY says"
    if scheme != "http":
        assert proxy.asked[0] == "SOCKS name api.example:443", "names are the proxy's to look up"


def test_a_server_without_tls_is_asked_through_the_proxy_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Proxy(1)
    monkeypatch.setenv("HTTP_PROXY", made.address)
    client(tmp_path, "http://api.example").request("GET", "/version")
    made.close()
    assert made.asked[0].startswith("GET http://api.example/version HTTP/1.1")


def test_a_proxy_that_says_no_is_told_without_its_password(tmp_path: Path) -> None:
    made = Proxy(1, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    with pytest.raises(OperationError) as caught:
        client(tmp_path, "https://api.example", {"proxy-url": f"http://ann:hidden@{made.address}"}).request("GET", "/")
    made.close()
    assert "407 Proxy Authentication Required" in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "times"), [(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 3), (b"HTTP/1.1 403 Forbidden\r\n\r\n", 1)]
)
def test_a_proxy_that_finds_no_server_is_asked_again_and_one_that_says_no_is_not(
    answer: bytes, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.client.PAUSES", (0, 0))
    made = Proxy(1, answer)
    with pytest.raises(OperationError, match="Tunnel connection failed"):
        client(tmp_path, "https://api.example", {"proxy-url": f"http://{made.address}"}).request("POST", "/", body={})
    made.close()
    assert len(made.asked) == times, "nothing has reached the server, so even a POST may be tried again"


def test_a_proxy_that_is_away_is_told_without_its_password(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "https://api.example", {"proxy-url": "http://ann:hidden@127.0.0.1:1"})
    with pytest.raises(OperationError) as caught:
        Cluster.connect(kubeconfig=path).request("GET", "/")
    assert "refused" in str(caught.value)
    assert "hidden" not in str(caught.value)
