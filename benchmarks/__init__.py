"""Compares multi-agent methods, and the speed of the parts, on the same environments."""

from __future__ import annotations

from .methods.baseline import Baseline, Session, baseline

__all__ = ["baseline", "Baseline", "Session"]
