"""Batches: policy rows as the rectangles of tensors that TRL's loss takes.

A row's prompt is all that stands before its first trained token, its completion the rest, partners' words included;
TRL's ``tool_mask`` is the row's mask. Prompts are padded on the left, completions on the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ...run.records import PolicyRow

if TYPE_CHECKING:
    from collections.abc import Iterator

Tensors = dict[str, torch.Tensor]
BLANK = PolicyRow.model_construct(
    instance="", sample=0, agent="", turns=(), lengths=(), advantages=(), input_ids=(0, 0), completion_mask=(0, 0),
    logprobs=None,
)  # fmt: skip
"""A row with nothing to train on: it fills up what must divide."""


def start_of(row: PolicyRow) -> int:
    """Where a row's completion begins: at its first trained token."""
    return row.completion_mask.index(1) if row.lengths else 1


def token_advantages(row: PolicyRow) -> list[float]:
    """The advantage of each trained token: its turn's."""
    return [a for a, length in zip(row.advantages, row.lengths, strict=True) for _ in range(length)]


def tokens_of(rows: Sequence[PolicyRow], pad: int, device: torch.device) -> Tensors:
    """``prompt_ids`` and ``prompt_mask``, (rows, longest prompt); ``completion_ids``, ``completion_mask`` (what is
    there) and ``tool_mask`` (what is trained on), (rows, longest completion). All are int64."""
    before = [row.input_ids[: start_of(row)] for row in rows]
    after = [row.input_ids[start_of(row) :] for row in rows]
    trained = [row.completion_mask[start_of(row) :] for row in rows]
    return {
        "prompt_ids": _rectangle(before, pad, device, left=True),
        "prompt_mask": _rectangle([[1] * len(ids) for ids in before], 0, device, left=True),
        "completion_ids": _rectangle(after, pad, device),
        "completion_mask": _rectangle([[1] * len(ids) for ids in after], 0, device),
        "tool_mask": _rectangle(trained, 0, device),
    }


def spread(rows: Sequence[PolicyRow], values: Sequence[Sequence[float]], like: torch.Tensor) -> torch.Tensor:
    """Numbers of each row's trained tokens at their places in its completion; 0 elsewhere. ``like``: ``tool_mask``."""
    out = torch.zeros(like.shape, dtype=torch.float32, device=like.device)
    for number, (row, numbers) in enumerate(zip(rows, values, strict=True)):
        if row.lengths:
            places = [p - start_of(row) for p, trained in enumerate(row.completion_mask) if trained]
            out[number, places] = torch.tensor(list(numbers), dtype=torch.float32, device=like.device)
    return out


def trimmed(batch: Tensors) -> Tensors:
    """A batch without the columns that are padding in all of its rows."""
    first = int(batch["prompt_mask"].any(0).int().argmax())
    width = batch["completion_mask"].shape[1]
    last = width - int(batch["completion_mask"].flip(1).any(0).int().argmax())
    out = {}
    for name, value in batch.items():
        if name in ("prompt_ids", "prompt_mask"):
            out[name] = value[:, first:]
        else:
            out[name] = value[:, :last] if value.dim() == 2 and value.shape[1] == width else value
    return out


def deal(batch: Tensors, updates: int, passes: int) -> list[Tensors]:
    """The ``passes`` of a round, in order: rows go to ``updates`` at random, and within one to passes by length, so
    that little of a pass is padding. Rows must divide by ``passes``, and these by ``updates``."""
    count = len(batch["tool_mask"])
    lengths = batch["prompt_mask"].sum(1) + batch["completion_mask"].sum(1)
    out = []
    for share in torch.randperm(count).to(lengths.device).chunk(updates):
        share = share[lengths[share].argsort(stable=True)]
        for rows in share.chunk(passes // updates):
            out.append(trimmed({name: value[rows] if value.dim() else value for name, value in batch.items()}))
    return out


def chunks(rows: Sequence[PolicyRow], size: int) -> Iterator[list[int]]:
    """Numbers of the rows, ``size`` at a time, rows of like length together."""
    order = sorted(range(len(rows)), key=lambda number: -len(rows[number].input_ids))
    for begin in range(0, len(order), size):
        yield order[begin : begin + size]


def _rectangle(rows: Sequence[Sequence[int]], pad: int, device: torch.device, *, left: bool = False) -> torch.Tensor:
    width = max(map(len, rows))
    out = torch.full((len(rows), width), pad, dtype=torch.long)
    for number, row in enumerate(rows):
        at = slice(width - len(row), width) if left else slice(0, len(row))
        out[number, at] = torch.tensor(list(row), dtype=torch.long)
    return out.to(device)
