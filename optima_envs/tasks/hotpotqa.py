"""hotpotqa-asym: HotpotQA (distractor), its paragraphs split between the agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..records import Instance
from ..spec import EnvSpec, Sheet
from .dataset import SplitDataset
from .loading import Data, Row, Source
from .multihop import instance

SPEC = EnvSpec(
    "optima/hotpotqa-asym-v0",
    "optima_envs.tasks.hotpotqa:HotpotQA",
    sheet=Sheet(
        "HotpotQA (distractor): paragraphs split between the agents.",
        source="hub hotpotqa/hotpot_qa, config distractor, files of a pinned commit; also the authors' JSON",
        licence="CC BY-SA 4.0",
        splits={"train": 90_447, "validation": 7_405},
        evaluation="validation, first 1,000",
        paper="Yang et al. 2018, arXiv 1809.09600",
        metric="SQuAD F1 with HotpotQA's yes/no rule; the paper's token F1 is metric=token-f1",
        notes=(
            "two-hop questions; up to 10 Wikipedia paragraphs, 2 of them supporting",
            "the test split has no public answers",
        ),
    ),
)


class HotpotQA(SplitDataset):
    """``paragraphs``: ``"first-sentence"`` cuts each one to its first sentence, as the reference code does (the
    supporting sentence is then often missing). Raises ValueError for another value; see ``Dataset`` for what else."""

    name = "hotpotqa-asym"
    source = Source(
        "hotpotqa/hotpot_qa",
        "1908d6afbbead072334abe2965f91bd2709910ab",
        {"train": ("distractor/train-*.parquet",), "validation": ("distractor/validation-*.parquet",)},
    )

    def __init__(
        self,
        split: str | None = None,
        data: Data = None,
        *,
        paragraphs: Literal["full", "first-sentence"] = "full",
        agents: Sequence[str] = ("Alice", "Bob"),
        seed: int = 0,
        skip_bad_rows: bool = False,
    ) -> None:
        if paragraphs not in ("full", "first-sentence"):
            raise ValueError(f"{self.name}: paragraphs is 'full' or 'first-sentence', not {paragraphs!r}")
        self.first_sentence = paragraphs == "first-sentence"
        super().__init__(split, data, agents=agents, seed=seed, skip_bad_rows=skip_bad_rows)

    def build(self, row: Row, index: int) -> Instance:
        return instance(row, self.agents, self.seed, self.first_sentence)
