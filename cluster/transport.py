"""HTTP to one API server: TLS, proxy and credentials as client-go has them, and a bound for everything."""

from __future__ import annotations

import ssl
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import urllib3
from urllib3.contrib.socks import SOCKSProxyManager

from cluster.access import Access, Certificate
from cluster.credentials import Credential, source_of
from cluster.errors import OperationError
from cluster.proxies import proxy_for

# So many calls may be on their way at once; more would wait for a connection.
CONNECTIONS: Final = 8
USER_AGENT: Final = "dapr-osm"
# Seconds until a connection is there, however long the answer may take.
CONNECT_SECONDS: Final = 15


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the API server said.

    Attributes:
        status: The HTTP status.
        body: The body as text.
        kind: The body's content type.
        retry_after: After how many seconds to ask again, as the server says; None where it does not.
    """

    status: int
    body: str
    kind: str = ""
    retry_after: float | None = None


class Transport:
    """Sends requests to one API server. Safe to use from several threads."""

    def __init__(self, access: Access, environ: Mapping[str, str]) -> None:
        """Connect when the first request is made.

        Args:
            access: The server and the user.
            environ: The environment, with its proxies.
        """
        self.server = access.server
        self._access = access
        self._proxy = access.proxy or proxy_for(access.server, environ)
        self._source = source_of(access)
        self._lock = threading.Lock()
        self._certificate: Certificate | None = None
        self._manager: urllib3.PoolManager | None = None
        if access.insecure:
            # The kubeconfig says so; a warning with each request would say nothing new.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def send(self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None, seconds: float) -> Reply:
        """One request. A refused credential is renewed once, where that is possible.

        Raises:
            urllib3.exceptions.HTTPError: There is no answer.
            OperationError: There are no credentials.
        """
        credential = self._source.current()
        reply = self._send(credential, method, path, headers, body, seconds)
        if reply.status == 401 and self._source.renew(credential):
            reply = self._send(self._source.current(), method, path, headers, body, seconds)
        return reply

    def _send(
        self,
        credential: Credential,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        seconds: float,
    ) -> Reply:
        response = self._open(credential, method, path, headers, body, seconds)
        try:
            text = response.data.decode(errors="replace")
        finally:
            response.release_conn()
        wait = response.headers.get("Retry-After", "")
        return Reply(
            status=response.status,
            body=text,
            kind=response.headers.get("Content-Type", ""),
            retry_after=float(wait) if wait.isdigit() else None,
        )

    def upgrade(self, path: str, *, headers: Mapping[str, str], seconds: float) -> urllib3.BaseHTTPResponse:
        """A GET that asks for another protocol; the connection is the caller's, who closes it with the response."""
        credential = self._source.current()
        response = self._open(credential, "GET", path, headers, None, seconds)
        if response.status == 401 and self._source.renew(credential):
            response.drain_conn()
            response.release_conn()
            response = self._open(self._source.current(), "GET", path, headers, None, seconds)
        return response

    def _open(
        self,
        credential: Credential,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        seconds: float,
    ) -> urllib3.BaseHTTPResponse:
        """A request whose answer is still to be read."""
        sent = urllib3.HTTPHeaderDict({"User-Agent": USER_AGENT, **headers})
        if credential.authorization:
            sent["Authorization"] = _value("credential", credential.authorization)
        for name, value in self._access.user.impersonated:
            sent.add(name, _value("as", value))
        return self._pools(credential.certificate).request(
            method,
            self.server + path,
            headers=sent,
            body=body,
            timeout=urllib3.Timeout(connect=min(seconds, CONNECT_SECONDS), read=seconds),
            retries=False,
            preload_content=False,
        )

    def _pools(self, certificate: Certificate | None) -> urllib3.PoolManager:
        """The connections that are made with this certificate; a new one replaces them."""
        with self._lock:
            if self._manager is None or certificate != self._certificate:
                self._manager = _manager(self._proxy, self._tls(certificate))
                self._certificate = certificate
            return self._manager

    def _tls(self, certificate: Certificate | None) -> dict[str, Any]:
        if not self.server.startswith("https://"):
            return {}
        try:
            options = {"ssl_context": tls_context(self._access, certificate)}
        except (ssl.SSLError, ValueError) as error:
            raise OperationError(
                f"the certificates for {self.server} can't be used: {error}. Mend the kubeconfig's "
                "certificate-authority, client-certificate and client-key."
            ) from error
        return options | ({"server_hostname": self._access.server_name} if self._access.server_name else {})


def _value(what: str, text: str) -> str:
    """A header's value as Go sends it, in UTF-8.

    Raises:
        OperationError: No header can hold it. Python would show it, a token too.
    """
    if "\n" in text or "\r" in text:
        raise OperationError(
            f"the kubeconfig's {what} can't be sent: it has a line break. Take it out of the kubeconfig, or of what "
            "its tokenFile or its program gives."
        )
    return text.encode().decode("latin-1")


def _manager(proxy: str | None, options: dict[str, Any]) -> urllib3.PoolManager:
    options = {"maxsize": CONNECTIONS, **options}
    if proxy is None:
        return urllib3.PoolManager(**options)
    try:
        if proxy.startswith("socks5"):
            # Names are the proxy's to look up, as for Go.
            return SOCKSProxyManager(f"socks5h://{proxy.partition('://')[2]}", **options)
        name, password = urllib3.util.parse_url(proxy).auth_decoded
        headers = urllib3.make_headers(proxy_basic_auth=f"{name}:{password or ''}") if name else {}
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)
    except urllib3.exceptions.LocationValueError:
        # Not shown, since it may hold a password.
        raise OperationError(
            "the proxy to the cluster is none: it must be a URL such as http://HOST:PORT. Mend HTTPS_PROXY (or "
            "HTTP_PROXY), or the kubeconfig's proxy-url."
        ) from None


def tls_context(access: Access, certificate: Certificate | None) -> ssl.SSLContext:
    """The TLS settings for a server, as Go has them: TLS 1.2 or later, names from the certificate's SAN only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif access.authorities is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cadata=access.authorities.decode())
    if certificate is not None:
        _load(context, certificate)
    return context


def _load(context: ssl.SSLContext, certificate: Certificate) -> None:
    """Python reads keys from files only, so there is one for a moment, which nobody else may read."""
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder) / "tls.crt", Path(folder) / "tls.key"
        chain.write_bytes(certificate.chain)
        key.write_bytes(certificate.key)
        # Without a password an encrypted key would make OpenSSL ask for one.
        context.load_cert_chain(chain, key, password="")
