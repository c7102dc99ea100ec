"""Words of a sentence."""

from __future__ import annotations

import pytest

from review.words import counted, listed


@pytest.mark.parametrize(
    ("count", "noun", "words"),
    [
        (0, "pod", "0 pods"),
        (1, "pod", "1 pod"),
        (2, "ClusterRole", "2 ClusterRoles"),
        (2, "PriorityClass", "2 PriorityClasses"),
        (1, "PriorityClass", "1 PriorityClass"),
        (3, "ValidatingAdmissionPolicy", "3 ValidatingAdmissionPolicies"),
    ],
)
def test_one_is_no_plural(count: int, noun: str, words: str) -> None:
    assert counted(count, noun) == words


@pytest.mark.parametrize(
    ("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_what_is_listed_ends_with_an_and(words: list[str], text: str) -> None:
    assert listed(words) == text
