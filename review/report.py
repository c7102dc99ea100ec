"""One stack's review, worked out once: what every level of detail and the digest are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from policy.config import Config
from review import changes as changed
from review import mesh as meshes
from review import policies
from review.changes import Change
from review.diff import Diff, diff
from review.events import Preview
from review.mesh import Mesh
from review.verdict import Severity, Verdict, verdict


@dataclass(frozen=True, kw_only=True)
class Review:
    """One stack's review.

    Attributes:
        preview: What it is of.
        changes: What changes.
        diffs: Each change's diff, by URN.
        before: The mesh as it is.
        after: The mesh as it will be.
        verdict: What is to be known first.
    """

    preview: Preview
    changes: tuple[Change, ...]
    diffs: Mapping[str, Diff]
    before: Mesh
    after: Mesh
    verdict: Verdict

    @property
    def stack(self) -> str:
        """The stack's name."""
        return self.preview.stack

    @property
    def objects(self) -> tuple[Change, ...]:
        """What changes of the cluster's objects."""
        return tuple(change for change in self.changes if not change.is_step)

    @property
    def steps(self) -> tuple[Change, ...]:
        """What is done besides."""
        return tuple(change for change in self.changes if change.is_step)


def review(preview: Preview, config: Config | None = None) -> Review:
    """Work a preview out.

    Args:
        preview: It.
        config: What the environment's file says of the policies; None where nothing is asked of the plan.
    """
    found = changed.changes(preview)
    earlier, later = changed.before(preview), changed.after(preview)
    if config is not None:
        edited = policies.edited(preview, found)
        asked = policies.plan(found, earlier, later)
        preview = replace(preview, violations=policies.violations(preview, asked, config, edited=edited))
    before, after = meshes.mesh(earlier), meshes.mesh(later)
    return Review(
        preview=preview,
        changes=found,
        diffs={change.urn: diff(change.before, change.after) for change in found},
        before=before,
        after=after,
        verdict=verdict(preview, found, before, after),
    )


def worst(reviews: Sequence[Review]) -> Severity:
    """The worst of several."""
    return max((one.verdict.severity for one in reviews), default=Severity.NOTHING)


def known(reviews: Sequence[Review]) -> frozenset[str]:
    """Every secret that was seen."""
    return frozenset(secret for one in reviews for secret in one.preview.known)
