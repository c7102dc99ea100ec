"""Who may use the cluster from the machine: kubeconfigs with a client certificate of the lab's own authority.

Nobody who uses the lab is in the group `system:masters`: who is in it passes every check of permissions and of
admission that asks for a group, and would hide what an ordinary administrator runs into. Only the lab itself is, for
it has to give the first permissions.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Collection
from pathlib import Path

import yaml

from lab.cache import digest
from lab.certificates import Authority
from lab.errors import LabError
from lab.paths import LAB, Paths

ADMINISTRATOR = "lab-admin"
"""An ordinary administrator: a user bound to the ClusterRole `cluster-admin`, and in no group."""


def from_the_machine(paths: Paths) -> str:
    """Return the API server's address on the machine's loopback."""
    return f"https://127.0.0.1:{paths.port}"


def authority(paths: Paths) -> Authority:
    """Return the cluster's certificate authority."""
    return Authority(paths.data / "certificates")


def document(authority: Authority, name: str, user: str, groups: Collection[str], address: str) -> str:
    """Return a kubeconfig for `user` in `groups`, with its certificate in it, which is issued where it is missing."""
    certificate, key = authority.issue(name, user, groups=groups)

    def encoded(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    cluster = {"server": address, "certificate-authority-data": encoded(authority.certificate)}
    credentials = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": LAB,
        "clusters": [{"name": LAB, "cluster": cluster}],
        "users": [{"name": LAB, "user": credentials}],
        "contexts": [{"name": LAB, "context": {"cluster": LAB, "user": LAB}}],
    }
    return yaml.safe_dump(content, sort_keys=False)


def write_private(path: Path, text: str) -> None:
    """Write a file that only root reads, at one stroke, unless it says just that already."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.rename(path)


def label(user: str, groups: Collection[str] = ()) -> str:
    """Return a file name for a user: whatever characters the names hold, two users never share one."""
    readable = "".join(letter if letter.isalnum() else "-" for letter in user)[:40]
    return f"user-{readable}-{digest(user, *groups)[:12]}"


def kubeconfig(paths: Paths, user: str, groups: Collection[str] = ()) -> Path:
    """Return the path of a kubeconfig for any user. Being known gives no rights: bind the user to a role for those.

    Raises:
        LabError: No cluster was started yet whose authority could issue the certificate.
    """
    signer = authority(paths)
    if not signer.certificate.exists():
        raise LabError("The lab has not been started on this machine yet; start it first (`make lab`).")
    name = label(user, groups)
    path = paths.users / f"{name}.kubeconfig"
    write_private(path, document(signer, name, user, groups, from_the_machine(paths)))
    return path


def write(paths: Paths) -> None:
    """Write the kubeconfigs of the lab itself and of those who use it."""
    signer = authority(paths)
    own = document(signer, "lab-admin", "lab:admin", ("system:masters",), from_the_machine(paths))
    write_private(paths.own_kubeconfig, own)
    administrator = document(signer, label(ADMINISTRATOR), ADMINISTRATOR, (), from_the_machine(paths))
    write_private(paths.kubeconfig, administrator)
