"""The upper bound on prefix reuse, against prompts whose shared part is known."""

from __future__ import annotations

from benchmarks.speed.prefix_bound import cacheable


def test_what_is_shared_is_counted_once_it_was_seen():
    first, second = tuple(range(64)), tuple(range(64, 128))
    assert cacheable([(first, ()), (second, ())], 1) == 0
    assert cacheable([(first, ()), (first, ())], 1) == 63, "the last prompt token is always computed"
    assert cacheable([(first, ()), (first, ())], 32) == 32
    assert cacheable([(first, (7,)), ((*first, 7, 9), ())], 1) == 64, "the last sampled token was never computed"
    assert cacheable([(first, (7, 8, 9)), ((*first, 7, 8, 9, 5), ())], 1) == 66
    assert cacheable([(first, ()), ((1, *first), ())], 1) == 0, "a shared middle is no shared prefix"
    assert cacheable([(first, ()), ((*first[:40], 999, *first[41:]), ())], 32) == 32


def test_whole_blocks_never_count_more_than_tokens():
    turns = [(tuple(range(n)), (1, 2, 3)) for n in range(5, 200, 7)]
    assert cacheable(turns, 32) <= cacheable(turns, 16) <= cacheable(turns, 1)
