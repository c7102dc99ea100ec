"""What is given as secret only. Nothing here quotes a value."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from settings.declaration import NOT_SET, Keys, Kind, Refusal, Rule, key
from settings.project import PROJECT


def _text(value: Any) -> Any:
    # What only looks like a number is a password too.
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def password(value: str) -> Iterator[Refusal]:
    """What keeps a text from being Redis's password."""
    if not value:
        yield Refusal(rule=NOT_SET, mend=f"Run `pulumi config set --secret {PROJECT}:redisPassword` and type it.")
    elif not value.isprintable():
        yield Refusal(rule="holds a character that can't be printed", mend="Use letters, digits and signs.")


def registry_credentials(value: str) -> Iterator[Refusal]:
    """What keeps a text from being credentials that a node can pull with."""
    if not value.strip():
        return
    registries = _registries(value)
    if registries is None:
        yield Refusal(
            rule="is not the content of a container client's config.json (an object with auths)",
            mend=f"Run `pulumi config set --secret {PROJECT}:registryCredentials < ~/.docker/config.json`.",
        )
    elif not registries:
        yield Refusal(rule="names no registry under auths", mend="Log in to yours, or remove the key.")
    elif not all(_usable(entry) for entry in registries.values()):
        yield Refusal(
            rule="has a registry under auths without user and password: the client keeps them elsewhere",
            mend="Log in without a credential helper (credsStore in its config.json), and set it again.",
        )


def _registries(value: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(value).get("auths")
    except (json.JSONDecodeError, AttributeError):
        return None
    return found if isinstance(found, dict) else None


def _usable(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    if entry.get("username") and entry.get("password"):
        return True
    try:
        return b":" in base64.b64decode(str(entry.get("auth") or ""), validate=True)
    except (binascii.Error, ValueError):
        return False


def certificates(value: str) -> Iterator[Refusal]:
    """What keeps a text from being certificates to trust."""
    bodies = re.findall(r"-----BEGIN CERTIFICATE-----\s(.*?)-----END CERTIFICATE-----", value, re.DOTALL)
    if value and not (bodies and all(_is_base64(body) for body in bodies)):
        yield Refusal(rule="is not a certificate in PEM form", mend="It begins with -----BEGIN CERTIFICATE-----.")


def _is_base64(body: str) -> bool:
    try:
        return bool(base64.b64decode("".join(body.split()), validate=True))
    except (binascii.Error, ValueError):
        return False


SecretText = Annotated[str, BeforeValidator(_text), Kind("a text", "Put it between quotes.")]


class ChartCredentials(Keys):
    """How charts are fetched from a private repository or registry."""

    username: SecretText = key("", "The user.")
    password: SecretText = key("", "The user's password or token.")
    ca_cert: Annotated[SecretText, Rule("ca-certificate", certificates, "a certificate in PEM form")] = key(
        "", "Certificates that the server's is signed by, where the system doesn't trust it."
    )


def user_and_password(given: ChartCredentials) -> Iterator[Refusal]:
    """Credentials that are half of one."""
    if bool(given.username) is not bool(given.password):
        missing = "username" if given.password else "password"
        yield Refusal(rule=NOT_SET, mend="User and password come together.", inside=(missing,))


Password = Annotated[SecretText, Rule("redis-password", password)]
RegistryCredentials = Annotated[SecretText, Rule("registry-credentials", registry_credentials)]
GivenChartCredentials = Annotated[
    ChartCredentials,
    Kind(
        "an object with username, password, caCert",
        f"Run `pulumi config set --secret --path {PROJECT}:chartCredentials.username`, and so on.",
    ),
    Rule("user-and-password", user_and_password),
]
