"""Requests and limits, as the API server reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final

from model.quantity import quantity
from settings.declaration import Kind, Refusal, Rule, did_you_mean
from settings.names import is_qualified
from settings.problem import Words

KINDS: Final = ("requests", "limits")
RESOURCES: Final = ("cpu", "memory", "ephemeral-storage")
# A fraction of a byte is rounded up: 1.1Gi is one.
BYTES: Final = ("memory", "ephemeral-storage")
# Whoever leaves out the unit asks for bytes. Nothing starts with so few.
LEAST_MEMORY: Final = Decimal(1024) ** 2


def resources(given: Mapping[str, Any]) -> Iterator[Refusal]:
    """What keeps an object from being a container's ``resources``."""
    for kind, amounts in given.items():
        if kind not in KINDS:
            mend = did_you_mean(kind, KINDS, f"There are {', '.join(KINDS)}.", "{}")
            yield Refusal(rule="is not a key that there is here", mend=mend, inside=(kind,), show=False)
        elif amounts is None:
            continue
        elif not isinstance(amounts, Mapping):
            yield Refusal(
                rule="is not an object of quantities", mend=f"It has keys like {', '.join(RESOURCES)}.", inside=(kind,)
            )
        else:
            for name, amount in amounts.items():
                yield from _amount(kind, name, amount)
    yield from _requests_within_limits(given)


def _amount(kind: str, name: str, given: Any) -> Iterator[Refusal]:
    inside = (kind, name)
    if not (name in RESOURCES or name.startswith("hugepages-") or ("/" in name and is_qualified(name))):
        mend = did_you_mean(name, RESOURCES, f"There are {', '.join(RESOURCES)}, hugepages-2Mi, example.com/gpu.", "{}")
        yield Refusal(rule="is not a resource of containers", mend=mend, inside=inside, show=False)
        return
    amount = quantity(given)
    if amount is None:
        example = '"100m" or 0.1' if name == "cpu" else '"128Mi"'
        yield Refusal(rule="is not a quantity", mend=f"Write it like {example}.", inside=inside)
    elif amount < 0:
        yield Refusal(rule="is negative", mend="Remove the sign.", inside=inside)
    elif name == "cpu" and not _is_whole(amount * 1000):
        yield Refusal(rule="is finer than a thousandth of a CPU", mend="Write it like 100m.", inside=inside)
    elif name in BYTES and str(given).endswith("m"):
        mend = Words('Did you mean "{amount}Mi"?', amount=str(given).rstrip("m"))
        yield Refusal(rule='is in thousandths of a byte; that is what "m" stands for', mend=mend, inside=inside)
    elif name == "memory" and 0 < amount < LEAST_MEMORY:
        mend = Words('Did you mean "{amount}Mi"?', amount=given) if str(given).isdecimal() else 'Write it like "128Mi".'
        yield Refusal(rule="is less memory than anything starts with", mend=mend, inside=inside)
    elif name not in ("cpu", *BYTES) and not _is_whole(amount):
        yield Refusal(rule="is not a whole number", mend="It can't be divided.", inside=inside)


def _is_whole(amount: Decimal) -> bool:
    # A remainder fails where there are more digits than Decimal keeps.
    return amount == amount.to_integral_value()


def _requests_within_limits(given: Mapping[str, Any]) -> Iterator[Refusal]:
    requests, limits = given.get("requests"), given.get("limits")
    if not isinstance(requests, Mapping) or not isinstance(limits, Mapping):
        return
    for name in requests.keys() & limits.keys():
        request, limit = quantity(requests[name]), quantity(limits[name])
        if request is not None and limit is not None and request > limit:
            yield Refusal(
                rule=Words("is more than its limit, {limit}", limit=limits[name]),
                mend="Raise the limit, or ask for less.",
                inside=("requests", name),
            )


Resources = Annotated[
    dict[str, Any],
    Kind("an object with requests and limits", "Set it in the stack file, as YAML."),
    Rule("resources", resources),
]
