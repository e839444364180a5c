"""Other people's trajectories: read, shown, rated, changed, mixed.

>>> from optima_train.trajectories import read, write
>>> for item in read("agentinstruct", ["db.jsonl"]):      # an Episode, or a Dropped with its row and reason
...     print(item)                                        # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .frames import to_dataset, to_pandas
    from .mixture import Mixture
    from .pipeline import make_steps, run_steps
    from .registry import READERS, STEPS, WRITERS, read, write
    from .transcript import BadRow, Dropped, Transcript, episode
    from .writing import write_file

_WHERE = {
    "BadRow": "transcript",
    "Dropped": "transcript",
    "Mixture": "mixture",
    "READERS": "registry",
    "STEPS": "registry",
    "Transcript": "transcript",
    "WRITERS": "registry",
    "episode": "transcript",
    "read": "registry",
    "run_steps": "pipeline",
    "make_steps": "pipeline",
    "to_dataset": "frames",
    "to_pandas": "frames",
    "write": "registry",
    "write_file": "writing",
}
__all__ = [
    # read and write
    "read",
    "write",
    "write_file",
    "READERS",
    "WRITERS",
    # change
    "make_steps",
    "run_steps",
    "STEPS",
    # records
    "episode",
    "Transcript",
    "Dropped",
    "BadRow",
    "to_dataset",
    "to_pandas",
    # mix
    "Mixture",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
