"""A digest that a deploy makes again."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from review.digest import digest
from review.events import parse
from tests.review import streams
from tests.review.streams import Stream, real


def of(stream: Stream) -> str:
    return digest([parse(stream.lines())])


def test_the_same_plan_has_the_same_digest() -> None:
    for make in streams.SCENARIOS.values():
        assert of(make()) == of(make())


def test_other_plans_have_other_digests() -> None:
    found = [of(make()) for make in streams.SCENARIOS.values()]
    assert len(set(found)) == len(found)


def test_the_order_in_which_the_engine_works_does_not_matter() -> None:
    lines = streams.policy_added().lines()
    steps, summary = lines[:-1], lines[-1]
    shuffled = random.Random(7).sample(steps, len(steps))  # noqa: S311 - no cryptography
    assert digest([parse([*shuffled, summary])]) == digest([parse(lines)])


def test_two_real_previews_of_one_plan_have_one_digest() -> None:
    # Of the second one, the apps' part was kept.
    of_apps = [line for line in real("first-install") if "HelloKubernetesApps" in line or "summaryEvent" in line]
    first, again = parse(of_apps), parse(real("first-install-again"))
    names = [
        next(str(s.new.inputs["metadata"]["name"]) for s in p.steps if s.urn.endswith("hello-redis-password") and s.new)
        for p in (first, again)
    ]
    assert names[0] != names[1], "Pulumi makes the name up each time"
    assert digest([first]) == digest([again])


def noisy(inputs: dict[str, Any]) -> None:
    inputs["metadata"].update(resourceVersion="9", generation=4, creationTimestamp="2026-01-01T00:00:00Z")


BY_THEMSELVES: dict[str, Callable[[dict[str, Any]], object]] = {
    "what Kubernetes counts": noisy,
    "which checksum it is": lambda i: i["spec"]["template"]["metadata"]["annotations"].update(
        {"dapr-osm/dapr": "ffff"}
    ),
    "a time": lambda i: i["metadata"]["labels"].update(at="2026-11-25T17:00:01+00:00"),
    "how numbers are written": lambda i: i["spec"].update(replicas=1.0),
}


@pytest.mark.parametrize("change", BY_THEMSELVES)
def test_what_changes_by_itself_does_not_count(change: str) -> None:
    def edit(inputs: dict[str, Any]) -> None:
        inputs["spec"]["template"]["spec"]["containers"][0]["image"] = "node:2"
        inputs["spec"]["template"]["metadata"]["annotations"]["dapr-osm/dapr"] = "eeee"
        inputs["metadata"]["labels"]["at"] = "2026-11-25T16:00:00Z"

    def later(inputs: dict[str, Any]) -> None:
        edit(inputs)
        BY_THEMSELVES[change](inputs)

    assert of(Stream().update("hello-nodeapp-pods", edit)) == of(Stream().update("hello-nodeapp-pods", later))


def test_whether_a_checksum_changes_counts_since_pods_restart_by_it() -> None:
    def image(inputs: dict[str, Any]) -> None:
        inputs["metadata"]["labels"]["team"] = "shop"

    def both(inputs: dict[str, Any]) -> None:
        image(inputs)
        inputs["spec"]["template"]["metadata"]["annotations"]["dapr-osm/dapr"] = "eeee"

    assert of(Stream().update("hello-nodeapp-pods", image)) != of(Stream().update("hello-nodeapp-pods", both))


def test_another_stack_has_another_digest() -> None:
    assert of(Stream()) != of(Stream(stack="prod"))


def test_what_is_there_before_counts_too() -> None:
    def edited_by_hand(stream: Stream) -> Stream:
        stream.inputs("hello-nodeapp-service")["spec"]["selector"] = {"app": "other"}
        return stream

    def repair(inputs: dict[str, Any]) -> None:
        inputs["spec"]["selector"] = {"app": "node"}

    plain = Stream().update("hello-nodeapp-service", repair)
    assert of(plain) != of(edited_by_hand(Stream()).update("hello-nodeapp-service", repair))


def test_a_preview_that_broke_off_has_the_digest_of_no_other() -> None:
    stream = streams.dapr_value()
    whole = of(stream)
    stream.finished = False
    assert of(stream) != whole


def test_a_secret_that_changes_counts_and_its_value_does_not() -> None:
    def secret(value: str, *, paths: tuple[str, ...]) -> str:
        stream = Stream().update("hello-redis-password", lambda i: i.update(stringData={"k": value}), paths=paths)
        return of(stream)

    assert secret("one", paths=("stringData.k",)) == secret("two", paths=("stringData.k",))
    assert secret("one", paths=()) != secret("one", paths=("stringData.k",))


def test_several_stacks_have_one_digest_in_whatever_order() -> None:
    lab, prod = parse(Stream().lines()), parse(streams.dapr_value().lines())
    prod = parse([line.replace("urn:pulumi:lab::", "urn:pulumi:prod::") for line in streams.dapr_value().lines()])
    assert digest([lab, prod]) == digest([prod, lab])
    assert digest([lab, prod]) != digest([lab])
