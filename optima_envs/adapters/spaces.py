"""Spaces for text. Gymnasium's ``Text`` allows letters and digits only by default: ``"Hello, world!"`` is not in it."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces

from ..records import MAX_UTTERANCE

UNBOUNDED = 1 << 30  # for texts that come from data or settings, not from an agent
SAMPLE_WORDS = ("yes", "no", "why?", "I", "know", "that", "Zoë", "is", "42", "in", "Paris.", "<A>", "</A>", "\n", "…")


class Utterance(spaces.Text):
    """Any ``str`` of at most ``max_length`` characters, the empty one included; any Unicode.

    ``contains`` is O(1); ``sample`` gives a short seeded utterance and refuses masks. Not flattenable: a flat form
    would need ``max_length`` integers for every message.
    """

    def __init__(self, max_length: int = MAX_UTTERANCE, seed: int | None = None) -> None:
        # never used to make or check a text, but Gymnasium looks for a character when it prepares a batch
        super().__init__(max_length, min_length=0, charset=" ", seed=seed)

    def contains(self, x: Any) -> bool:
        return isinstance(x, str) and len(x) <= self.max_length

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """A few words; raises ValueError when given a mask."""
        if mask is not None or probability is not None:
            raise ValueError("an utterance space has no masks")
        words = self.np_random.integers(len(SAMPLE_WORDS), size=int(self.np_random.integers(1, 9)))
        return " ".join([SAMPLE_WORDS[int(i)] for i in words])[: self.max_length]

    @property
    def is_np_flattenable(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"Utterance({self.max_length})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Utterance) and self.max_length == other.max_length


class ObservationSpace(spaces.Dict):
    """What an agent sees of a dialogue; the keys are explained in ``DialogueEnv``. ``max_chars`` bounds what one turn
    says, ``token_budget`` what ``tokens_left`` begins with (None: there is none)."""

    def __init__(self, max_turns: int, token_budget: int | None, max_chars: int = MAX_UTTERANCE) -> None:
        parts: dict[str, spaces.Space[Any]] = {
            "instructions": Utterance(UNBOUNDED),
            "question": Utterance(UNBOUNDED),
            "private": Utterance(UNBOUNDED),
            "dialogue": spaces.Sequence(spaces.Tuple((Utterance(UNBOUNDED), Utterance(max_chars)))),
            "speaking": spaces.Discrete(2),
            "turn": spaces.Discrete(1 << 31),
            "turns_left": spaces.Discrete(max_turns + 1),
            "tokens_left": spaces.Discrete((token_budget or 0) + 2, start=-1),
        }
        super().__init__(parts)  # pyright: ignore[reportUnknownMemberType]
