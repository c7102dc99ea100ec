"""Fixtures that both apps' tests use."""

from collections.abc import Iterator

import pytest

from .fake_dapr import FakeDapr, serve


@pytest.fixture
def dapr() -> Iterator[FakeDapr]:
    """Return a Dapr of this test's own."""
    with serve() as fake:
        yield fake
