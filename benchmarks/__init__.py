"""Compares multi-agent methods, and the speed of the parts, on the same environments."""

from __future__ import annotations

from optima_envs.lazy import lazy

from .methods.baseline import Baseline, Session, baseline

__all__ = ["baseline", "Baseline", "Session"]
__getattr__, __dir__ = lazy(__name__, __all__, {})
