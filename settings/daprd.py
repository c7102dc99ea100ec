"""How a team sets daprd: by annotations, of which Dapr's injector passes over whatever it can't read, and says nothing.

Source: Dapr 1.12.0 to 1.18.2, pkg/injector/annotations and pkg/injector/patcher/sidecar.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from model.quantity import quantity
from settings.declaration import Refusal, did_you_mean
from settings.problem import Words

PREFIX: Final = "dapr.io/"
# With it every call to daprd's API has to bring a token, which the verification's do not.
API_TOKEN: Final = f"{PREFIX}api-token-secret"

OWN: Final[Mapping[str, str]] = {
    "enabled": "set by this program: without daprd it is no app of this stack",
    "app-id": "set by this program: the app's key in apps",
    "app-port": "set by this program, from the app's port",
    "app-protocol": "http: the verification calls the app through daprd",
    "app-ssl": "off: the verification calls the app through daprd",
    "app-channel-address": "the pod itself",
    "config": "set by this program: it tells daprd how to find other apps in the mesh",
    "enable-debug": "off: the release's image has no debugger",
    "enable-native-sidecar": "off: OSM and the verification look for daprd beside the app",
    "sidecar-image": "the release's: choose that by daprVersion",
    "sidecar-listen-addresses": "what Envoy sends calls to",
    "unix-domain-socket-path": "not there: Envoy sees no sockets of files",
    **dict.fromkeys(
        ("grpc-port", "internal-grpc-port", "metrics-port"), "what the mesh and the verification know daprd by"
    ),
    **dict.fromkeys(
        ("placement-host-address", "scheduler-host-address", "sentry-address"),
        "in Dapr's namespace: only that is excluded from the mesh",
    ),
}
_QUANTITIES: Final = tuple(
    f"sidecar-{resource}-{kind}" for resource in ("cpu", "memory") for kind in ("request", "limit")
)
_BODIES: Final = ("max-body-size", "read-buffer-size")
_DURATIONS: Final = ("actors-disseminate-timeout", "block-shutdown-duration")
_WHOLE: Final = (
    *("app-health-probe-interval", "app-health-probe-timeout", "app-health-threshold", "app-max-concurrency"),
    *("debug-port", "graceful-shutdown-seconds", "http-max-request-size", "http-read-buffer-size"),
    *(
        f"sidecar-{probe}-probe-{what}"
        for probe in ("liveness", "readiness")
        for what in ("delay-seconds", "period-seconds", "threshold", "timeout-seconds")
    ),
)
_SWITCHES: Final = (
    *("disable-builtin-k8s-secret-store", "enable-api-logging", "enable-app-health-check", "enable-metrics"),
    *("enable-profiling", "inject-pluggable-components", "log-as-json"),
)
# What else than one of these is no to the injector, "enabled" too.
_SAYS: Final = ("true", "false", "yes", "no", "y", "n", "t", "f", "on", "off", "1", "0")
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "log-level": ("debug", "info", "warn", "error", "fatal"),
    "sidecar-seccomp-profile-type": ("RuntimeDefault", "Unconfined"),
}
_TEXTS: Final = (
    *("api-token-secret", "app-health-check-path", "app-token-secret", "component-container"),
    *("disable-init-endpoints", "env", "env-from-secret", "pluggable-components"),
    *("pluggable-components-sockets-folder", "sentry-request-jwt-audiences", "sidecar-svc-annotations"),
    *("volume-mounts", "volume-mounts-rw"),
)
KNOWN: Final = tuple(
    f"{PREFIX}{name}"
    for name in sorted({*OWN, *_QUANTITIES, *_BODIES, *_DURATIONS, *_WHOLE, *_SWITCHES, *_WORDS, *_TEXTS})
)


def unread(given: Mapping[str, Any]) -> Iterator[Refusal]:
    """Annotations for daprd that Dapr's injector, or daprd, would not read as they are meant."""
    for name, value in given.items():
        if not name.startswith(PREFIX) or value is None:
            continue
        if name not in KNOWN:
            mend = did_you_mean(name, KNOWN, "Dapr would pass over it. Remove it.", "{}")
            yield Refusal(rule="is not an annotation that Dapr knows", mend=mend, inside=(name,), show=False)
        elif refusal := _value(name.removeprefix(PREFIX), value, (name,)):
            yield refusal
    yield from _requests_within_limits(given)


def _requests_within_limits(given: Mapping[str, Any]) -> Iterator[Refusal]:
    for resource in ("cpu", "memory"):
        name, other = (f"{PREFIX}sidecar-{resource}-{kind}" for kind in ("request", "limit"))
        request, limit = quantity(given.get(name)), quantity(given.get(other))
        if request and limit and request > limit:
            rule = Words("is more than its limit, {limit}", limit=given[other])
            yield Refusal(rule=rule, mend="Raise the limit, or ask for less.", inside=(name,))


def _value(name: str, value: Any, inside: tuple[str]) -> Refusal | None:
    text = str(value)
    if name in (*_QUANTITIES, *_BODIES) and (quantity(value) or 0) <= 0:
        return Refusal(rule="is not a quantity", mend='Write it like "100m" or "128Mi".', inside=inside)
    if name in _DURATIONS and not re.fullmatch(r"([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+", text):
        return Refusal(rule="is not a duration", mend='Write it like "30s" or "1m30s".', inside=inside)
    if name in _WHOLE and not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        return Refusal(
            rule="is not a whole number, so Dapr would pass over it", mend='Write it like "5".', inside=inside
        )
    if name in _SWITCHES and text.strip().lower() not in _SAYS:
        return Refusal(rule='is not one of "true", "false"', mend="Dapr takes any other word for no.", inside=inside)
    words = _WORDS.get(name, (text,))
    if not {text, text.lower()} & {*words}:
        mend = did_you_mean(value, words, "Set one of them.")
        return Refusal(rule=f"is not one of {', '.join(words)}", mend=mend, inside=inside)
    return None
