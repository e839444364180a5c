"""Compares multi-agent methods, and the speed of the parts, on the same environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optima_envs.lazy import lazy

if TYPE_CHECKING:
    from .methods.baseline import Baseline, Session, baseline
    from .one_call import bench

_WHERE = {
    "Baseline": "methods.baseline",
    "Session": "methods.baseline",
    "baseline": "methods.baseline",
    "bench": "one_call",
}
__all__ = [
    # write a method
    "baseline",
    "Baseline",
    "Session",
    # compare methods
    "bench",
]

# on first use: the command line imports this package for its help alone
__getattr__, __dir__ = lazy(__name__, __all__, _WHERE)
