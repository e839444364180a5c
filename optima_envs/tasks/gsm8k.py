"""gsm8k-debate: grade-school maths word problems, debated."""

from __future__ import annotations

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
        _, mark, gold = solution.rpartition(MARK)
        if not mark:
            raise RowError(f"the solution has no {MARK}")
        if read_number(gold) is None:
            raise RowError(f"the final answer {gold.strip()!r} is not a number")
        return Instance(
            id=f"gsm8k-{self.split}-{index}",
            question=need_text(row, "question"),
            answers=(gold.strip(),),
        )
