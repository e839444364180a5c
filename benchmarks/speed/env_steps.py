"""What an environment costs without any model: reset and a scripted dialogue of 8 turns of 30 words; the last two state
(different) answers.

    python -m benchmarks.speed.env_steps [--json FILE] [--seconds 2] [--rounds 5]

Ours makes observations for both agents, counts tokens, looks for answers and scores the end; instances are prepared
beforehand, as TextArena's facts are. TextArena (pip install textarena==0.7.4) is measured in the same run if installed.
Rates are per CPU second on one core.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

from pettingzoo import ParallelEnv
from rich.console import Console

import optima_envs
from optima_envs.adapters.parallel import DialogueEnv
from optima_envs.records import Instance
from optima_train.report.tables import Table

from . import peers
from .timing import Figure, Rate, compare, figure, rate, write_json

TURNS, WORDS, RESETS, PATIENCE = 8, 30, 10_000, 30.0
BARE, DEFAULT, FLAT = 50_000, 25_000, 0.8


def script(number: int) -> list[str]:
    """What is said in one dialogue; dialogues differ in the answers, so that none is read before it is stated."""
    texts = [" ".join(f"word{turn}x{i}" for i in range(WORDS - 1)) for turn in range(TURNS)]
    ends = ["then"] * (TURNS - 2) + [f"<A>guess{number}x{turn}</A>" for turn in (1, 2)]
    return [f"{text} {end}" for text, end in zip(texts, ends, strict=True)]


SCRIPTS = [script(number) for number in range(1_000)]
TEXTS = SCRIPTS[0]


class Prepared(list[Instance]):
    """Instances made beforehand, so that the environment is measured and not the world generator."""

    name, split = "prepared", "test"


def prepare(env: ParallelEnv, count: int = 256) -> ParallelEnv:
    """Swap the task of a dialogue environment for ``count`` of its instances."""
    talk: Any = env.unwrapped
    talk.scenario = replace(talk.scenario, task=Prepared(talk.scenario.task[i] for i in range(count)))
    return env


def episodes(env: ParallelEnv) -> Callable[[], int]:
    """One dialogue per call; gives the number of turns."""
    agents, scripts = env.possible_agents, cycle(SCRIPTS)

    def episode() -> int:
        env.reset()
        turns, texts = 0, next(scripts)
        while env.agents:
            env.step({agents[turns % 2]: texts[turns]})
            turns += 1
        return turns

    return episode


def contenders() -> dict[str, Callable[[], int]]:
    """Ours bare, with the wrappers ``make`` puts on, and with all of them; the peers that are installed."""
    make = optima_envs.make
    reward = {"task": 1.0, "tokens": 0.6}
    ours = {
        "optima bare": DialogueEnv(optima_envs.scenario("twohop-asym", max_turns=TURNS)),
        "optima default wrappers": make("twohop-asym", max_turns=TURNS),
        "optima all wrappers": make("twohop-asym", max_turns=TURNS, token_budget=10_000, reward=reward),
    }
    work = {name: episodes(prepare(env)) for name, env in ours.items()}
    if peers.textarena_version():
        work["textarena raw"] = peers.textarena_raw(TEXTS)
        work["textarena default wrapper"] = peers.textarena_default(TEXTS)
    return work


def flatness(episode: Callable[[], int], resets: int, patience: float) -> tuple[float, int]:
    """(rate of the last tenth over that of the first, resets done) of one env over ``resets`` resets. Stops after
    ``patience`` CPU seconds and then measures as far as it got."""
    spent: list[float] = []
    start = before = time.process_time()
    while len(spent) < resets and before - start < patience:
        episode()
        now = time.process_time()
        spent.append(now - before)
        before = now
    tenth = max(1, len(spent) // 10)
    return sum(spent[:tenth]) / sum(spent[-tenth:]), len(spent)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU seconds per contender and round (default 2)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds after the warm-up (default 5)")
    args = parser.parse_args()
    console, peer = Console(), peers.textarena_version()
    rates = compare(contenders(), args.rounds, args.seconds)
    world = optima_envs.scenario("twohop-asym").task
    figures = judge(rates, rate(lambda: bool(world[int(time.process_time_ns()) % len(world)]), args.seconds))
    table(rates, f"Python {platform.python_version()}, TextArena {peer or 'not installed'}").print(console)
    for item in figures:
        mark = "" if item.target is None else f" (target {item.target:g}: {'holds' if item.holds else 'MISSED'})"
        console.print(f"{item.name}: {item.value:g}{mark}", highlight=False)
    if not peer:
        console.print("TextArena is not installed, so nothing was compared: pip install textarena==0.7.4")
    if args.json:
        write_json(figures, args.json)
    return 0 if all(item.holds for item in figures) else 1


def judge(rates: dict[str, Rate], world: float) -> list[Figure]:
    """The promised figures from the rates, and those of the flatness runs."""
    out = [
        figure("bare turns/s", rates["optima bare"].median, BARE),
        figure("default wrappers turns/s", rates["optima default wrappers"].median, DEFAULT),
        figure("all wrappers turns/s", rates["optima all wrappers"].median),
        figure("twohop instances/s", world),
    ]
    ours, done = flatness(episodes(prepare(optima_envs.make("twohop-asym", max_turns=TURNS))), RESETS, PATIENCE)
    out.append(figure(f"speed after {done} resets over speed at first", ours, FLAT))
    if "textarena raw" in rates:
        out += [figure(f"{name} turns/s", rates[name].median) for name in rates if name.startswith("textarena")]
        theirs, done = flatness(peers.textarena_reused(TEXTS), RESETS, PATIENCE)
        out.append(figure(f"textarena: speed after {done} resets over speed at first", theirs))
    return out


def table(rates: dict[str, Rate], caption: str) -> Table:
    columns = ("environment", "turns/s (median)", "low", "high")
    rows: list[dict[str, str]] = []
    for name, item in rates.items():
        values = (f"{value:,.0f}" for value in (item.median, item.low, item.high))
        rows.append(dict(zip(columns, (name, *values), strict=True)))
    return Table(columns, rows, caption, texts=columns[1:])


if __name__ == "__main__":
    raise SystemExit(main())
