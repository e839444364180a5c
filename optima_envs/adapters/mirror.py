"""Our environments in the registers of PettingZoo (1.27 and later) and Gymnasium, so that
``pettingzoo.make("parallel", "optima/2wmh-asym")``, ``pettingzoo.make("aec", ...)``,
``gymnasium.make("optima/2wmh-asym-v0")`` and ``gymnasium.make_vec`` work.

Importing either library costs more than all of ``optima_envs``, so importing ``optima_envs`` imports neither: it tells
those that are imported already. Whoever imports one of them later, and uses nothing of ours that needs it before, calls
``optima_envs.mirror()``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module

from ..spec import on_register


def mirror() -> None:
    """Put every environment, registered by now or later, into both registers. Imports both libraries."""
    for name in LIBRARIES:
        import_module(name)
    mirror_into_loaded()


def mirror_into_loaded() -> None:
    """The same for those of the two libraries that are imported already, each once."""
    for name, tell in LIBRARIES.items():
        # a library in the middle of its import has no register yet
        if name not in _told and hasattr(sys.modules.get(name), "register"):
            _told.add(name)
            tell()


def _pettingzoo() -> None:
    from pettingzoo import register  # pyright: ignore[reportMissingTypeStubs]

    def tell(id: str) -> None:  # noqa: A002
        register("parallel", id, entry_point="optima_envs.adapters.making:make", kwargs={"id": id})
        register("aec", id, entry_point="optima_envs.adapters.making:make_aec", kwargs={"id": id})

    on_register(tell)


def _gymnasium() -> None:
    from gymnasium import register  # pyright: ignore[reportUnknownVariableType]

    def tell(id: str) -> None:  # noqa: A002
        register(
            id,
            entry_point="optima_envs.adapters.single:SingleSeat",
            vector_entry_point="optima_envs.adapters.single:Seats",
            kwargs={"dialogue": id},
        )

    on_register(tell)


LIBRARIES: dict[str, Callable[[], None]] = {"pettingzoo": _pettingzoo, "gymnasium": _gymnasium}
_told: set[str] = set()
