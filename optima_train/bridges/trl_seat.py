"""TRL: one seat of a dialogue behind ``GRPOTrainer(environment_factory=...)``; teams train in ``optima_train.online``.

The model speaks by calling the tool ``say``; what its partners answer is the tool's result, the score the reward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .seat import Seat, reciting, seen

if TYPE_CHECKING:
    from optima_envs import Scenario

OVER = "The dialogue is over."
PROMPT = "You talk to others by calling the tool say.\n"


class TrlSeat:
    """An environment as TRL takes it: ``reset(index=...)``, the tool ``say``, ``get_reward``.

    Rows of the training set have ``index``, the instance (see ``trl_rows``).
    """

    def __init__(self, seat: Seat) -> None:
        self._seat, self._heard = seat, 0

    def reset(self, index: int | None = None, **row: Any) -> str:
        """Begin the row's dialogue; what the seat is told before it speaks for the first time."""
        view = self._seat.reset(index)
        self._heard = 0 if view is None else len(view.dialogue)
        return OVER if view is None else seen(view)

    def say(self, text: str) -> str:
        """
        Say something to the others, who hear nothing else of you.

        Args:
            text: What you say, word for word.

        Returns:
            What the others say to it.
        """
        if self._seat.episode is not None:
            return OVER
        view = self._seat.say(text)
        if view is None:
            return OVER
        before, self._heard = self._heard, len(view.dialogue)
        return seen(view, before) or "They say nothing."

    def get_reward(self) -> float:
        """The dialogue's score; 0 for one that was not brought to its end."""
        return 0.0 if self._seat.episode is None else self._seat.episode.score


def trl_environment(scenario: Scenario, *, agent: str | None = None, partners: Any = reciting) -> Callable[[], TrlSeat]:
    """What ``environment_factory`` takes: every call makes a seat (see ``seat.Seat`` for the arguments)."""
    return lambda: TrlSeat(Seat(scenario, agent=agent, partners=partners))


def trl_rows(scenario: Scenario, count: int | None = None) -> list[dict[str, Any]]:
    """The first ``count`` instances (None: all) as rows of a training set."""
    prompt = [{"role": "user", "content": PROMPT}]
    places = range(min(len(scenario.task), len(scenario.task) if count is None else count))
    return [{"prompt": prompt, "index": index} for index in places]
