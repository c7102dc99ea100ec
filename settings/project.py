"""What every module here has to know of the project itself."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

# The namespace of the stack's own config keys.
PROJECT: Final = "dapr-osm"
# That of the Kubernetes provider's.
PROVIDER: Final = "kubernetes"

ROOT: Final = Path(__file__).resolve().parents[1]
# Declared in the project's metadata alone.
VERSION: Final[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
