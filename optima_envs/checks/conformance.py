"""The error of the conformance kit."""

from __future__ import annotations


class NonConformanceError(AssertionError):
    """An environment breaks a convention; the message says which and where."""


def require(holds: bool, message: str) -> None:
    """Raise ``NonConformanceError`` unless ``holds``."""
    if not holds:
        raise NonConformanceError(message)
