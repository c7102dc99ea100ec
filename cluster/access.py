"""What it takes to reach one cluster as one user, by client-go's rules: those of kubectl and of the provider.

The official Python client's own loader differs from them: it knows no impersonation, keeps a token file's first
content for ever, takes a user's password over a plugin's token and writes keys to temporary files.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from cluster import kubeconfig
from cluster.errors import OperationError
from cluster.kubeconfig import Chosen, Entry, Kubeconfig

# Source: client-go, tools/clientcmd and plugin/pkg/client/auth/exec.
EXEC_VERSIONS: Final = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
INTERACTIVE_MODES: Final = ("Never", "IfAvailable", "Always")
PROXY_SCHEMES: Final = ("http", "https", "socks5", "socks5h")
# Source: RFC 9110, a header's name; what else stands in a key of `as-user-extra` is percent-encoded.
HEADER_SAFE: Final = "!#$&'*+-.^_`|~"


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A client certificate with its key, both as PEM.

    Attributes:
        chain: The certificate, and those that lead to its authority.
        key: Its key.
    """

    chain: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Exec:
    """A program that says who the user is.

    Attributes:
        command: The program, by path or by name.
        args: Its arguments.
        env: What is added to its environment.
        version: The version of the interface.
        interactive: ``Never``, ``IfAvailable`` or ``Always``.
        cluster: What it is told about the cluster, or None for nothing.
        hint: What to do where the program is missing, by whoever wrote the kubeconfig.
    """

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    version: str = EXEC_VERSIONS[0]
    interactive: str = "IfAvailable"
    cluster: Mapping[str, Any] | None = None
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class User:
    """Who asks. Whatever of this is set is used at once, a token before a program's.

    Attributes:
        token: A bearer token.
        token_file: A file with one, which is read again and again.
        basic: A name and a password.
        certificate: A client certificate.
        program: A program that gives a token or a certificate.
        oidc: The settings of the one sign-in that is built into client-go.
        impersonated: Headers that say for whom the user speaks.
    """

    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    basic: tuple[str, str] | None = field(default=None, repr=False)
    certificate: Certificate | None = None
    program: Exec | None = None
    oidc: Mapping[str, Any] | None = field(default=None, repr=False)
    impersonated: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Access:
    """One cluster as one user.

    Attributes:
        context: The kubeconfig's context, or None in a pod.
        server: The API server's URL, without a slash at its end.
        authorities: The certificates that the server's must come from, as PEM; None for those of this machine.
        insecure: Whether the server's certificate does not matter.
        server_name: The name that the server's certificate must have; None for the URL's.
        proxy: The kubeconfig's own proxy; None for the environment's.
        user: Who asks.
    """

    context: str | None
    server: str
    authorities: bytes | None = None
    insecure: bool = False
    server_name: str | None = None
    proxy: str | None = None
    user: User = User()


def find_access(environ: Mapping[str, str], context: str | None = None, file: Path | None = None) -> Access:
    """What KUBECONFIG, or the pod that this runs in, says.

    Args:
        environ: The environment.
        context: A context other than the current one.
        file: A kubeconfig other than KUBECONFIG's.

    Raises:
        OperationError: It can't be used; says which value of which file, and why.
    """
    if file is not None:
        if not file.exists():
            raise OperationError(f"there is no kubeconfig: {file} does not exist.")
        found = kubeconfig.merge([file])
        name: str | None = kubeconfig.effective_context(found, context)
    else:
        name = kubeconfig.check_context(context, environ)
        found = kubeconfig.read(environ)
    return _of_pod(environ, kubeconfig.SERVICE_ACCOUNT) if name is None else of_context(found, name)


def _of_pod(environ: Mapping[str, str], account: Path) -> Access:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ["KUBERNETES_SERVICE_PORT"]
    token = account / "token"
    if not token.is_file():
        raise OperationError(
            f"there is no kubeconfig, and this pod's ServiceAccount has no token: {token} does not exist. "
            "Set KUBECONFIG, or automountServiceAccountToken: true in the pod."
        )
    ca = account / "ca.crt"
    return Access(
        context=None,
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        authorities=ca.read_bytes() if ca.is_file() else None,
        user=User(token_file=token),
    )


