"""Text that tokenizers, files and servers take."""

from __future__ import annotations


def utf8(text: str) -> str:
    """``text`` as UTF-8 can hold it: a lone surrogate becomes ``?``."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
