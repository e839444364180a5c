"""Whole records out of the parts of them that a test is about."""

from __future__ import annotations

from typing import Any

from optima_train.run.records import ContrastRow, PreferenceRow, RankedRow, TrainingRow


def ranked_row(instance: str, sample: int, reward: float | None) -> RankedRow:
    failed = None if reward is not None else "backend: gone"
    return RankedRow(instance=instance, sample=sample, seed=0, reward=reward, terms={}, failed=failed)


def training_row(parts: dict[str, Any]) -> TrainingRow:
    return TrainingRow(**{"instance": "i", "sample": 0, "agent": "Alice", "turns": [0]} | parts)


def preference_row(parts: dict[str, Any]) -> PreferenceRow:
    said = {"chosen": "yes", "rejected": "no", "chosen_value": 0.9, "rejected_value": 0.1}
    kind = ContrastRow if "chosen_mask" in parts else PreferenceRow
    return kind(**{"instance": "i", "tree": 0, "node": 0, "agent": "Alice", "depth": 0} | said | parts)
