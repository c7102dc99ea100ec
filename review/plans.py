"""Each stack's digest in the comment, where nobody sees it: how a deploy knows what was reviewed of its own stack."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

from review.digest import digest
from review.report import Review

PLANS: Final = re.compile(r"^<!-- plans (\{.*\}) -->$", re.MULTILINE)
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


def trailer(reviews: Sequence[Review]) -> str:
    """The comment's last line."""
    found = {one.stack: digest([one.preview]) for one in reviews}
    # Two dashes could end an HTML comment.
    text = json.dumps(found, sort_keys=True).replace("--", "\\u002d\\u002d")
    return f"<!-- plans {text} -->\n"


def plans(body: str) -> dict[str, str] | None:
    """Each stack's digest, of a comment; of none where no stack was touched, and None where it does not say."""
    found = PLANS.findall(body)
    if not found:
        return None
    try:
        read = json.loads(found[-1])
    except ValueError:
        return None
    if not isinstance(read, dict):
        return None
    return {str(stack): one for stack, one in read.items() if isinstance(one, str) and DIGEST.fullmatch(one)}
