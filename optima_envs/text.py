"""Text that tokenizers, files, servers and terminals take."""

from __future__ import annotations


def utf8(text: str) -> str:
    """``text`` as UTF-8 can hold it: a lone surrogate becomes ``?``."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def printable(text: str, *, lines: bool = True) -> str:
    """``text`` as a terminal may be given it: control characters (escapes, direction marks) are drawn as U+FFFD, a lone
    surrogate as ``?``. Line breaks and tabs stay, or with ``lines=False`` become spaces, so that nothing poses as
    another line."""
    if text.isascii() and text.isprintable():  # as nearly all messages are
        return text
    kept = "\n\t" if lines else ""
    if not lines:
        text = " ".join(text.splitlines()).replace("\t", " ")
    return "".join(c if c in kept or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in utf8(text))
