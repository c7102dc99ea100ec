"""Settings of the pure tests."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is slow, which is no finding.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
