"""2wmh-asym and 2wmh-solo: 2WikiMultiHopQA, its paragraphs split between the agents, or all with one."""

from __future__ import annotations

from dataclasses import replace

from ..spec import ALONE, EnvSpec, Sheet
from .loading import Source
from .multihop import MultiHop

SPEC = EnvSpec(
    "optima/2wmh-asym-v0",
    "optima_envs.tasks.twowiki:TwoWiki",
    sheet=Sheet(
        "2WikiMultiHopQA: paragraphs split between the agents.",
        source="hub xanhho/2WikiMultihopQA, files of a pinned commit; also the authors' {train,dev}.json",
        licence="Apache-2.0 (texts: Wikipedia, CC BY-SA)",
        splits={"train": 167_454, "validation": 12_576},
        evaluation="validation, first 1,000",
        paper="Ho et al. 2020, arXiv 2011.01060",
        metric="SQuAD F1; the paper's token F1 is metric=token-f1",
        notes=(
            "multi-hop questions; 10 Wikipedia paragraphs, 2 or 4 of them supporting",
            "validation is the authors' dev; the test split has no public answers",
        ),
    ),
)
SOLO = replace(
    SPEC,
    id="optima/2wmh-solo-v0",
    rules=ALONE,
    sheet=replace(
        SPEC.sheet, summary="2WikiMultiHopQA: one agent holds every paragraph and answers (an oracle for 2wmh-asym)."
    ),
)


class TwoWiki(MultiHop):
    """See ``MultiHop`` for arguments and what is raised."""

    name = "2wmh-asym"
    source = Source(
        "xanhho/2WikiMultihopQA",
        "612bc5039a457880d9e7d84c3b0a4cf154b70e4f",
        {"train": ("train.parquet",), "validation": ("dev.parquet",)},
    )
