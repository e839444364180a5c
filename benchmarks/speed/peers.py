"""Other people's environments doing the same work as ours. Each peer is optional: None when it is not installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any


def textarena_version() -> str | None:
    """The installed TextArena's version, or None."""
    return version("textarena") if importlib.util.find_spec("textarena") else None


def textarena_raw(texts: Sequence[str]) -> Callable[[], int]:
    """Episodes of TextArena's two-player conversation game (each has a secret prompt, all turns but the last are free
    text) without wrappers: every player reads its observation and speaks, ``len(texts)`` turns in all."""
    return _episodes(_game(len(texts)), texts)


def textarena_default(texts: Sequence[str]) -> Callable[[], int]:
    """The same with its default observation wrapper. The wrapper keeps all former episodes (``textarena_reused``), so
    every episode gets a new one: how a careful user runs it, and the cheapest correct way."""
    from textarena.wrappers import LLMObservationWrapper

    game = _game(len(texts))
    return lambda: _episodes(LLMObservationWrapper(game), texts)()


def textarena_reused(texts: Sequence[str]) -> Callable[[], int]:
    """The same with one ``make`` and a ``reset`` for each episode, as the documentation shows it."""
    import textarena

    return _episodes(textarena.make("TruthAndDeception-v0", max_turns=len(texts)), texts)


def _game(turns: int) -> Any:
    import textarena

    return textarena.make("TruthAndDeception-v0-raw", max_turns=turns)


def _episodes(env: Any, texts: Sequence[str]) -> Callable[[], int]:
    lines = [*texts[:-1], f"{texts[-1]} [Fact 1]"]  # the last turn must be a guess

    def episode() -> int:
        env.reset(num_players=2)
        turns, done = 0, False
        while not done:
            env.get_observation()
            done, _ = env.step(lines[turns])
            turns += 1
        env.close()
        return turns

    return episode
