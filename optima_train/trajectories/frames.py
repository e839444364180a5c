"""Episodes as tables for notebooks: plain columns, and the whole record as JSON in the last one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from optima_envs.records import Episode
from optima_envs.text import utf8

from .transcript import trained

if TYPE_CHECKING:
    from datasets import Dataset


def table_row(item: Episode) -> dict[str, Any]:
    """One row; ``turns`` is a list of ``{agent, text, loss}``, ``record`` the whole record as JSON. A lone surrogate,
    which no table holds, becomes ``?`` (in the record it stays)."""
    learned = set(trained(item))
    return {
        "id": utf8(item.instance.id),
        "env": item.env,
        "system": utf8(str(item.instance.meta.get("system", ""))),
        "question": utf8(item.instance.question),
        "answers": [utf8(answer) for answer in item.instance.answers],
        "answer": None if item.outcome.answer is None else utf8(item.outcome.answer),
        "turns": [{"agent": t.agent, "text": utf8(t.text), "loss": k in learned} for k, t in enumerate(item.turns)],
        "score": item.score,
        "correct": item.correct,
        "reward": item.reward,
        "rating": item.info.get("rating"),
        "tokens": item.tokens,
        "error": utf8(item.error.message) if item.error else None,
        "record": item.to_line().decode("utf-8"),
    }


def to_dataset(items: Iterable[Episode]) -> Dataset:
    """A Hugging Face data set. Needs the extra ``data``."""
    from datasets import Dataset

    return Dataset.from_list([table_row(item) for item in items])


def to_pandas(items: Iterable[Episode]) -> Any:
    """A pandas data frame of the same rows. Needs the extra ``data``."""
    return to_dataset(items).to_pandas()
