"""gsm8k-debate: grade-school maths word problems, debated."""

from __future__ import annotations

import re

from ..records import Instance
from ..scoring.numerals import read_number
from ..spec import DEBATE, EnvSpec, Sheet
from .dataset import Dataset, RowError, need_text
from .loading import Row, Source

SPEC = EnvSpec(
    "optima/gsm8k-debate-v0",
    "optima_envs.tasks.gsm8k:GSM8K",
    DEBATE,
    "number",
    {"answer_format": "boxed"},
    Sheet(
        "GSM8K grade-school maths, debated.",
        source="hub openai/gsm8k, config main, files of a pinned commit; also the authors' jsonl",
        licence="MIT",
        splits={"train": 7_473, "test": 1_319},
        evaluation="test, all",
        paper="Cobbe et al. 2021, arXiv 2110.14168",
        metric="exact, whatever the commas, currency or unit",
        notes=("word problems whose answer is one integer",),
    ),
)
MARK = "####"
# a dash before a number, with or without a currency, that no number stands before
_MINUS = re.compile(r"(?<![\d.])[\u2010-\u2015\u2212\ufe58\ufe63\uff0d](?=\s*[$€£]?\s*[\d.])")
_GROUPED = re.compile(r"(?<![\w.])\d{1,3}(?:_\d{3})+(?![\d_])")


class GSM8K(Dataset):
    """The gold is what follows ``####`` in the worked solution. See ``Dataset`` for what is raised."""

    name = "gsm8k-debate"
    source = Source(
        "openai/gsm8k",
        "e53f048856ff4f594e959d75785d2c2d37b678ee",
        {split: (f"main/{split}-*.parquet",) for split in ("train", "test")},
    )

    def build(self, row: Row, index: int) -> Instance:
        solution = need_text(row, "answer")
        _, mark, written = solution.rpartition(MARK)
        if not mark:
            raise RowError(f"the solution has no {MARK}")
        gold = plain_number(written.strip())
        if "_" in gold or read_number(gold) is None:
            raise RowError(f"the final answer {written.strip()[:80]!r} is not a number")
        return Instance(id=f"gsm8k-{self.split}-{index}", question=need_text(row, "question"), answers=(gold,))


def plain_number(text: str) -> str:
    """``text`` with a dash that is a minus written as ``-``, and without the underscores of ``1_000``."""
    return _GROUPED.sub(lambda match: match[0].replace("_", ""), _MINUS.sub("-", text))
