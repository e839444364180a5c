"""Evaluate: a score with its interval in one call, and the episodes behind it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ..backends.base import Sampling
from ..one_call import play, waited
from .episodes import Episodes, frame
from .summary import Summary, summarise

GREEDY = Sampling(0.0)


@dataclass(frozen=True)
class Results:
    """What a team reached: ``score`` and ``tokens`` with their 95% intervals, ``summary`` with every number (see
    ``Summary``), and the ``episodes``."""

    env: str
    episodes: Episodes
    summary: Summary = field(repr=False)

    @property
    def score(self) -> float:
        return self.summary.score

    @property
    def score_ci(self) -> tuple[float, float]:
        return self.summary.score_ci

    @property
    def tokens(self) -> float:
        """Sampled tokens per dialogue."""
        return self.summary.tokens

    @property
    def tokens_ci(self) -> tuple[float, float]:
        return self.summary.tokens_ci

    def __repr__(self) -> str:
        (low, high), (least, most), found = self.score_ci, self.tokens_ci, self.summary
        text = f"{self.env}: score {self.score:.3f} [{low:.3f}, {high:.3f}], "
        text += f"{self.tokens:.1f} tokens [{least:.1f}, {most:.1f}], {found.n} instances"
        text += f" in {found.episodes} episodes" if found.episodes != found.n else ""
        return f"<{text}{', ' + found.failed() if found.failures else ''}>"

    def to_pandas(self) -> Any:
        """A pandas DataFrame of one row with all numbers, to be put below others; ``episodes.to_pandas()`` has a row
        per episode. Raises ImportError without pandas."""
        numbers = asdict(self.summary) | {"env": self.env}
        numbers.pop("by_instance")
        return frame([numbers], ["env", *(name for name in numbers if name != "env")])


def evaluate(
    env: object,
    policies: object,
    *,
    episodes: int = 300,
    seed: int = 0,
    sampling: Sampling = GREEDY,
    **kwargs: Any,
) -> Results:
    """Play ``episodes`` instances of the environment's evaluation split once each (``samples=`` for more), and sum up.

    Arguments are those of ``arollout``; a backend named in a seat, such as ``"hf:tiny"``, decodes greedily unless
    ``sampling`` says otherwise. ``seed`` is that of the episodes and of the bootstrap. Raises ValueError when there is
    nothing to play, and as ``arollout``.
    """
    played, _ = waited(lambda: play(env, policies, episodes=episodes, seed=seed, sampling=sampling, **kwargs))
    return Results(played[0].env if played else "", played, summarise(played, seed=seed))
