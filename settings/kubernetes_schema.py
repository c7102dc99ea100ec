"""Kubernetes' own objects, held against the types that its Python client knows."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Final

from model.quantity import quantity
from settings.declaration import Refusal, did_you_mean
from settings.problem import Path, Words

POD_SPEC: Final = "V1PodSpec"
# Quantities, which the client takes for texts, and the API server may also be given as numbers: single ones, and
# objects of them, of which ``settings.quantities`` says more.
QUANTITIES: Final = ("sizeLimit", "divisor")
RESOURCES: Final = ("limits", "requests")
_SCALARS: Final[Mapping[str, tuple[type | tuple[type, ...], str]]] = {
    "str": (str, "a text"),
    "int": (int, "a whole number"),
    "bool": (bool, "true or false"),
    "float": ((int, float), "a number"),
}


def _models() -> ModuleType:
    """The client's types. They take a third of a second to load, and only an overlay needs them."""
    return importlib.import_module("kubernetes.client.models")


def faults(value: Any, kind: str, inside: Path = ()) -> Iterator[Refusal]:
    """Everything in an object that Kubernetes doesn't know, or knows as something else. Null is nothing, and fine.

    Args:
        value: The object.
        kind: Its type, as the client writes it: ``V1PodSpec``, ``List[str]``, ``Dict[str, str]``.
        inside: Where it is.
    """
    if value is None:
        return
    if found := re.fullmatch(r"(?i:list)\[(.*)\]", kind):
        yield from _in_list(value, found[1], inside)
    elif found := re.fullmatch(r"(?i:dict)[\[(]str, (.*)[\])]", kind):
        yield from _in_map(value, found[1], inside)
    elif model := getattr(_models(), kind, None):
        yield from _in_object(value, model, inside)
    elif kind in _SCALARS:
        wanted, what = _SCALARS[kind]
        if not isinstance(value, wanted) or (isinstance(value, bool) and kind != "bool"):
            mend = "Put it between quotes." if kind == "str" else "See kubectl explain pod."
            yield Refusal(rule=f"is not {what}", mend=mend, inside=inside)


def _in_list(value: Any, kind: str, inside: Path) -> Iterator[Refusal]:
    if not isinstance(value, list):
        yield Refusal(rule="is not a list", mend="See kubectl explain pod.", inside=inside)
        return
    for index, entry in enumerate(value):
        if entry is None:
            yield Refusal(rule="is null, which is no entry of a list", mend="Remove it.", inside=(*inside, str(index)))
        yield from faults(entry, kind, (*inside, called(entry, index)))


def _in_map(value: Any, kind: str, inside: Path) -> Iterator[Refusal]:
    if not isinstance(value, Mapping):
        yield Refusal(rule="is not an object", mend="See kubectl explain pod.", inside=inside)
        return
    for name, entry in value.items():
        yield from faults(entry, kind, (*inside, name))


def _in_object(value: Any, model: Any, inside: Path) -> Iterator[Refusal]:
    types = {model.attribute_map[field]: kind for field, kind in model.openapi_types.items()}
    if not isinstance(value, Mapping):
        yield Refusal(rule="is not an object", mend=f"It has keys like {', '.join(list(types)[:3])}.", inside=inside)
        return
    for name, entry in value.items():
        if name in QUANTITIES and name in types and entry is not None:
            if quantity(entry) is None:
                mend = 'Write it like "100m" or "128Mi".'
                yield Refusal(rule="is not a quantity", mend=mend, inside=(*inside, name))
        elif name in RESOURCES and name in types and isinstance(entry, Mapping):
            texts = {
                key: one for key, one in entry.items() if isinstance(one, bool) or not isinstance(one, int | float)
            }
            yield from faults(texts, types[name], (*inside, name))
        elif name in types:
            yield from faults(entry, types[name], (*inside, name))
        else:
            mend = did_you_mean(name, types, "See kubectl explain pod.", "{}")
            yield Refusal(rule="is not a field that Kubernetes knows", mend=mend, inside=(*inside, name), show=False)


def called(entry: Any, index: int) -> str:
    """How one of a list is called in a path: by its name if it has one and that may be shown, else by its place."""
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return Words.quoting(name, str(index)) if isinstance(name, str) else str(index)
