"""Promotion between environments."""

from __future__ import annotations

from typing import Any

import pytest

from environments.promote import Image, Move, Promotion, PromotionError, check_verified, promotion
from model.stage import Stage
from model.versions import DEFAULT_DAPR_VERSION

DIGEST = "@sha256:" + "0" * 64


def promoted(
    source: dict[str, Any], target: dict[str, Any], *, to: str = "staging", stage: Stage | None = None
) -> Promotion:
    names = {"staging": ("dev", "staging"), "prod": ("staging", "prod")}[to]
    return promotion(source, target, names=names, stage=stage)


def moved(source: dict[str, Any], target: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {".".join(move.path): move.after for move in promoted(source, target, **options).moves}


def refusals(source: dict[str, Any], target: dict[str, Any], **options: Any) -> tuple[str, ...]:
    with pytest.raises(PromotionError) as caught:
        promoted(source, target, **options)
    return caught.value.reasons


def test_the_stage_moves() -> None:
    assert promoted({"stage": "locked"}, {"stage": "dapr"}).moves == (
        Move(path=("stage",), before="dapr", after="locked"),
    )


def test_a_stage_that_nobody_names_is_the_default() -> None:
    assert moved({}, {"stage": "locked"}) == {"stage": "smi"}
    assert moved({"stage": "smi"}, {}) == {}


@pytest.mark.parametrize("to", ["staging", "prod"])
def test_no_stage_goes_back(to: str) -> None:
    (reason,) = refusals({"stage": "permissive"}, {"stage": "smi"}, to=to)
    assert "stage smi would go back to permissive" in reason
    assert "edit the file" in reason, "and says what to do"


def test_production_goes_a_stage_at_a_time() -> None:
    (reason,) = refusals({"stage": "smi"}, {"stage": "dapr"}, to="prod")
    assert "permissive and locked would be skipped" in reason
    assert "--stage permissive" in reason
    for stage, before in ((Stage.PERMISSIVE, "dapr"), (Stage.LOCKED, "permissive"), (Stage.SMI, "locked")):
        assert moved({"stage": "smi"}, {"stage": before}, to="prod", stage=stage) == {"stage": stage}


def test_an_environment_before_production_may_jump() -> None:
    assert moved({"stage": "smi"}, {"stage": "dapr"}) == {"stage": "smi"}


def test_less_than_the_sources_stage_can_be_asked_for_and_more_can_not() -> None:
    found = promoted({"stage": "locked"}, {"stage": "dapr"}, stage=Stage.PERMISSIVE)
    assert [move.after for move in found.moves] == ["permissive"]
    assert "stage: dev is further, at locked" in found.notes
    (reason,) = refusals({"stage": "locked"}, {"stage": "dapr"}, stage=Stage.SMI)
    assert "dev is at stage locked and not yet at smi" in reason


def test_a_stage_that_is_none_is_told() -> None:
    assert "'smy', which is none of dapr" in refusals({"stage": "smy"}, {})[0]


def test_daprs_version_moves_whether_it_is_named_or_not() -> None:
    assert moved({}, {"daprVersion": "1.17.5"}) == {"daprVersion": DEFAULT_DAPR_VERSION}
    assert moved({"daprVersion": "1.17.5"}, {"daprVersion": "1.16.0"}) == {"daprVersion": "1.17.5"}
    assert moved({"daprVersion": DEFAULT_DAPR_VERSION}, {}) == {}


def test_daprs_version_does_not_go_back() -> None:
    (reason,) = refusals({"daprVersion": "1.17.5"}, {"daprVersion": "1.18.2"})
    assert "Dapr 1.18.2 would go back to 1.17.5" in reason
    assert "1.9.0 would" not in reason
    assert refusals({"daprVersion": "1.9.0"}, {"daprVersion": "1.12.0"}), "versions are numbers, not texts"


def test_a_release_that_was_not_tried_brings_its_leave_along() -> None:
    source = {"daprVersion": "1.18.9", "allowUntriedDapr": True}
    assert moved(source, {}) == {"daprVersion": "1.18.9", "allowUntriedDapr": True}
    assert moved(source, {"allowUntriedDapr": True}) == {"daprVersion": "1.18.9"}


def test_of_an_image_the_version_moves_and_the_registry_stays() -> None:
    source = {
        "redisImage": "docker.io/library/redis:7.4",
        "apps": {"shop": {"image": f"dev.example:5000/shop:3{DIGEST}"}},
    }
    target = {"redisImage": "registry.example/redis:7.2", "apps": {"shop": {"image": "prod.example/team/shop:2"}}}
    assert moved(source, target) == {
        "redisImage": "registry.example/redis:7.4",
        "apps.shop.image": f"prod.example/team/shop:3{DIGEST}",
    }


def test_an_image_with_a_default_moves_to_an_environment_that_names_none() -> None:
    assert moved({"redisImage": "docker.io/library/redis:7.4"}, {}) == {"redisImage": "docker.io/library/redis:7.4"}
    found = promoted({"redisImage": "dev.example/redis:7.4"}, {})
    assert not found.moves, "another registry is not its business"
    assert "staging takes the default, dev an image of its own" in found.notes[0]


def test_an_image_that_names_no_version_is_told_and_not_moved() -> None:
    for image in ("a.example/shop", "a.example/shop:latest"):
        found = promoted({"apps": {"shop": {"image": image}}}, {"apps": {"shop": {"image": "b.example/shop:2"}}})
        assert not found.moves
        assert f"apps.shop.image: dev names no version ({image}), so none is moved" in found.notes


def test_an_app_that_only_the_source_has_is_told_and_not_moved() -> None:
    found = promoted({"apps": {"shop": {"image": "a.example/shop:3"}}}, {})
    assert not found.moves
    assert "apps.shop.image: staging does not name it" in found.notes


def test_nothing_else_moves_and_what_differs_is_named_without_its_value() -> None:
    secret = {"redisPassword": {"secure": "AAABcyphertext"}, "registryCredentials": {"secure": "AAABother"}}
    source = {**secret, "protect": False, "extraPortExclusions": [5432], "policies": {"a": {"destination": "b"}}}
    found = promoted(source, {"protect": True})
    assert not found.moves
    assert found.notes == (
        "each environment's own, and not moved: extraPortExclusions, policies, protect, redisPassword, "
        "registryCredentials",
    )


@pytest.mark.parametrize("off", [None, False, "false", "False"])
@pytest.mark.parametrize("on", [True, "true"])
def test_an_untried_release_brings_its_permission_however_that_is_written(on: Any, off: Any) -> None:
    source = {"daprVersion": "1.18.99", "allowUntriedDapr": on}
    assert moved(source, {"daprVersion": "1.18.2 ", "allowUntriedDapr": off}) == {
        "daprVersion": "1.18.99",
        "allowUntriedDapr": on,
    }
    assert moved(source, {"daprVersion": "1.18.2", "allowUntriedDapr": on}) == {"daprVersion": "1.18.99"}


def test_an_encrypted_image_is_left() -> None:
    target = {"apps": {"shop": {"image": {"secure": "AAAB"}}}}
    found = promoted({"apps": {"shop": {"image": "a.example/shop:3"}}}, target)
    assert not found.moves
    assert not promoted(target, {"apps": {"shop": {"image": "a.example/shop:3"}}}).moves


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("dev", "prod"), "promote staging prod"),
        (("prod", "staging"), "promote dev staging"),
        (("staging", "dev"), "nothing comes before dev"),
        (("dev", "dev"), "nothing comes before dev"),
        (("dev", "production"), "production is no environment"),
        (("../dev", "staging"), "../dev is no environment"),
    ],
)
def test_no_environment_is_skipped(names: tuple[str, str], says: str) -> None:
    with pytest.raises(PromotionError, match=says):
        promotion({}, {}, names=names)


