"""Bridges: our environments in other people's trainers, each an adapter over ``optima_agents.drive``.

What needs no other package is named here; ``verifiers_env``, ``openenv_seat``, ``verl_loop`` and ``skyrl_generator``
import what they adapt to, so import the one you need. ``docs/other_trainers.md`` has a block for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optima_envs.lazy import lazy

if TYPE_CHECKING:
    from .seat import Seat
    from .token_rows import CallersTokens, SeatRow, seat_rows
    from .trl_seat import trl_environment, trl_rows

_WHERE = {
    "CallersTokens": "token_rows",
    "Seat": "seat",
    "SeatRow": "token_rows",
    "seat_rows": "token_rows",
    "trl_environment": "trl_seat",
    "trl_rows": "trl_seat",
}
__all__ = ["Seat", "CallersTokens", "SeatRow", "seat_rows", "trl_environment", "trl_rows"]

__getattr__, __dir__ = lazy(__name__, __all__, _WHERE)
