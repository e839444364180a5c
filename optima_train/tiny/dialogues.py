"""Scripted dialogues of the two embedded worlds as an episode log, to be imitated:

    python -m optima_train.tiny.dialogues twohop-asym --style arrows --episodes 1000 --out demo.jsonl

Each is one of the short dialogues the embedded model was raised on (scripts.py, debates.py), judged by the environment.
Its record says nothing of a format, so the plain prompt is what it is learned under.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from optima_envs import Episode, EpisodeKey, Instance, Scenario, Turn, scenario

from .debates import DEBATE_STYLES, debate
from .scripts import STYLES, Case, Script, short

WORLDS = {"twohop-asym": tuple(STYLES), "arith-debate": DEBATE_STYLES}


def dialogues(
    env: str, style: str, count: int, *, split: str = "train", seed: int = 0, wrong: float = 0.0
) -> Iterator[Episode]:
    """``count`` dialogues on instances from a seeded place of the split; a share of ``wrong`` ones (two-hop world only)
    states another value than the right one. Raises ValueError for a style it has not."""
    if style not in WORLDS.get(env, ()):
        raise ValueError(f"{env} has no style {style!r}; there are {WORLDS}")
    game = scenario(env, split=split)
    start = random.Random(f"dialogues/{seed}").randrange(len(game.task) - count)
    if wrong and env != "twohop-asym":
        raise ValueError(f"{env} has no dialogues that end wrong")
    for index in range(start, start + count):
        rng = random.Random(f"dialogues/{seed}/{index}")
        yield played(game, game.task[index], style, rng, bool(wrong) and rng.random() < wrong)


def played(game: Scenario, inst: Instance, style: str, rng: random.Random, wrong: bool = False) -> Episode:
    """One dialogue, as far as the rules let it go."""
    script: Callable[[], Script] = (
        (lambda: short(Case.of(inst, game.rules.agents, wrong), style))  # type: ignore[arg-type] - both have two agents
        if "gold" in inst.meta
        else (lambda: debate(inst, style, rng))
    )
    turns: tuple[Turn, ...] = ()
    for agent, text in script():
        if game.rules.outcome(inst, turns) is None:
            turns += (Turn(agent, text, len(text.split())),)
    outcome = game.rules.outcome(inst, turns)
    if outcome is None:
        raise ValueError(f"the script for {inst.id} does not end the dialogue")
    score, correct = game.judge(inst, turns, outcome)
    return Episode(EpisodeKey(inst.id), game.id, inst, turns, outcome, score, correct)


def write(path: Path, dialogues: Iterator[Episode]) -> None:
    """Write an episode log, whole or not at all."""
    from optima_agents import EpisodeLog

    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".part")
    whole.unlink(missing_ok=True)
    with EpisodeLog(whole) as log:
        for episode in dialogues:
            log.append(episode)
    whole.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("env", choices=list(WORLDS))
    parser.add_argument(
        "--style", required=True, help="for " + "; ".join(f"{k}: {', '.join(v)}" for k, v in WORLDS.items())
    )
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--wrong", type=float, default=0.0, help="share of dialogues that end wrong (default 0)")
    parser.add_argument("--split", default="train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="episode log to write (jsonl)")
    args = parser.parse_args()
    made = dialogues(args.env, args.style, args.episodes, split=args.split, seed=args.seed, wrong=args.wrong)
    write(args.out, made)
    print(f"{args.episodes} dialogues in {args.out}")


if __name__ == "__main__":
    main()
