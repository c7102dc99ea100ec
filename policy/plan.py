"""What a plan takes away. No policy pack sees it: Pulumi shows one what will be there, never what goes.

So the review asks these rules, of the engine's events (``python -m review check --policies``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model.chart import CRD
from model.stage import Stage
from policy.found import Found, Plan

# What the delete of a Command takes away of these kinds.
TAKEN_BY_STEPS: Final = {"osm-runtime": "OSM's CustomResourceDefinitions, with every SMI policy of the cluster"}


def deletes(plan: Plan) -> Iterator[Found]:
    """The rule."""
    for gone in plan.gone:
        verb = "replaced, which deletes it first" if gone.replaced else "deleted"
        if gone.kind == CRD:
            yield Found(object=gone.object, wrong=f"would be {verb}, and with it every object of that kind")
        elif gone.kind == "Namespace":
            yield Found(object=gone.object, wrong=f"would be {verb}, and with it everything in it")
        elif gone.kind == "Step" and not gone.replaced and gone.object.removeprefix("step ") in TAKEN_BY_STEPS:
            taken = TAKEN_BY_STEPS[gone.object.removeprefix("step ")]
            yield Found(object=gone.object, wrong=f"would be undone, which deletes {taken}")


def stage_forward(plan: Plan) -> Iterator[Found]:
    """The rule."""
    order = [stage.value for stage in Stage]
    before, after = plan.stage_before, plan.stage_after
    if before in order and after in order and order.index(after) < order.index(before):
        yield Found(
            object=f"stage {after}",
            wrong=f"the stage would go back, from {before}: calls would pass that are denied now",
        )
