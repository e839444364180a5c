"""cbt-asym: the Children's Book Test (common nouns), its story split between the agents."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from ..records import Instance
from ..spec import EnvSpec, Sheet
from .dataset import RowError, SplitDataset, need_text, need_texts
from .loading import Data, Row, Source
from .splitting import cut_lines, deal_lines

BLANK = "XXXXX"

SPEC = EnvSpec(
    "optima/cbt-asym-v0",
    "optima_envs.tasks.cbt:CBT",
    sheet=Sheet(
        "Children's Book Test (common nouns): the story split between the agents.",
        source="hub cam-cst/cbt, config CN, at the branch main: its commit is not known to us",
        licence="GFDL 1.3",
        splits={"train": 120_769, "validation": 2_000, "test": 2_500},
        evaluation="test, first 1,000",
        paper="Hill et al. 2016, arXiv 1511.02301",
        metric="SQuAD F1 on the word; accuracy is metric=em",
        notes=(
            "20 sentences of a story; the 21st has a blank (XXXXX) to be filled with one of 10 words",
            "support is not annotated: what fills the blank may show in either half, or in both",
        ),
    ),
)


class CBT(SplitDataset):
    """``halves``: ``"fixed"`` gives the first lines to the first agent, as the reference code does (the paper: random).
    Raises ValueError for another value; see ``Dataset`` for what else."""

    name = "cbt-asym"
    usual = "test"
    source = Source(
        "cam-cst/cbt",
        "main",
        {split: (f"CN/{split}-*.parquet",) for split in ("train", "validation", "test")},
    )

    def __init__(
        self,
        split: str | None = None,
        data: Data = None,
        *,
        halves: Literal["random", "fixed"] = "random",
        agents: Sequence[str] = ("Alice", "Bob"),
        seed: int = 0,
        skip_bad_rows: bool = False,
    ) -> None:
        if halves not in ("random", "fixed"):
            raise ValueError(f"{self.name}: halves is 'random' or 'fixed', not {halves!r}")
        self.halves = halves
        super().__init__(split, data, agents=agents, seed=seed, skip_bad_rows=skip_bad_rows)

    def build(self, row: Row, index: int) -> Instance:
        sentences, options = need_texts(row, "sentences"), need_texts(row, "options")
        question, answer = need_text(row, "question"), need_text(row, "answer")
        if not sentences or BLANK not in question:
            raise RowError(f"no sentences, or no {BLANK} in the question")
        if answer not in options:
            raise RowError(f"the answer {answer!r} is not among the options")
        # one passage yields several records, so the question is part of the id
        row_id = "cbt-" + hashlib.sha256("\n".join([*sentences, question]).encode()).hexdigest()[:16]
        if self.halves == "random":
            held = deal_lines(len(sentences), self.agents, row_id, seed=self.seed)
        else:
            held = cut_lines(len(sentences), self.agents)
        notes = [] if len(options) == 10 and len(sentences) == 20 else ["not 20 sentences and 10 options"]
        return Instance(
            id=row_id,
            question=f"Which word stands for {BLANK}? {question}\nOptions: {' | '.join(options)}",
            answers=(answer,),
            private={agent: "\n".join(f"{i + 1}. {sentences[i]}" for i in lines) for agent, lines in held.items()},
            meta={"options": options, "held": held, **({"notes": notes} if notes else {})},
        )
