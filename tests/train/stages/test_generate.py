"""The format pool of the first iteration: what a dialogue is told, and what its record says of it."""

from __future__ import annotations

from collections import Counter

import pytest

from optima_agents.formats import TALK, format_pool
from optima_train.stages.generate import draw_format, format_info


def test_plain_competes_with_the_formats_and_leaves_no_hint() -> None:
    pool = format_pool(["arrows", "plain", "notes"])
    assert pool == {"arrows": TALK["arrows"], "plain": "", "notes": TALK["notes"]}
    drawn = Counter(draw_format(pool, 1, index, sample) for index in range(100) for sample in range(6))
    assert set(drawn) == set(pool) and min(drawn.values()) > 150
    assert format_info(pool, "plain") == {} and format_info(pool, "notes") == {"format": "notes"}


def test_all_formats_are_the_default_and_an_unknown_one_is_refused() -> None:
    assert format_pool() == TALK
    with pytest.raises(ValueError, match="unknown format arows; known: plain, abbreviations"):
        format_pool(["arows"])
