"""A machine whose KUBECONFIG names one cluster, and a program run on it."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

CONTEXT = "somewhere"

# Graphs are kept, and so many objects that looking for garbage as often as Python does takes a fifth of the time.
gc.set_threshold(100_000, 50, 100)
# A program that is refused leaves futures that nobody asks any more: asyncio would tell of each when it is collected,
# which is long after the test.
logging.getLogger("asyncio").setLevel(logging.CRITICAL)


@pytest.fixture(scope="package", autouse=True)
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The only kubeconfig there is, with nothing of the surrounding machine's Pulumi in the environment."""
    path = tmp_path_factory.mktemp("kubeconfig") / "config"
    path.write_text(f"current-context: {CONTEXT}\ncontexts:\n- name: {CONTEXT}\n")
    with pytest.MonkeyPatch.context() as patch:
        for key in [key for key in os.environ if key.startswith("PULUMI_")]:
            patch.delenv(key)
        patch.setenv("KUBECONFIG", str(path))
        yield path
