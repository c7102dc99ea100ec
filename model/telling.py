"""Names that say that their value is secret."""

from __future__ import annotations

import re
from typing import Final

TELLING: Final = re.compile(
    r"(password|passwd|passphrase|secret|token|credential|api[-_]?key|private[-_]?key|access[-_]?key)s?$", re.IGNORECASE
)
"""Matches names whose values nobody has to read, whoever declared them."""
