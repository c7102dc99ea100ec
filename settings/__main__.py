"""``python -m settings``: write what documents say of the settings."""

from __future__ import annotations

import sys

from settings import documents, project

for path in documents.write():
    sys.stdout.write(f"{path.relative_to(project.ROOT)} is written anew.\n")
