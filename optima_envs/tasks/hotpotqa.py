"""hotpotqa-asym and hotpotqa-solo: HotpotQA (distractor), its paragraphs split between the agents, or all with one."""

from __future__ import annotations

from dataclasses import replace

from ..spec import ALONE, EnvSpec, Sheet
from .loading import Source
from .multihop import MultiHop

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
SOLO = replace(
    SPEC,
    id="optima/hotpotqa-solo-v0",
    rules=ALONE,
    sheet=replace(
        SPEC.sheet,
        summary="HotpotQA (distractor): one agent holds every paragraph and answers (an oracle for hotpotqa-asym).",
    ),
)


class HotpotQA(MultiHop):
    """See ``MultiHop`` for arguments and what is raised."""

    name = "hotpotqa-asym"
    source = Source(
        "hotpotqa/hotpot_qa",
        "1908d6afbbead072334abe2965f91bd2709910ab",
        {"train": ("distractor/train-*.parquet",), "validation": ("distractor/validation-*.parquet",)},
    )
