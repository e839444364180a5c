"""mmlu-debate: MMLU, 57 subjects, debated.

| fact | value |
|---|---|
| task | exam questions with 4 options, shown as A) B) C) D) in their order |
| splits | train (the hub's auxiliary_train) 99,842, dev 285, validation 1,531, test 14,042 |
| evaluation | test (the paper: all but the questions that ARC-Challenge shares; here all) |
| metric | accuracy; letter or text |
| source | hub cais/mmlu, config all, files of a pinned commit |
| paper | Hendrycks et al. 2021, arXiv 2009.03300 |
| licence | MIT |
| history | v0: first version |
"""

from __future__ import annotations

from ..records import Instance
from .choices import LETTERS, ask, check_options, golds
from .dataset import Dataset, RowError, need, need_text, need_texts
from .loading import Data, Row, Source


class MMLU(Dataset):
    """``answer`` is an option's number from 0 (hub) or its letter (authors). See ``Dataset`` for what is raised."""

    name = "mmlu-debate"
    source = Source(
        "cais/mmlu",
        "c30699e8356da336a370243923dbaf21066bb9fe",
        {
            "train": ("all/auxiliary_train-*.parquet",),
            "dev": ("all/dev-*.parquet",),
            "validation": ("all/validation-*.parquet",),
            "test": ("all/test-*.parquet",),
        },
    )

    def __init__(self, split: str = "test", data: Data = None, *, skip_bad_rows: bool = False) -> None:
        super().__init__(split, data, skip_bad_rows)

    def build(self, row: Row, index: int) -> Instance:
        options = [option.strip() for option in need_texts(row, "choices")]
        check_options(options)
        answer = need(row, "answer", (int, str))
        right = LETTERS.find(answer.strip().upper()) if isinstance(answer, str) and answer.strip() else answer
        if not isinstance(right, int) or isinstance(right, bool) or not 0 <= right < len(options):
            raise RowError(f"the answer {answer!r} names none of the {len(options)} options")
        answers, notes = golds(options, right)
        subject = row.get("subject") or "auxiliary"
        return Instance(
            id=f"mmlu-{self.split}-{index}",
            question=ask(need_text(row, "question"), options),
            answers=answers,
            meta={"subject": subject, "options": options, **({"notes": notes} if notes else {})},
        )
