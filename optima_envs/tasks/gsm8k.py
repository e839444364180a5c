"""gsm8k-debate: grade-school maths word problems, debated.

| fact | value |
|---|---|
| task | word problems whose answer is one integer |
| splits | train 7,473, test 1,319 |
| evaluation | test (the paper: all) |
| metric | number: exact, whatever the commas, currency or unit |
| source | hub openai/gsm8k, config main, files of a pinned commit; also the authors' jsonl |
| paper | Cobbe et al. 2021, arXiv 2110.14168 |
| licence | MIT |
| history | v0: first version |
"""

from __future__ import annotations

from ..records import Instance
from ..scoring.numerals import read_number
from .dataset import Dataset, RowError, need_text
from .loading import Data, Row, Source

MARK = "####"


class GSM8K(Dataset):
    """The gold is what follows ``####`` in the worked solution. See ``Dataset`` for what is raised."""

    name = "gsm8k-debate"
    source = Source(
        "openai/gsm8k",
        "e53f048856ff4f594e959d75785d2c2d37b678ee",
        {split: (f"main/{split}-*.parquet",) for split in ("train", "test")},
    )

    def __init__(self, split: str = "test", data: Data = None, *, skip_bad_rows: bool = False) -> None:
        super().__init__(split, data, skip_bad_rows)

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
