"""How much of the prompts a prefix cache could have served, from the token ids alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Ids = Sequence[int]


def cacheable(turns: Iterable[tuple[Ids, Ids]], block: int) -> int:
    """Prompt tokens that begin like an earlier prompt and what was sampled on it, counted in whole blocks.

    ``turns`` are (prompt ids, sampled ids) in the order they were asked for. As in vLLM, the last prompt token and
    the last sampled one are never served from a cache. ``block=1`` counts every shared token.
    """
    known: set[tuple[int, Ids]] = set()
    total = 0
    for prompt, sampled in turns:
        parent, hit = 0, True
        whole = [*prompt, *sampled][:-1]
        for start in range(0, len(whole) - block + 1, block):
            key = (parent, tuple(whole[start : start + block]))
            hit = hit and key in known and start + block < len(prompt)
            total += block * hit
            known.add(key)
            parent = hash(key)
    return total
