"""Compares multi-agent methods, and the speed of the parts, on the same environments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .methods.baseline import Baseline, Session, baseline

__all__ = ["baseline", "Baseline", "Session"]


def __getattr__(name: str) -> Any:
    # on first use: the command line imports this package for its help alone
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .methods import baseline

    return getattr(baseline, name)


def __dir__() -> list[str]:
    return sorted(__all__)
