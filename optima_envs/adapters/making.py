"""Constructors: an environment by its id, inside its wrappers, in PettingZoo's parallel or turn-based (AEC) form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

from ..scenario import scenario
from ..tokens import Counter
from .aec import DialogueAEC
from .mirror import mirror_into_loaded
from .parallel import DialogueEnv, Env
from .wrappers import EpisodeRecord, OrderEnforcing, RewardTerms, TokenBudget

# PettingZoo is imported by now, so that it can learn our ids even when nobody had imported it before
mirror_into_loaded()


# the two overlap, since **scenario_kwargs takes any name: what matters is that the first one comes first
@overload
def make(  # pyright: ignore[reportOverlappingOverload]
    id: str,
    *,
    wrappers: Iterable[Callable[[Env], Env]],
    counter: str | Counter = "words",
    reward: Mapping[str, float] | None = None,
    render_mode: str | None = None,
    **scenario_kwargs: Any,
) -> Env: ...


@overload
def make(
    id: str,
    *,
    counter: str | Counter = "words",
    reward: Mapping[str, float] | None = None,
    render_mode: str | None = None,
    **scenario_kwargs: Any,
) -> EpisodeRecord: ...


def make(
    id: str,  # noqa: A002 - the field's name for it
    *,
    counter: str | Counter = "words",
    reward: Mapping[str, float] | None = None,
    render_mode: str | None = None,
    wrappers: Iterable[Callable[[Env], Env]] = (),
    **scenario_kwargs: Any,
) -> Env:
    """The environment ``id`` names, inside its wrappers; ``.unwrapped`` is the bare ``DialogueEnv``.

    ``counter``: how tokens are counted, ``"words"`` (default), ``"characters"`` or a function. ``reward``: positive
    weights by term name (see rewards.py) instead of the bare score. ``render_mode``: None, ``"ansi"`` or ``"human"``.
    From the inside out the wrappers are ``OrderEnforcing``, ``TokenBudget`` (given ``token_budget``), ``RewardTerms``
    (given ``reward``), ``EpisodeRecord``, then ``wrappers``. All other arguments are those of ``scenario``, with its
    errors; ``settings(id)`` lists them.
    """
    env: Env = DialogueEnv(scenario(id, **scenario_kwargs), counter=counter, render_mode=render_mode)
    env = OrderEnforcing(env)
    budget = scenario_kwargs.get("token_budget")
    if budget is not None:
        env = TokenBudget(env, budget)
    if reward is not None:
        env = RewardTerms(env, reward, budget)
    env = EpisodeRecord(env)
    for wrapper in wrappers:
        env = wrapper(env)
    return env


def make_aec(id: str, **kwargs: Any) -> DialogueAEC:  # noqa: A002
    """The turn-based view of an environment; arguments and errors as in ``make``."""
    return DialogueAEC(make(id, **kwargs))
