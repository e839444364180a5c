"""The error of the conformance kit."""

from __future__ import annotations


class NotConforming(AssertionError):
    """An environment breaks a convention; the message says which and where."""


def require(holds: bool, message: str) -> None:
    """Raise ``NotConforming`` unless ``holds``."""
    if not holds:
        raise NotConforming(message)
