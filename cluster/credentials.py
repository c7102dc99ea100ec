"""A user's credentials, as they are at the moment of a request."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from cluster.access import Access, Certificate, Exec, User
from cluster.errors import OperationError

# Source: client-go, transport/token_source.go: a token file's content counts for a minute, less ten seconds.
TOKEN_FILE_SECONDS: Final = 50
# So long a program may take; one that signs a person in waits for that person.
PROGRAM_SECONDS: Final = 180


@dataclass(frozen=True, kw_only=True)
class Credential:
    """What a request carries.

    Attributes:
        authorization: The header of that name, or None.
        certificate: The client certificate, or None.
    """

    authorization: str | None = field(default=None, repr=False)
    certificate: Certificate | None = None


class Source(Protocol):
    """Says who asks."""

    def current(self) -> Credential:
        """What the next request carries."""

    def renew(self, refused: Credential) -> bool:
        """Forget a credential that the server refused; tells whether another one may come."""


def source_of(access: Access) -> Source:
    """The source for a user: with any fixed credential a program is not even run, as for kubectl."""
    user = access.user
    if user.token or user.token_file:
        return TokenSource(user)
    if user.basic:
        return FixedSource(Credential(authorization=_basic(*user.basic), certificate=user.certificate))
    if user.oidc is not None:
        return OidcSource(user)
    if user.program and not user.certificate:
        return ProgramSource(user.program)
    return FixedSource(Credential(certificate=user.certificate))


def _basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


@dataclass(frozen=True)
class FixedSource:
    """A credential that never changes."""

    credential: Credential

    def current(self) -> Credential:
        """The credential."""
        return self.credential

    def renew(self, refused: Credential) -> bool:
        """There is no other one."""
        return False


class TokenSource:
    """A token, or a file with one: the file's goes first, and is read again, since whoever writes it replaces it."""

    def __init__(self, user: User) -> None:
        """Read the file when the first request is made."""
        self._user = user
        self._lock = threading.Lock()
        self._token = user.token or ""
        self._read_at: float | None = None

    def current(self) -> Credential:
        """The token as it was less than a minute ago."""
        with self._lock:
            file = self._user.token_file
            if file and (self._read_at is None or time.monotonic() - self._read_at > TOKEN_FILE_SECONDS):
                self._token = self._read(file)
                self._read_at = time.monotonic()
            return Credential(authorization=f"Bearer {self._token}", certificate=self._user.certificate)

    def renew(self, refused: Credential) -> bool:
        """Read the file again; tells whether it says something else now."""
        with self._lock:
            self._read_at = None
        return self._user.token_file is not None and self.current() != refused

    def _read(self, file: Path) -> str:
        try:
            token = file.read_text().strip()
            problem = "it is empty"
        except (OSError, UnicodeDecodeError) as error:
            token, problem = "", str(getattr(error, "strerror", None) or "it is no text")
        if token or self._token:
            return token or self._token
        raise OperationError(f"the token file {file} can't be used: {problem}. Mend it, or the kubeconfig's tokenFile.")


class ProgramSource:
    """A program that is run when its last credential has expired or was refused."""

    def __init__(self, program: Exec) -> None:
        """Run the program when the first request is made."""
        self._program = program
        self._lock = threading.Lock()
        self._credential: Credential | None = None
        self._expires: datetime | None = None

    def current(self) -> Credential:
        """The program's last credential, or a new one."""
        with self._lock:
            expired = self._expires is not None and datetime.now(UTC) >= self._expires
            if self._credential is None or expired:
                self._credential, self._expires = self._run()
            return self._credential

    def renew(self, refused: Credential) -> bool:
        """Run the program again before the next request, if this was its last credential."""
        with self._lock:
            if self._credential == refused:
                self._credential = None
        return True

    def _run(self) -> tuple[Credential, datetime | None]:
        status = run_program(self._program, os.environ)
        token = status.get("token") or None
        chain, key = status.get("clientCertificateData") or "", status.get("clientKeyData") or ""
        if bool(chain) != bool(key) or not (token or chain):
            raise _failed(self._program, "it gave neither a token nor a certificate with its key")
        given = Certificate(chain=chain.encode(), key=key.encode()) if chain else None
        credential = Credential(authorization=f"Bearer {token}" if token else None, certificate=given)
        expires = status.get("expirationTimestamp")
        try:
            return credential, datetime.fromisoformat(str(expires)).astimezone(UTC) if expires else None
        except ValueError:
            raise _failed(self._program, f"its expirationTimestamp is no time: {expires}") from None


