"""Before any test imports torch: its threads share the cores with whatever else runs here."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from tuneport_local.machine.threads import share_cores

share_cores()


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Of torch's, where a file of tests uses it: the models are tiny, and sums come in one order."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
