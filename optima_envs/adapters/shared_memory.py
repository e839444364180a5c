"""Observations of many processes for Gymnasium's ``AsyncVectorEnv``, in the place of its shared memory.

Gymnasium lays observations out in arrays of a fixed size, which texts do not have. Here every process writes its own as
JSON into a file of its own, and the one that asks reads them all.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gymnasium.vector.utils import (
    concatenate,
    create_empty_array,
    create_shared_memory,  # pyright: ignore[reportUnknownVariableType]
    read_from_shared_memory,
    write_to_shared_memory,
)

from ..records import Said
from .spaces import ObservationSpace


@dataclass(frozen=True)
class Mailboxes:
    """A folder with one file an environment; it goes when its maker no longer holds it."""

    folder: str

    def file(self, index: int) -> Path:
        return Path(self.folder, f"{index}.json")


class Batch(Mapping[str, Any]):
    """The observations that lie in ``boxes`` now, batched by key as ``SyncVectorEnv`` batches them."""

    def __init__(self, space: ObservationSpace, boxes: Mailboxes, count: int) -> None:
        self.space, self.boxes, self.count = space, boxes, count

    def now(self) -> dict[str, Any]:
        rows = [self._row(index) for index in range(self.count)]
        empty = create_empty_array(self.space, self.count)
        return cast("dict[str, Any]", concatenate(self.space, rows, cast("Any", empty)))

    def _row(self, index: int) -> dict[str, Any]:
        file = self.boxes.file(index)
        if not file.exists():
            raise RuntimeError("no observations yet: call reset() first")
        row = json.loads(file.read_bytes())
        return {**row, "dialogue": tuple(Said(*pair) for pair in row["dialogue"])}

    def __getitem__(self, key: str) -> Any:
        return self.now()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.space.spaces)

    def __len__(self) -> int:
        return len(self.space.spaces)

    def __deepcopy__(self, memo: object) -> dict[str, Any]:
        return self.now()


def teach_gymnasium() -> None:
    """Register these functions for our observations; it hands on what the first gives to the others, whatever it is."""
    cast("Any", create_shared_memory).register(ObservationSpace, _create)
    cast("Any", read_from_shared_memory).register(ObservationSpace, _read)
    cast("Any", write_to_shared_memory).register(ObservationSpace, _write)


def _create(space: ObservationSpace, n: int = 1, ctx: object = None) -> Mailboxes:
    boxes = Mailboxes(tempfile.mkdtemp(prefix="optima-"))
    weakref.finalize(boxes, _remove, boxes.folder, os.getpid())
    return boxes


def _read(space: ObservationSpace, shared_memory: Mailboxes, n: int = 1) -> Batch:
    return Batch(space, shared_memory, n)


def _write(space: ObservationSpace, index: int, value: Mapping[str, Any], shared_memory: Mailboxes) -> None:
    shared_memory.file(index).write_text(json.dumps(dict(value)), encoding="ascii")


def _remove(folder: str, maker: int) -> None:
    if os.getpid() == maker:  # a forked child holds a copy
        shutil.rmtree(folder, ignore_errors=True)
