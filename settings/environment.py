"""Environment variables of apps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from settings.declaration import All, Kind, Refusal, Rule

# What Dapr's injector gives an app's container; it replaces what is there.
# Source: pkg/injector/patcher/sidecar_patcher.go.
DAPRS: Final = ("DAPR_HTTP_PORT", "DAPR_GRPC_PORT", "APP_PROTOCOL")
# What every Kubernetes takes; from 1.30 on some take more. Source: IsEnvVarName of k8s.io/apimachinery.
_NAME: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


def is_name(name: str) -> bool:
    """Whether a variable may be called so."""
    return _NAME.fullmatch(name) is not None and name not in (".", "..") and not name.startswith("..")


def names(given: Mapping[str, Any]) -> Iterator[Refusal]:
    """What keeps an object's keys from being names of variables."""
    for name in given:
        if not is_name(name):
            yield Refusal(
                rule="is not the name of an environment variable",
                mend="It has letters, digits, underlines, dots and dashes, and begins with no digit.",
                inside=(name,),
                show=False,
            )
        elif name in DAPRS:
            rule = "is set by Dapr's injector, in every app's container"
            yield Refusal(rule=rule, mend="Remove it.", inside=(name,), show=False)


def texts(given: Mapping[str, Any]) -> Iterator[Refusal]:
    """What keeps an object's values from being those of variables."""
    for name, value in given.items():
        if not isinstance(value, str):
            mend = 'Write numbers and true as texts: "1".'
            yield Refusal(rule="is not a text", mend=mend, inside=(name,), show=False)
        elif "\0" in value:
            yield Refusal(rule="holds a NUL, which ends a variable", mend="Remove it.", inside=(name,), show=False)


Environment = Annotated[
    dict[str, Any],
    Kind("an object of texts", "Set it in the stack file, as YAML."),
    All(Rule("env-names", names), Rule("env-values", texts)),
]
