"""mmlu-debate: MMLU, 57 subjects, debated."""

from __future__ import annotations

from ..records import Instance
from ..spec import DEBATE, EnvSpec, Sheet
from .choices import LETTERS, ask, check_options, golds
from .dataset import Dataset, RowError, need, need_text, need_texts
from .loading import Row, Source

SPEC = EnvSpec(
    "optima/mmlu-debate-v0",
    "optima_envs.tasks.mmlu:MMLU",
    DEBATE,
    "choice",
    sheet=Sheet(
        "MMLU questions with options, debated.",
        source="hub cais/mmlu, config all, files of a pinned commit",
        licence="MIT",
        splits={"train": 99_842, "dev": 285, "validation": 1_531, "test": 14_042},
        evaluation="test, all (the paper: less the questions ARC-Challenge shares)",
        paper="Hendrycks et al. 2021, arXiv 2009.03300",
        metric="accuracy; letter or text",
        notes=("exam questions with 4 options, shown as A) B) C) D) in their order", "train is auxiliary_train"),
    ),
)


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

    def build(self, row: Row, index: int) -> Instance:
        options = [option.strip() for option in need_texts(row, "choices")]
        check_options(options)
        answer = need(row, "answer", (int, str))
        letter = answer.strip().upper() if isinstance(answer, str) else ""
        right = LETTERS.find(letter) if len(letter) == 1 else answer  # "AB" names two options, not the first
        if not isinstance(right, int) or isinstance(right, bool) or not 0 <= right < len(options):
            raise RowError(f"the answer {answer!r:.80} names none of the {len(options)} options")
        answers, notes = golds(options, right)
        subject = row.get("subject") or "auxiliary"
        return Instance(
            id=f"mmlu-{self.split}-{index}",
            question=ask(need_text(row, "question"), options),
            answers=answers,
            meta={"subject": subject, "options": options, **({"notes": notes} if notes else {})},
        )
