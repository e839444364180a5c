"""cbt-asym: the Children's Book Test (common nouns), its story split between the agents.

| fact | value |
|---|---|
| task | 20 sentences of a story; the 21st has a blank (XXXXX) to be filled with one of 10 words |
| splits | train 120,769, validation 2,000, test 2,500 |
| evaluation | test (the paper: its first 1,000) |
| metric | SQuAD F1 on the word; accuracy is ``metric="em"`` |
| support | not annotated: what fills the blank may show in either half, or in both |
| source | hub cam-cst/cbt, config CN; its commit is not known to us, so the revision is the branch main |
| paper | Hill et al. 2016, arXiv 1511.02301 |
| licence | GFDL 1.3 |
| history | v0: first version |
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from ..records import Instance
from .dataset import Dataset, RowError, need_text, need_texts
from .loading import Data, Row, Source
from .splitting import cut_lines, deal_lines

BLANK = "XXXXX"


class CBT(Dataset):
    """``seed``: another split of the same story. ``halves="fixed"`` gives the first lines to the first agent, as the
    reference code does (the paper: random). ValueError for another value; see ``Dataset`` for what else is raised."""

    name = "cbt-asym"
    source = Source(
        "cam-cst/cbt",
        "main",
        {split: (f"CN/{split}-*.parquet",) for split in ("train", "validation", "test")},
    )

    def __init__(
        self,
        split: str = "test",
        data: Data = None,
        *,
        agents: Sequence[str] = ("Alice", "Bob"),
        seed: int = 0,
        halves: Literal["random", "fixed"] = "random",
        skip_bad_rows: bool = False,
    ) -> None:
        if halves not in ("random", "fixed"):
            raise ValueError(f"{self.name}: halves is 'random' or 'fixed', not {halves!r}")
        self.agents, self.seed, self.halves = tuple(agents), seed, halves
        super().__init__(split, data, skip_bad_rows)

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