def of_context(found: Kubeconfig, context: str) -> Access:
    """What an existing context says.

    Raises:
        OperationError: It can't be used.
    """
    chosen = kubeconfig.choose(found, context)
    cluster = _Reader(chosen.cluster, f'cluster "{chosen.cluster_name}"')
    insecure = cluster.flag("insecure-skip-tls-verify")
    authorities = cluster.data("certificate-authority")
    if insecure and authorities is not None:
        raise cluster.error("insecure-skip-tls-verify", "can't be set beside a certificate authority", "Remove one.")
    server = _server(cluster, secure=insecure or authorities is not None)
    return Access(
        context=context,
        server=server,
        authorities=authorities,
        insecure=insecure,
        server_name=cluster.text("tls-server-name") or None,
        proxy=_proxy(cluster),
        user=_user(chosen, server, insecure=insecure, authorities=authorities),
    )


class _Reader:
    """Reads an entry's values; errors name the file, the entry and the key, never the value."""

    def __init__(self, entry: Entry, name: str, content: Mapping[str, Any] | None = None) -> None:
        self.file = entry.file
        self.name = name
        self.content = entry.content if content is None else content

    def error(self, key: str, rule: str, mend: str) -> OperationError:
        return OperationError(f"{self.file}: {self.name}: {key}: {rule}. {mend}")

    def text(self, key: str) -> str:
        value = self.content.get(key)
        if value is not None and not isinstance(value, str):
            raise self.error(key, "must be a text", "Quote it.")
        return value or ""

    def flag(self, key: str) -> bool:
        value = self.content.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.error(key, "must be true or false", "Mend it.")
        return bool(value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.content.get(key)
        if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            raise self.error(key, "must be a list of texts", "Mend it.")
        return tuple(value or ())

    def inner(self, key: str) -> _Reader | None:
        value = self.content.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.error(key, "must be a map", "Mend it.")
        return _Reader(Entry(file=self.file, content=value), f"{self.name}: {key}")

    def path(self, key: str) -> Path | None:
        """A file, relative to the folder of the kubeconfig that names it."""
        value = self.text(key)
        return Path(os.path.abspath(self.file.parent)) / value if value else None

    def data(self, key: str) -> bytes | None:
        """What stands in the kubeconfig itself, or in a file that it names."""
        inline, path = self.text(f"{key}-data"), self.path(key)
        if inline and path:
            raise self.error(key, f"can't be set beside {key}-data", "Remove one.")
        if inline:
            try:
                return base64.b64decode(inline, validate=False)
            except (binascii.Error, ValueError):
                raise self.error(f"{key}-data", "is not base64", "Mend it.") from None
        return self.read(key, path) if path else None

    def read(self, key: str, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise self.error(key, f"{path} can't be read: {error.strerror}", "Mend the path.") from None


def _server(cluster: _Reader, *, secure: bool) -> str:
    server = cluster.text("server")
    if not server:
        raise cluster.error("server", "is missing", "Set it to the URL of the cluster's API server.")
    if "://" not in server:
        server = f"{'https' if secure else 'http'}://{server}"
    try:
        url = urlsplit(server)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise cluster.error("server", "must be a URL, https://HOST:PORT", "Mend it.")
    return server.rstrip("/")


def _proxy(cluster: _Reader) -> str | None:
    proxy = cluster.text("proxy-url")
    if not proxy:
        return None
    scheme, separator, host = proxy.partition("://")
    if not separator or scheme not in PROXY_SCHEMES or not host:
        allowed = ", ".join(PROXY_SCHEMES)
        raise cluster.error("proxy-url", f"must be a URL that begins with one of {allowed}", "Mend it.")
    return proxy


def _user(chosen: Chosen, server: str, *, insecure: bool, authorities: bytes | None) -> User:
    reader = _Reader(chosen.user, f'user "{chosen.user_name}"')
    token, token_file = reader.text("token"), reader.path("tokenFile")
    name, password = reader.text("username"), reader.text("password")
    if (name or password) and (token or token_file):
        raise reader.error("username", "can't be set beside a token", "Remove one of the two.")
    if token_file and not token:
        reader.read("tokenFile", token_file)
    provider, program = reader.inner("auth-provider"), reader.inner("exec")
    if provider and program:
        raise reader.error("exec", "can't be set beside auth-provider", "Remove one of the two.")
    info: dict[str, Any] = {"server": server, "insecure-skip-tls-verify": insecure or None}
    info["certificate-authority-data"] = base64.b64encode(authorities).decode() if authorities else None
    info |= {key: chosen.cluster.content.get(key) for key in ("tls-server-name", "proxy-url")}
    info["config"] = _exec_config(chosen.cluster)
    return User(
        token=token or None,
        token_file=token_file,
        basic=(name, password) if name or password else None,
        certificate=_certificate(reader),
        program=_program(program, {key: value for key, value in info.items() if value}) if program else None,
        oidc=_oidc(provider) if provider else None,
        impersonated=_impersonated(reader),
    )


def _certificate(user: _Reader) -> Certificate | None:
    chain, key = user.data("client-certificate"), user.data("client-key")
    if chain is None:
        return None
    if key is None:
        raise user.error("client-certificate", "needs its key", "Set client-key or client-key-data.")
    return Certificate(chain=chain, key=key)


def _exec_config(cluster: Entry) -> Any:
    """What a kubeconfig says about a cluster for programs alone."""
    for extension in cluster.content.get("extensions") or []:
        if isinstance(extension, dict) and extension.get("name") == "client.authentication.k8s.io/exec":
            return extension.get("extension")
    return None


def _program(reader: _Reader, info: Mapping[str, Any]) -> Exec:
    command, version, mode = (reader.text(key) for key in ("command", "apiVersion", "interactiveMode"))
    if not command:
        raise reader.error("command", "is missing", "Set it to the program that gives the credentials.")
    if version not in EXEC_VERSIONS:
        raise reader.error("apiVersion", f'"{version}" is not one of {", ".join(EXEC_VERSIONS)}', "Mend it.")
    mode = mode or ("" if version == EXEC_VERSIONS[0] else "IfAvailable")
    if mode not in INTERACTIVE_MODES:
        raise reader.error("interactiveMode", f'"{mode}" is not one of {", ".join(INTERACTIVE_MODES)}', "Set it.")
    if os.sep in command:
        command = str(reader.path("command"))
    return Exec(
        command=command,
        args=reader.texts("args"),
        env=_environment(reader),
        version=version,
        interactive=mode,
        cluster=info if reader.flag("provideClusterInfo") else None,
        hint=reader.text("installHint"),
    )


def _environment(reader: _Reader) -> dict[str, str]:
    env = {}
    for item in reader.content.get("env") or []:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str) or not item["name"]:
            raise reader.error("env", "must be a list of maps with name and value", "Mend it.")
        value = item.get("value")
        if value is not None and not isinstance(value, str):
            raise reader.error("env", f"{item['name']} must be a text", "Quote it.")
        env[item["name"]] = value or ""
    return env


def _oidc(provider: _Reader) -> Mapping[str, Any]:
    name = provider.text("name")
    if name != "oidc":
        raise provider.error(
            "name",
            f'"{name}" is gone from kubectl and from the provider too',
            "Use the cloud's own program (exec); its command line writes such a kubeconfig.",
        )
    settings = provider.inner("config")
    return settings.content if settings else {}


def _impersonated(user: _Reader) -> tuple[tuple[str, str], ...]:
    name, uid, groups = user.text("as"), user.text("as-uid"), user.texts("as-groups")
    extra = user.inner("as-user-extra")
    extras = [(key, value) for key in (extra.content if extra else {}) for value in (extra.texts(key) if extra else ())]
    if (uid or groups or extras) and not name:
        raise user.error("as", "is missing beside as-uid, as-groups or as-user-extra", "Set it.")
    headers = [("Impersonate-User", name)] if name else []
    headers += [("Impersonate-Uid", uid)] if uid else []
    headers += [("Impersonate-Group", group) for group in groups]
    headers += [(f"Impersonate-Extra-{quote(key.lower(), safe=HEADER_SAFE)}", value) for key, value in extras]
    return tuple(headers)