def test_everything_that_is_in_the_way_is_told_at_once() -> None:
    reasons = refusals({"stage": "dapr", "daprVersion": "1.12.0"}, {"stage": "smi"})
    assert len(reasons) == 2


@pytest.mark.parametrize(
    ("image", "name", "version", "pinned"),
    [
        ("redis", "redis", "", False),
        ("redis:latest", "redis", ":latest", False),
        ("host:5000/redis", "host:5000/redis", "", False),
        ("host:5000/redis:7", "host:5000/redis", ":7", True),
        (f"redis{DIGEST}", "redis", DIGEST, True),
        (f"host:5000/redis:latest{DIGEST}", "host:5000/redis", f":latest{DIGEST}", True),
    ],
)
def test_an_image_is_a_name_and_a_version(image: str, name: str, version: str, pinned: bool) -> None:
    found = Image.of(image)
    assert (found.name, found.version, found.is_pinned) == (name, version, pinned)


# --- whether the source works -----------------------------------------------------------------------------------

DEPLOYED = {
    "stage": "smi",
    "versions": {"dapr": DEFAULT_DAPR_VERSION},
    "verification": {"verified": "2026-11-29T21:00:00+00:00", "orders": {"persisted": 3}},
}


def unverified(
    outputs: dict[str, Any],
    result: str = "succeeded",
    source: dict[str, Any] | None = None,
    deployed: dict[str, Any] | None = None,
) -> str:
    with pytest.raises(PromotionError) as caught:
        check_verified(source or {}, outputs, name="dev", result=result, deployed=deployed or {})
    return str(caught.value)


def test_what_is_deployed_and_verified_may_be_promoted() -> None:
    config = {"nodeAppImage": "node:1", "apps": {"shop": {"image": "shop:1"}}, "redisPassword": {"secure": "v1:x"}}
    check_verified(config, DEPLOYED, name="dev", result="succeeded", deployed=config)
    check_verified(config, DEPLOYED, name="dev", result="succeeded", deployed={"nodeAppImage": "node:1"})
    spaced = {"daprVersion": f" {DEFAULT_DAPR_VERSION} "}
    check_verified(spaced, DEPLOYED, name="dev", result="succeeded", deployed=spaced)


def test_what_is_not_deployed_may_not() -> None:
    assert "nothing of dev is deployed" in unverified({})


def test_what_is_deployed_otherwise_than_its_file_says_may_not() -> None:
    said = unverified(DEPLOYED, source={"stage": "locked", "daprVersion": "1.17.5"})
    assert "with stage smi, and its file says locked" in said
    assert f"with daprVersion {DEFAULT_DAPR_VERSION}, and its file says 1.17.5" in said


def test_an_image_that_was_never_deployed_may_not() -> None:
    source = {"nodeAppImage": "node:2", "apps": {"shop": {"image": "shop:2"}}}
    deployed = {"nodeAppImage": "node:1", "apps": {"shop": {"image": "shop:1"}}}
    said = unverified(DEPLOYED, source=source, deployed=deployed)
    assert "with nodeAppImage node:1, and its file says node:2" in said
    assert "with apps.shop.image shop:1, and its file says shop:2" in said


def test_what_failed_last_may_not() -> None:
    assert "has ended as 'failed'" in unverified(DEPLOYED, "failed")
    assert "is not to be found" in unverified(DEPLOYED, "")


def test_what_nobody_verified_may_not() -> None:
    off = {**DEPLOYED, "verification": {"verified": "no: dapr-osm:verify is off"}}
    assert "dev is not verified" in unverified(off)
    assert "dev is not verified" in unverified({**DEPLOYED, "verification": None})
