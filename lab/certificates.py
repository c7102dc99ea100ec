"""The cluster's certificate authority and the certificates it issues, made once with Debian's openssl."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.commands import output

DAYS = "3650"

SPECIAL, BACKSLASHED = r"([\\/+=])", r"\\\1"
"""What openssl would take for the border between two parts of a name, and how it is told not to."""


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a folder of its own; what it issues goes there too."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """The authority's certificate, which everyone trusts."""
        return self.folder / "ca.crt"

    @property
    def key(self) -> Path:
        """The authority's key."""
        return self.folder / "ca.key"

    def create(self) -> None:
        """Make the authority, unless it is there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        if self.certificate.exists():
            return
        key_pair(self.key)
        argv = ["openssl", "req", "-x509", "-new", "-key", str(self.key), "-days", DAYS, "-subj", "/CN=dapr-osm-lab"]
        extensions = ["-addext", "keyUsage=critical,digitalSignature,keyCertSign,cRLSign"]
        temporary = self.certificate.with_suffix(".new")
        output([*argv, *extensions, "-out", str(temporary)], what="Making the cluster's certificate authority")
        temporary.rename(self.certificate)

    def issue(
        self, name: str, user: str, *, groups: Collection[str] = (), hosts: Sequence[str] = ()
    ) -> tuple[Path, Path]:
        """Return the certificate and key called `name`, made where they are missing.

        `user` and `groups` are what Kubernetes takes them for; `hosts` are the names and addresses of a server.
        """
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if certificate.exists():
            return certificate, key
        key_pair(key)
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        names = ",".join(f"IP:{host}" if host.replace(".", "").isdigit() else f"DNS:{host}" for host in hosts)
        extensions.write_text(
            "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
            f"extendedKeyUsage=clientAuth{',serverAuth' if hosts else ''}\n"
            + (f"subjectAltName={names}\n" if hosts else "")
        )
        what = f"Issuing the certificate of {user}"
        output(
            ["openssl", "req", "-new", "-key", str(key), "-subj", subject(user, groups), "-out", str(request)],
            what=what,
        )
        temporary = certificate.with_suffix(".new")
        authority = ["-CA", str(self.certificate), "-CAkey", str(self.key), "-CAcreateserial"]
        output(
            ["openssl", "x509", "-req", "-in", str(request), *authority, "-days", DAYS]
            + ["-extfile", str(extensions), "-out", str(temporary)],
            what=what,
        )
        temporary.rename(certificate)
        request.unlink()
        extensions.unlink()
        return certificate, key


def subject(user: str, groups: Collection[str] = ()) -> str:
    """Return a client's name in a certificate as openssl reads it: Kubernetes takes O for groups, CN for the user."""
    named = [*(("O", group) for group in groups), ("CN", user)]
    return "".join(f"/{kind}={re.sub(SPECIAL, BACKSLASHED, value)}" for kind, value in named)


def key_pair(path: Path) -> None:
    """Write a private key that only root reads, unless it is there."""
    if path.exists():
        return
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    output(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(temporary)], what="Making a key"
    )
    temporary.rename(path)
