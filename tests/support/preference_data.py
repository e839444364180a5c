"""Preference pairs that no tokenizer would give back, and their log-probabilities straight from a model."""

from __future__ import annotations

from typing import Any

# the second chosen turn has no end token, the third prompt ends in one, the last pair shares its first token
PAIRS = [
    {"prompt_ids": [2, 30, 31, 40], "chosen_ids": [33, 34, 1], "rejected_ids": [35, 36, 37, 38, 1]},
    {"prompt_ids": [2, 50, 51, 52, 53, 54], "chosen_ids": [60], "rejected_ids": [61, 62, 1]},
    {"prompt_ids": [2, 70, 1], "chosen_ids": [71, 1], "rejected_ids": [72, 73]},
    {"prompt_ids": [2, 80, 81], "chosen_ids": [82, 83, 84, 85, 1], "rejected_ids": [82, 86]},
]


def scored(model: Any, side: str) -> list[float]:
    """The log-probability of each pair's turn, one sequence at a time."""
    import torch

    found = []
    for pair in PAIRS:
        prompt, turn = pair["prompt_ids"], pair[f"{side}_ids"]
        with torch.no_grad():
            logits = model.eval()(torch.tensor([prompt + turn])).logits[0].float().log_softmax(-1)
        found.append(sum(float(logits[len(prompt) + k - 1, token]) for k, token in enumerate(turn)))
    return found


def both(model: Any) -> list[list[float]]:
    """Chosen and rejected log-probabilities."""
    return [scored(model, side) for side in ("chosen", "rejected")]
