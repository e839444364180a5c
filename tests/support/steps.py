"""Trajectories to take steps with, and what became of them."""

from __future__ import annotations

from collections import Counter

from optima_envs import Episode, Turn
from optima_train.trajectories import Dropped, episode, make_steps, run_steps


def made(number: int, text: str = "done", *, score: float | None = None, question: str = "task", **info) -> Episode:
    return episode("chat", f"e{number}", f"{question} {number}", [Turn("assistant", text)], score=score, info=info)


def go(specs: list, items: list) -> list:
    return list(run_steps(make_steps(specs), items))


def reasons(found: list) -> Counter[str]:
    return Counter(item.reason for item in found if isinstance(item, Dropped))
