"""Episodes: what a rollout gives back, as a list; those of a log stay there and are read when they are looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, overload

from optima_envs.records import Episode

from ..store import episode_at

COLUMNS = (
    "env", "instance", "sample", "seed", "question", "answers", "answer", "stop", "score", "correct", "reward",
    "tokens", "turns", "seconds", "error", "message", "dialogue",
)  # fmt: skip


class Episodes(Sequence[Episode]):
    """Episodes in order. With ``path``, an int stands for the episode whose line begins at that byte of the log; then
    memory does not grow with what was said. Raises ValueError when that log was changed since."""

    def __init__(self, items: Iterable[Episode | int], path: Path | None = None) -> None:
        self._items = list(items)
        self._path = path

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int, /) -> Episode: ...
    @overload
    def __getitem__(self, index: slice, /) -> Episodes: ...
    def __getitem__(self, index: int | slice, /) -> Episode | Episodes:
        if isinstance(index, slice):
            return Episodes(self._items[index], self._path)
        return next(self._load([self._items[index]]))

    def __iter__(self) -> Iterator[Episode]:
        return self._load(self._items)

    def __add__(self, other: Iterable[Episode]) -> list[Episode]:
        return [*self, *other]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment] - as a list has none

    def __repr__(self) -> str:
        first = f", the first on {self[0].key}" if self._items else ""
        return f"<{len(self)} episodes{f' of {self[0].env}' if self._items else ''}{first}>"

    def _load(self, items: Sequence[Episode | int]) -> Iterator[Episode]:
        if self._path is None or not any(isinstance(item, int) for item in items):
            yield from items  # type: ignore[misc]
            return
        with self._path.open("rb") as handle:
            for item in items:
                yield episode_at(handle, item, self._path) if isinstance(item, int) else item

    def to_pandas(self) -> Any:
        """A pandas DataFrame with a row per episode: key, question, golds, answer, score, tokens, turns, why it failed,
        and the dialogue as text. Raises ImportError without pandas."""
        rows = [_row(episode) for episode in self]
        return frame(rows, COLUMNS)


def _row(episode: Episode) -> dict[str, Any]:
    key, error = episode.key, episode.error
    return {
        "env": episode.env,
        "instance": key.instance,
        "sample": key.sample,
        "seed": key.seed,
        "question": episode.instance.question,
        "answers": list(episode.instance.answers),
        "answer": episode.outcome.answer,
        "stop": episode.outcome.stop,
        "score": episode.score,
        "correct": episode.correct,
        "reward": episode.reward,
        "tokens": episode.tokens,
        "turns": len(episode.spoken),
        "seconds": episode.seconds,
        "error": error and error.kind,
        "message": error and error.message,
        "dialogue": "\n".join(f"{turn.agent}: " + turn.text.replace("\n", "\n    ") for turn in episode.turns),
    }


def frame(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> Any:
    """A pandas DataFrame. Raises ImportError without pandas."""
    try:
        pandas = import_module("pandas")
    except ImportError:
        raise ImportError("to_pandas needs pandas: pip install pandas") from None
    return pandas.DataFrame(list(rows), columns=list(columns))
