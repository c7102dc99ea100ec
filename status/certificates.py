"""The certificates that things end with: of the mesh's authority, of Dapr's, of webhooks, and of sidecars."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from cryptography import x509

from cluster.client import Object
from cluster.kinds import PATHS, plural_of
from model import names
from model.owner import STACK_LABEL
from status.find import Found
from status.shape import Certificate
from status.sight import Sight
from verification.envoy import ADMIN_PORT

# So long before its end somebody should know of a certificate that nobody renews.
WARN_DAYS: Final = 30
TRUST_BUNDLE: Final = "dapr-trust-bundle"
# What of those Secrets is a certificate. Their keys are read with it, and go nowhere.
OSM_CERTIFICATES: Final = ("ca.crt",)
DAPR_CERTIFICATES: Final = ("ca.crt", "issuer.crt")
DAY: Final = timedelta(days=1)
# In the name of the certificate by which an Envoy talks to OSM. Source: OSM 1.2.4, pkg/envoy: NewXDSCertCNPrefix.
XDS: Final = ".sidecar."


def certificates(
    sight: Sight, found: Found, authorities: Sequence[Authority], pods: Sequence[Object], now: datetime
) -> list[Certificate]:
    """All of them.

    Args:
        sight: The cluster.
        found: The stack.
        authorities: Its authorities.
        pods: The pods with an Envoy to ask, one of each app.
        now: The moment to count from.
    """
    seen = [*_of_authorities(sight, authorities, now), *_webhooks(sight, found, now)]
    for group in sight.side_by_side(partial(_of_sidecar, sight, pod, now) for pod in pods):
        seen += group
    return seen


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Where an authority of the stack keeps its key, and what is there.

    Attributes:
        namespace: The Secret's namespace.
        secret: The Secret.
        keys: The certificates in it.
        whose: Whose authority it is.
        held: The Secret itself, or None where there is none or it may not be read.
        seen: Whether it may be read.
    """

    namespace: str
    secret: str
    keys: tuple[str, ...]
    whose: str
    held: Object | None
    seen: bool

    @property
    def name(self) -> str:
        """The Secret, as ``namespace/name``."""
        return f"{self.namespace}/{self.secret}"


def authorities(sight: Sight, found: Found) -> list[Authority]:
    """The mesh's authority and Dapr's, as far as the stack has them."""
    return [
        _authority(sight, namespace, *what)
        for namespace, what in (
            (found.osm, (names.OSM_CA_BUNDLE, OSM_CERTIFICATES, "the mesh's authority")),
            (found.dapr, (TRUST_BUNDLE, DAPR_CERTIFICATES, "Dapr's")),
        )
        if namespace is not None
    ]


def _authority(sight: Sight, namespace: str, secret: str, keys: tuple[str, ...], whose: str) -> Authority:
    where = f"Secret {namespace}/{secret}"
    held = sight.get(where, _path(namespace, "secrets", secret))
    seen = all(one.what != where for one in sight.unseen)
    return Authority(namespace=namespace, secret=secret, keys=keys, whose=whose, held=held, seen=seen)


def lost(authorities: Sequence[Authority]) -> list[str]:
    """The Secrets of authorities that are gone; one that may not be read is none of them."""
    return [one.name for one in authorities if one.held is None and one.seen]


def _path(namespace: str, plural: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/{plural}/{name}"


def _of_authorities(sight: Sight, authorities: Sequence[Authority], now: datetime) -> Iterator[Certificate]:
    for one in authorities:
        where = f"Secret {one.name}"
        data = (one.held or {}).get("data") or {}
        if one.held is None and one.secret == TRUST_BUNDLE:
            # Its public part is there for everybody.
            where = f"ConfigMap {one.name}"
            public = sight.get(where, _path(one.namespace, "configmaps", one.secret))
            data = {key: _encoded(value) for key, value in ((public or {}).get("data") or {}).items()}
        for key in one.keys:
            if data.get(key):
                found = list(read(data[key], name=f"{one.whose} {key}", where=where, now=now))
                if not found:
                    sight.note(f"the certificate {one.whose} {key}", f"what {where} has under {key} is none")
                yield from found


def _webhooks(sight: Sight, found: Found, now: datetime) -> Iterator[Certificate]:
    """What the API server trusts a webhook by, which is public: it tells of the mesh's authority to everybody."""
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        hooks = sight.everywhere(
            f"certificates of {plural_of(kind)}", PATHS[plural_of(kind)], None, partial(_marked, sight, found.mark)
        )
        for item in hooks:
            name = item["metadata"]["name"]
            bundles = {hook.get("clientConfig", {}).get("caBundle") for hook in item.get("webhooks") or ()}
            for bundle in sorted(filter(None, bundles)):
                yield from read(bundle, name=f"webhook {name}", where=kind, now=now)


def _marked(sight: Sight, mark: str, path: str) -> list[Object]:
    return sight.cluster.items(path, {"labelSelector": f"{STACK_LABEL}={mark}"})


def _of_sidecar(sight: Sight, pod: Object, now: datetime) -> list[Certificate]:
    metadata = pod["metadata"]
    namespace, name = metadata["namespace"], metadata["name"]
    # One refusal is every one's.
    answer = sight.sees(
        "certificates of sidecars",
        partial(sight.cluster.http_from_pod, namespace, name, ADMIN_PORT, "/certs"),
        None,
    )
    if answer is None:
        return []
    where = f"Envoy of {namespace}/{name}"
    if answer.status != 200:
        sight.note("certificates of sidecars", f"the {where} answers {answer.status}")
        return []
    return of_envoy(answer.body, where, now)


def of_envoy(answer: str, where: str, now: datetime) -> list[Certificate]:
    """The certificates of its own that an Envoy tells of."""
    try:
        listed = json.loads(answer).get("certificates") or []
    except (ValueError, AttributeError):
        return []
    ends: dict[str, datetime] = {}
    for entry in listed:
        for chain in entry.get("cert_chain") or ():
            moment = _moment(chain.get("expiration_time"))
            if moment is not None:
                ends[_identity(chain)] = moment
    return [
        # The other one, by which it talks to OSM, lasts as long as the mesh's authority.
        _certificate(name=f"sidecar {whose}", where=where, end=end, now=now, renewed=XDS not in whose)
        for whose, end in sorted(ends.items())
    ]


def _identity(chain: Mapping[str, Any]) -> str:
    names_of = [value for name in chain.get("subject_alt_names") or () for value in name.values()]
    return str(names_of[0]) if names_of else ""


def read(bundle: str, *, name: str, where: str, now: datetime) -> Iterator[Certificate]:
    """The certificates of a base64 bundle of PEM; of one that is none, nothing."""
    try:
        chain = x509.load_pem_x509_certificates(base64.b64decode(bundle))
    except ValueError:
        return
    for index, one in enumerate(chain):
        number = f" ({index + 1})" if len(chain) > 1 else ""
        yield _certificate(name=f"{name}{number}", where=where, end=one.not_valid_after_utc, now=now, renewed=False)


def _certificate(*, name: str, where: str, end: datetime, now: datetime, renewed: bool) -> Certificate:
    left = (end - now) / DAY
    return Certificate(
        name=name,
        where=where,
        not_after=end.isoformat(timespec="seconds"),
        days_left=round(left, 2),
        renewed=renewed,
        warn=left < (0 if renewed else WARN_DAYS),
    )


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
