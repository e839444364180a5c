"""Preference rows: pairs of turns as the token ids that were sampled; what cannot be trained on is counted, not cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ..run.files import read_lines

Pair = dict[str, list[int]]
COLUMNS = ("prompt_ids", "chosen_ids", "rejected_ids")
NO_IDS, ALIKE = "no sampled token ids", "chosen and rejected are the same tokens"


def read_pairs(path: Path, limits: Mapping[str, int]) -> tuple[list[Pair], Counter[str]]:
    """The trainable pairs of a ``pairs.jsonl``, and how many were dropped for what.

    ``limits`` are bounds of prompt and turn together, in tokens, by what they come from.
    """
    pairs: list[Pair] = []
    dropped: Counter[str] = Counter()
    for row in read_lines(path):
        pair: Pair = {column: list(row[column] or ()) for column in COLUMNS}
        length = len(pair["prompt_ids"]) + max(len(pair["chosen_ids"]), len(pair["rejected_ids"]))
        exceeded = next((name for name, limit in limits.items() if length > limit), None)
        if not all(pair.values()):
            dropped[NO_IDS] += 1
        elif pair["chosen_ids"] == pair["rejected_ids"]:
            dropped[ALIKE] += 1
        elif exceeded is not None:
            dropped[f"longer than {exceeded}"] += 1
        else:
            pairs.append(pair)
    return pairs, dropped
