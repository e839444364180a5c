"""arc-debate: ARC-Challenge science questions, debated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..records import Instance
from ..spec import DEBATE, EnvSpec, Sheet
from .choices import ask, check_options, golds
from .dataset import Dataset, RowError, need, need_text, need_texts
from .loading import Row, Source

SPEC = EnvSpec(
    "optima/arc-debate-v0",
    "optima_envs.tasks.arc:ARC",
    DEBATE,
    "choice",
    sheet=Sheet(
        "ARC-Challenge science questions with options, debated.",
        source="hub allenai/ai2_arc, config ARC-Challenge, files of a pinned commit; also the authors' jsonl",
        licence="CC BY-SA 4.0",
        splits={"train": 1_119, "validation": 299, "test": 1_172},
        evaluation="test, all",
        paper="Clark et al. 2018, arXiv 1803.05457",
        metric="accuracy; letter or text",
        notes=("grade-school science, mostly 4 options (some 3 or 5), shown as A) B) C) ... in their order",),
    ),
)


class ARC(Dataset):
    """See ``Dataset`` for what is raised."""

    name = "arc-debate"
    source = Source(
        "allenai/ai2_arc",
        "210d026faf9955653af8916fad021475a3f00453",
        {split: (f"ARC-Challenge/{split}-*.parquet",) for split in ("train", "validation", "test")},
    )

    def build(self, row: Row, index: int) -> Instance:
        question, labels, options = _parts(row)
        check_options(options)
        key = need_text(row, "answerKey")
        if len(labels) != len(options) or labels.count(key) != 1:
            raise RowError(f"the key {key!r} does not name one of the labels {labels}")
        right = labels.index(key)
        answers, notes = golds(options, right)
        if labels[0] != "A":
            notes.append(f"labels {labels[0]} to {labels[-1]} in the source")
        return Instance(
            id=need_text(row, "id"),
            question=ask(question, options),
            answers=answers,
            meta={"options": options, "key": key, **({"notes": notes} if notes else {})},
        )


def _parts(row: Row) -> tuple[str, list[str], list[str]]:
    """Question, labels, texts: from the hub's struct of lists or the authors' list of structs."""
    if isinstance(row.get("question"), Mapping):
        stem: Mapping[str, Any] = row["question"]
        choices = need(stem, "choices", list)
        if not all(isinstance(choice, Mapping) for choice in choices):
            raise RowError("'choices' holds something that is not an object")
        labels, texts = ([need_text(choice, key) for choice in choices] for key in ("label", "text"))
        return need_text(stem, "stem"), labels, texts
    struct = need(row, "choices", Mapping)
    return need_text(row, "question"), need_texts(struct, "label"), need_texts(struct, "text")