def run_program(program: Exec, environ: Mapping[str, str]) -> Mapping[str, Any]:
    """Run a program; the status that it answers with.

    Raises:
        OperationError: It can't be run, fails, or answers something else.
    """
    interactive = program.interactive != "Never" and sys.stdin is not None and sys.stdin.isatty()
    if program.interactive == "Always" and not interactive:
        raise _failed(program, "it wants a person, and standard input is no terminal")
    spec: dict[str, Any] = {"interactive": interactive}
    if program.cluster is not None:
        spec["cluster"] = program.cluster
    info = json.dumps({"apiVersion": program.version, "kind": "ExecCredential", "spec": spec})
    try:
        done = subprocess.run(  # noqa: S603 - the kubeconfig's own program, as kubectl runs it
            [program.command, *program.args],
            env={**environ, **program.env, "KUBERNETES_EXEC_INFO": info},
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if interactive else subprocess.PIPE,
            timeout=PROGRAM_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise _failed(program, f"it is not there. {program.hint}".rstrip(" .")) from None
    except OSError as error:
        raise _failed(program, f"it can't be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise _failed(program, "it did not end in time") from None
    if done.returncode:
        said = (done.stderr or b"").decode(errors="replace").strip()[-500:]
        raise _failed(program, f"it ended with exit code {done.returncode}" + (f": {said}" if said else ""))
    return _status(program, done.stdout)


def _status(program: Exec, answer: bytes) -> Mapping[str, Any]:
    try:
        credential = json.loads(answer)
        version, status = credential["apiVersion"], credential["status"]
    except (ValueError, KeyError, TypeError):
        raise _failed(program, "its answer is no ExecCredential with a status") from None
    if version != program.version:
        raise _failed(program, f"it answers as {version}, but the kubeconfig says {program.version}")
    if not isinstance(status, dict):
        raise _failed(program, "its answer has no status")
    return status


def _failed(program: Exec, reason: str) -> OperationError:
    return OperationError(
        f"the kubeconfig's program {program.command} gives no credentials: {reason}. Run it by hand, or sign in again."
    )


class OidcSource:
    """The identity token that kubectl's built-in sign-in keeps in the kubeconfig.

    It is used as long as it is valid. Renewing it is left to kubectl and the provider, which write the new one into the
    kubeconfig; a second renewal beside theirs could make their refresh token invalid.
    """

    def __init__(self, user: User) -> None:
        """Look at the token when a request is made."""
        self._token = str((user.oidc or {}).get("id-token") or "")
        self._certificate = user.certificate

    def current(self) -> Credential:
        """The identity token."""
        if not self._token or _has_expired(self._token):
            raise OperationError(
                "the kubeconfig's auth-provider oidc has no valid id-token. Renew it with any command of kubectl's, "
                "such as: kubectl version"
            )
        return Credential(authorization=f"Bearer {self._token}", certificate=self._certificate)

    def renew(self, refused: Credential) -> bool:
        """There is no other one."""
        return False


def _has_expired(token: str) -> bool:
    """Whether a JSON web token says so of itself."""
    try:
        payload = token.split(".")[1]
        expires = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]
        return datetime.now(UTC).timestamp() >= float(expires)
    except (IndexError, ValueError, KeyError, TypeError):
        return True
