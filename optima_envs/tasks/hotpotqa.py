"""hotpotqa-asym: HotpotQA (distractor), its paragraphs split between the agents.

| fact | value |
|---|---|
| task | two-hop questions; up to 10 Wikipedia paragraphs, 2 of them supporting |
| splits | train 90,447, validation 7,405; the test split has no public answers |
| evaluation | validation (the paper: its first 1,000) |
| metric | SQuAD F1 with HotpotQA's yes/no rule; the paper's token F1 is ``metric="token-f1"`` |
| source | hub hotpotqa/hotpot_qa, config distractor, files of a pinned commit; also the authors' JSON |
| paper | Yang et al. 2018, arXiv 1809.09600 |
| licence | CC BY-SA 4.0 |
| history | v0: first version |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..records import Instance
from .dataset import Dataset
from .loading import Data, Row, Source
from .multihop import instance


class HotpotQA(Dataset):
    """``seed``: another split of the same paragraphs. ``paragraphs="first-sentence"`` cuts each one to its first
    sentence, as the reference code does (the supporting sentence is then often missing). ValueError for another
    value; see ``Dataset`` for what else is raised."""

    name = "hotpotqa-asym"
    source = Source(
        "hotpotqa/hotpot_qa",
        "1908d6afbbead072334abe2965f91bd2709910ab",
        {"train": ("distractor/train-*.parquet",), "validation": ("distractor/validation-*.parquet",)},
    )

    def __init__(
        self,
        split: str = "validation",
        data: Data = None,
        *,
        agents: Sequence[str] = ("Alice", "Bob"),
        seed: int = 0,
        paragraphs: Literal["full", "first-sentence"] = "full",
        skip_bad_rows: bool = False,
    ) -> None:
        if paragraphs not in ("full", "first-sentence"):
            raise ValueError(f"{self.name}: paragraphs is 'full' or 'first-sentence', not {paragraphs!r}")
        self.agents, self.seed, self.first_sentence = tuple(agents), seed, paragraphs == "first-sentence"
        super().__init__(split, data, skip_bad_rows)

    def build(self, row: Row, index: int) -> Instance:
        return instance(row, self.agents, self.seed, self.first_sentence)
