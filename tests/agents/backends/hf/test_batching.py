"""Single awaits in front of a function over batches."""

from __future__ import annotations

import asyncio
import threading

import pytest

from optima_agents.backends.base import EngineDead
from optima_agents.backends.hf.batching import Batcher


def test_the_batcher_gathers_up_to_its_limit_and_keeps_the_order():
    sizes = []

    def double(items):
        sizes.append(len(items))
        return [2 * item for item in items]

    batcher = Batcher(double, max_batch=8, max_wait_s=0.05)

    async def ask():
        return await asyncio.gather(*map(batcher.submit, range(20)))

    for _ in range(2):  # one batcher, two event loops
        assert asyncio.run(ask()) == [2 * item for item in range(20)]
    assert max(sizes) == 8
    assert sum(sizes) == 40
    batcher.close()
    with pytest.raises(EngineDead):
        asyncio.run(ask())


def test_the_batcher_fails_one_item_or_one_batch_and_lives_on():
    def run(items):
        if "boom" in items:
            raise RuntimeError("all")
        return [ValueError(item) if item == "bad" else item.upper() for item in items]

    batcher = Batcher(run, max_batch=2, max_wait_s=0.05)

    async def ask(*items):
        return await asyncio.gather(*map(batcher.submit, items), return_exceptions=True)

    good, bad = asyncio.run(ask("x", "bad"))
    assert good == "X"
    assert isinstance(bad, ValueError)
    assert all(isinstance(r, RuntimeError) for r in asyncio.run(ask("boom", "y")))
    assert asyncio.run(ask("z")) == ["Z"]
    short = Batcher(lambda items: [], max_wait_s=0.0)
    with pytest.raises(EngineDead, match="0 results"):
        asyncio.run(short.submit("x"))
    batcher.close()
    batcher.close()
    assert not any(t.name == "batcher" and t is batcher._thread for t in threading.enumerate())
