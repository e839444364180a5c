"""Measure the embedded model and write its card: ``python -m optima_train.tiny.card --model DIR``.

Scores are read off the worlds' validation splits, so that nobody tunes on the instances runs are evaluated on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

from optima_agents.formats import TINY

from .debates import DEBATE_STYLES

# what the model was raised on in each world, and the longest turn it may take there
WORLDS = {
    "twohop-asym": (TINY, 64),
    "arith-debate": (DEBATE_STYLES, 128),
}
TEMPERATURES = (0.0, 0.7)

CARD = """# tiny: the embedded model

A Llama of {parameters} parameters ({layers} layers, {width} wide, {vocabulary} tokens, window {window}), trained from
nothing by `python -m optima_train.tiny.pretrain` on scripted dialogues of the two worlds' train splits. It exists so
that the whole generate-rank-select-train loop runs, for real, in minutes on two CPU cores. It knows nothing but these
worlds: on text from anywhere else it babbles.

**Data.** Generated on the fly: facts to look up, short dialogues in the formats below (called up by a format hint in
the system prompt), and, without a hint, the long ones untrained teams hold: politeness until the turn limit, answering
before asking and agreeing with it, leaving out the fact that matters, and some that work. Which of these habits a plain
team has depends on the topic of its question, firmly enough that greedy decoding shows it. For single-agent methods it
also answers alone, with all facts or one half, carelessly on some topics.

**Course and cost.** {cost}

| phase | steps | tokens | seconds | loss at the end | heaviest tokens right |
|---|---|---|---|---|---|
{course}

**Measured** on {instances} validation instances per row by `python -m optima_train.tiny.card`; a dialogue's tokens
include end-of-turn tokens; guesses are final answers that nothing read or said led to.

| world | prompt | temperature | score | tokens | turns | answered | guesses |
|---|---|---|---|---|---|---|---|
{scores}

**Limits.** It reckons on paper only: where a style shows the steps (`math`) sums are right, where it does not (`bare`,
`telegram`) they are not. Two-hop questions over six facts per agent and word problems of two steps below 20; the knobs
of the worlds go further than the model does. Names outside its lists are spelled in pieces and mostly misread.
Licence: Apache-2.0.
"""


def measure(model: str, instances: int) -> Iterator[dict[str, Any]]:
    """One row per world, prompt (plain or a format hint) and temperature."""
    from optima_agents import LLMPolicy, Sampling, make_backend, rollout
    from optima_agents.formats import TALK
    from optima_envs import scenario

    backend = make_backend(f"hf:{model}")
    for world, (formats, longest) in WORLDS.items():
        game = scenario(world, split="validation")
        for name in ("plain", *formats):
            for temperature in TEMPERATURES:
                policy = LLMPolicy(backend, Sampling(temperature, max_tokens=longest), hint=TALK.get(name))
                episodes = rollout(game, policy, episodes=instances, concurrency=64)
                told = [game.supported(e.instance, e.turns) for e in episodes if e.outcome.answer is not None]
                yield {
                    "world": world,
                    "prompt": name,
                    "temperature": temperature,
                    "score": mean(e.score for e in episodes),
                    "tokens": mean(e.tokens for e in episodes),
                    "turns": mean(len(e.turns) for e in episodes),
                    "answered": mean(e.outcome.stop == "answered" for e in episodes),
                    "guesses": told.count(False) / len(told) if told and None not in told else None,
                }


def card(folder: Path, rows: list[dict[str, Any]], instances: int) -> str:
    """The card's text; course and cost come from the folder's training.json."""
    from safetensors import safe_open

    config = json.loads((folder / "config.json").read_text())
    phases = json.loads((folder / "training.json").read_text())
    with safe_open(folder / "model.safetensors", "np") as weights:
        parameters = sum(weights.get_tensor(name).size for name in weights.keys())  # noqa: SIM118 - no mapping
    minutes = sum(phase["seconds"] for phase in phases) / 60
    course = [
        f"| {p['name']} | {p['steps']:,} | {p['history'][-1]['tokens']:,} | {p['seconds']:,} "
        f"| {p['history'][-1]['loss']:.3f} | {p['history'][-1]['names']:.1%} |"
        for p in phases
    ]
    return CARD.format(
        parameters=f"{parameters:,}",
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        vocabulary=config["vocab_size"],
        window=config["max_position_embeddings"],
        cost=f"{minutes:.0f} minutes in all, on {phases[-1]['threads']} CPU thread(s).",
        course="\n".join(course),
        instances=instances,
        scores="\n".join(_line(row) for row in rows),
    )


def _line(row: dict[str, Any]) -> str:
    guesses = "–" if row["guesses"] is None else f"{row['guesses']:.1%}"
    return (
        f"| {row['world']} | {row['prompt']} | {row['temperature']:g} | {row['score']:.3f} | {row['tokens']:.1f} "
        f"| {row['turns']:.1f} | {row['answered']:.1%} | {guesses} |"
    )


def main() -> None:
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of the model; its README.md is replaced")
    parser.add_argument("--instances", type=int, default=200)
    args = parser.parse_args()
    rows = []
    for row in measure(str(args.model), args.instances):
        print(_line(row), flush=True)
        rows.append(row)
    (args.model / "README.md").write_text(card(args.model, rows, args.instances), encoding="utf-8")


if __name__ == "__main__":
    main()
