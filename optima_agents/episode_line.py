"""One episode as a line of JSON, by pydantic's serialiser: no dialogue moves while a line is made, and the standard
library takes many times as long over the same record."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

from optima_envs.records import SCHEMA, Episode

if TYPE_CHECKING:
    from pydantic import TypeAdapter

ODD = b"NaN", b"Infinity"
# JSON may hold them as they are, but Python's splitlines, a usual way to read a log, takes them for ends of lines
BREAKS = {text.encode(): b"\\u%04x" % ord(text) for text in ("\x85", "\u2028", "\u2029")}


def episode_line(episode: Episode) -> bytes:
    """``episode.to_json()`` in UTF-8, without a newline.

    Raises ValueError, TypeError or RecursionError for what JSON cannot hold: numbers that are not finite, or objects of
    an outside task, policy or caller.
    """
    try:
        silent = {at: {"thinking"} for at, turn in enumerate(episode.turns) if not turn.thinking}
        line = serialiser().dump_json((episode,), warnings="error", exclude={0: {"turns": silent}})[1:-1]
    except ValueError:  # pydantic's own is one: another type than declared or known, a lone surrogate, a circle
        line = None
    if line is None or any(mark in line for mark in ODD):  # or a text that names them
        return strict_json(episode.to_json())
    if not line.isascii():
        for text, escape in BREAKS.items():
            line = line.replace(text, escape)
    return b'{"schema":%d,%b' % (SCHEMA, line[1:])


def strict_json(row: object) -> bytes:
    """``row`` as one line of ASCII. Raises as ``episode_line`` does."""
    return json.dumps(row, allow_nan=False, separators=(",", ":")).encode("ascii")


@cache
def serialiser() -> TypeAdapter[tuple[Episode]]:
    """Made once, in a tenth of a second."""
    from pydantic import ConfigDict, TypeAdapter

    # a tuple, since a dataclass takes no settings from outside; null in the place of a NaN would hide it
    return TypeAdapter(tuple[Episode], config=ConfigDict(ser_json_inf_nan="constants"))
