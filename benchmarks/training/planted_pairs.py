"""Does influence find pairs that are the wrong way round? Pairs of the embedded team, some groups of them flipped.

    python -m benchmarks.training.planted_pairs --seeds 0 1 2

A pair is a short turn of a dialogue that was written by hand, preferred to what the untrained team says at that place;
30% of the groups prefer the other way round. The half of the greatest influence is kept, values left aside. One line
for each seed: how many of the flipped pairs were rejected.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from optima_agents import Request, Sampling, make_backend
from optima_agents.prompts import messages
from optima_envs import scenario
from optima_train.config.loading import load
from optima_train.run.engines import Engines, ModelRef
from optima_train.run.files import read_lines
from optima_train.run.markers import execute
from optima_train.run.progress import silent
from optima_train.run.records import ContrastRow, write_records
from optima_train.run.stage import Stage, StageContext, Step
from optima_train.tiny.dialogues import dialogues
from optima_train.tree_search.influence import Influence
from optima_train.tree_search.tryout import Tryout

ENV, STYLE, TURNS, FLIPPED = "twohop-asym", "arrows", 2, 0.3
SETTINGS = [
    "method=idpo", "device=cpu", "dtype=float32", "env.max_turns=6", "generate.max_tokens=48", "generate.instances=16",
    "reward.weights={task: 1, tokens: 0.6}",
]  # fmt: skip


async def pairs(count: int, seed: int) -> list[ContrastRow]:
    """``count`` pairs whose better side is known."""
    backend: Any = make_backend("hf:tiny", device="cpu")
    rules = scenario(ENV).rules
    found: list[ContrastRow] = []
    for number, episode in enumerate(dialogues(ENV, STYLE, count, seed=seed)):
        for depth in range(TURNS):
            turn = episode.turns[depth]
            asked = messages(rules.view(episode.instance, episode.turns[:depth], turn.agent))
            said = await backend.complete(Request(asked, sampling=Sampling(0.7, max_tokens=48), seed=number))
            if said.text.strip() == turn.text.strip():
                continue
            found.append(
                ContrastRow(
                    instance=episode.instance.id,
                    tree=number,
                    node=depth,
                    agent=turn.agent,
                    depth=depth,
                    prompt_ids=list(said.prompt_ids),
                    chosen_ids=[*backend.encode(turn.text), backend.chat.end_of_turn],
                    rejected_ids=list(said.ids),
                    chosen=turn.text,
                    rejected=said.text,
                    chosen_value=1.0,
                    rejected_value=0.0,
                )
            )
    await backend.aclose()
    random.Random(seed).shuffle(found)
    return found[:count]


def turned(row: ContrastRow) -> ContrastRow:
    """The pair the other way round."""
    sides = {"chosen_ids": row.rejected_ids, "rejected_ids": row.chosen_ids}
    return row.model_copy(update={**sides, "chosen": row.rejected, "rejected": row.chosen})


def planted(rows: Sequence[ContrastRow], size: int, seed: int) -> tuple[list[ContrastRow], set[int]]:
    """The rows with ``FLIPPED`` of their groups turned round, and which rows that are."""
    groups = range(-(-len(rows) // size))
    chosen = set(random.Random(seed).sample(groups, round(FLIPPED * len(groups))))
    flipped = {number for number in range(len(rows)) if number // size in chosen}
    return [turned(row) if number in flipped else row for number, row in enumerate(rows)], flipped


def rejected(seed: int, count: int, size: int, validation: int) -> dict[str, Any]:
    """One seed: the share of flipped pairs that influence rejects, and every group's influence."""
    influence = f"{{group: {size}, validation: {validation}, learning_rate: 3e-3, epochs: 4, value_weight: 0}}"
    config = load("quickstart", [*SETTINGS, f"seed={seed}", f"pairs.influence={influence}"])
    rows, flipped = planted(asyncio.run(pairs(count, seed)), size, seed)
    engines, tiny = Engines(config), ModelRef("tiny")
    with tempfile.TemporaryDirectory() as folder:
        stages: tuple[Stage, ...] = (Tryout(), Influence())
        contexts = [StageContext(config, Path(folder), Step(1, s), tiny, tiny, engines, silent) for s in stages]
        given = contexts[0].run.of_iteration(1, "pairs")
        given.path.mkdir(parents=True)
        write_records(given.pairs, rows)
        with redirect_stdout(sys.stderr):  # trainers print as they go
            for ctx in contexts:
                execute(ctx.step, ctx)
        groups = list(read_lines(contexts[1].files.groups))
    engines.close()
    kept = {row for group in groups for row in group["kept"]}
    flipped &= {row for group in groups for row in group["rows"]}  # a pair that cannot be trained on is in none
    return {
        "seed": seed,
        "pairs": len(rows),
        "flipped": len(flipped),
        "rejected": len(flipped - kept) / len(flipped),
        "influence": {g["group"]: round(g["influence"], 3) for g in groups},
        "flipped_groups": sorted({row // size for row in flipped}),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--group", type=int, default=5)
    parser.add_argument("--validation", type=int, default=20, help="instances that influence is measured on")
    args = parser.parse_args(arguments)
    for seed in args.seeds:
        print(json.dumps(rejected(seed, args.pairs, args.group, args.validation)), flush=True)


if __name__ == "__main__":
    main()
