"""Records that stages hand on after Episode, and their one codec: JSON with exactly a record's fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from .files import read_json, read_lines, write_json, write_lines


class Record(BaseModel):
    """A missing or unknown key, another type, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())


R = TypeVar("R", bound=Record)


class RankedRow(Record):
    """The reward of a dialogue, its terms before weighting, and why it has none (``failed``; ``reward`` is null)."""

    instance: str
    sample: int
    seed: int
    reward: float | None
    terms: Mapping[str, float]
    failed: str | None


class SelectedRow(Record):
    """A dialogue that is trained on."""

    instance: str
    sample: int
    seed: int
    reward: float


class DroppedRow(Record):
    """An instance left out: why, and its best reward (null: every dialogue failed)."""

    instance: str
    reason: str
    reward: float | None


class TrainingRow(Record):
    """One training sequence; ``completion_mask`` is 1 on the agent's own sampled tokens, those of ``turns``."""

    instance: str
    sample: int
    agent: str
    turns: Sequence[int]
    input_ids: Sequence[int]
    completion_mask: Sequence[int]


class PolicyRow(Record):
    """What one agent said in one dialogue, with the advantage of each of its turns (policy gradients).

    ``completion_mask`` is 1 on the sampled tokens of ``turns`` (numbers in the dialogue), which have ``lengths``.
    ``advantages`` has one number per turn. ``logprobs`` (nats) has one per masked token, as the engine stored them, or
    is null where it gave none for this very prompt.
    """

    instance: str
    sample: int
    agent: str
    turns: Sequence[int]
    lengths: Sequence[int]
    advantages: Sequence[float]
    input_ids: Sequence[int]
    completion_mask: Sequence[int]
    logprobs: Sequence[float] | None

    @model_validator(mode="after")
    def _fits(self) -> PolicyRow:
        trained = sum(self.completion_mask)
        if len(self.completion_mask) != len(self.input_ids) or not set(self.completion_mask) <= {0, 1}:
            raise ValueError("completion_mask is no mask of input_ids")
        if not trained or self.completion_mask[0]:
            raise ValueError("completion_mask needs a trained token, and one before it")
        if sum(self.lengths) != trained or not len(self.turns) == len(self.lengths) == len(self.advantages):
            raise ValueError("turns, lengths and advantages do not fit completion_mask")
        if self.logprobs is not None and len(self.logprobs) != trained:
            raise ValueError("logprobs do not fit completion_mask")
        return self


class PreferenceRow(Record):
    """Two turns said after the same prompt; ``depth`` turns came before. Ids are null where a backend gave none."""

    instance: str
    tree: int
    node: int
    agent: str
    depth: int
    prompt_ids: Sequence[int] | None
    chosen_ids: Sequence[int] | None
    rejected_ids: Sequence[int] | None
    chosen: str
    rejected: str
    chosen_value: float
    rejected_value: float


class ContrastRow(PreferenceRow):
    """Two whole dialogues from an agent's view: ids hold what others said too, a mask is 1 on the agent's own tokens.

    Null, and in a file of ``PreferenceRow``: all of them are its own.
    """

    chosen_mask: Sequence[int] | None = None
    rejected_mask: Sequence[int] | None = None


class SavedModel(Record):
    """The model a stage made, as folders inside its directory, or the untouched initial model by its name.

    ``seats``: those of agents with weights of their own.
    """

    model: str
    adapter: str | None
    seats: Mapping[str, SavedModel] = {}


class Marker(Record):
    """What a committed stage leaves for later stages, the report and a resumed run.

    ``time`` is in seconds since 1970, ``files`` are sizes in bytes by name, ``digests`` their digests (a run of before
    0.2 has none), ``copied_from`` is the run it was reused from.
    """

    stage: str
    iteration: int
    time: float
    seconds: float
    numbers: Mapping[str, Any]
    model: SavedModel | None
    files: Mapping[str, int]
    digests: Mapping[str, str] = {}
    copied_from: str | None = None


def decode(kind: type[R], data: Any, where: str) -> R:
    """``data``, plain JSON, as a record. Raises ValueError: ``where``, and the key that is missing, odd or unknown."""
    try:
        return kind.model_validate(data)
    except ValidationError as err:
        problem = err.errors(include_url=False, include_context=False, include_input=False)[0]
        key = ".".join(map(str, problem["loc"]))
        texts = {"missing": f"{key!r} is missing", "extra_forbidden": f"unknown key {key!r}"}
        text = texts.get(problem["type"], f"{key}: {problem['msg']}" if key else "it is no mapping")
        raise ValueError(f"{where}: no {kind.__name__}: {text}") from None


def read_records(path: Path, kind: type[R]) -> Iterator[R]:
    """The records of a JSON-lines file, one at a time. Raises ValueError naming file and line."""
    for number, row in enumerate(read_lines(path), 1):
        yield decode(kind, row, f"{path}:{number}")


def write_records(path: Path, records: Iterable[Record]) -> int:
    """Records as JSON lines, streamed; returns how many. The file appears when it is whole."""
    return write_lines(path, (dict(record) for record in records))


def read_marker(path: Path) -> Marker:
    """Raises ValueError naming the file when it is no marker."""
    return decode(Marker, read_json(path), str(path))


def write_marker(path: Path, marker: Marker) -> None:
    """Write a marker, whole or not at all; what was not reused says nothing of a source."""
    write_json(path, marker.model_dump(exclude_defaults=True))
