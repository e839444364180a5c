"""2wmh-asym: 2WikiMultiHopQA, its paragraphs split between the agents.

| fact | value |
|---|---|
| task | multi-hop questions; 10 Wikipedia paragraphs, 2 or 4 of them supporting |
| splits | train 167,454, validation (the authors' dev) 12,576; the test split has no public answers |
| evaluation | validation (the paper: its first 1,000) |
| metric | SQuAD F1; the paper's token F1 is ``metric="token-f1"`` |
| source | hub xanhho/2WikiMultihopQA, files of a pinned commit; also the authors' {train,dev}.json |
| paper | Ho et al. 2020, arXiv 2011.01060 |
| licence | Apache-2.0 (texts: Wikipedia, CC BY-SA) |
| history | v0: first version |
"""

from __future__ import annotations

from collections.abc import Sequence

from ..records import Instance
from .dataset import Dataset
from .loading import Data, Row, Source
from .multihop import instance


class TwoWiki(Dataset):
    """``seed``: another split of the same paragraphs. See ``Dataset`` for what is raised."""

    name = "2wmh-asym"
    source = Source(
        "xanhho/2WikiMultihopQA",
        "612bc5039a457880d9e7d84c3b0a4cf154b70e4f",
        {"train": ("train.parquet",), "validation": ("dev.parquet",)},
    )

    def __init__(
        self,
        split: str = "validation",
        data: Data = None,
        *,
        agents: Sequence[str] = ("Alice", "Bob"),
        seed: int = 0,
        skip_bad_rows: bool = False,
    ) -> None:
        self.agents, self.seed = tuple(agents), seed
        super().__init__(split, data, skip_bad_rows)

    def build(self, row: Row, index: int) -> Instance:
        return instance(row, self.agents, self.seed)
