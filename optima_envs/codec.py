"""Records as lines of JSON and back, by pydantic, which knows every field from its annotation.

No dialogue moves while a line is made, and the standard library takes many times as long over the same record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")
ODD = b"NaN", b"Infinity"
# JSON may hold them as they are, but Python's splitlines, a usual way to read a log, takes them for ends of lines
BREAKS = {text.encode(): b"\\u%04x" % ord(text) for text in ("\x85", "\u2028", "\u2029")}


@cache
def adapter(kind: type[Any]) -> TypeAdapter[tuple[Any]]:
    """Reads and writes records of a ``kind``; made once, in a tenth of a second."""
    from pydantic import ConfigDict, TypeAdapter

    # a tuple, since a dataclass takes no settings from outside; null in the place of a NaN would hide it
    config = ConfigDict(extra="forbid", allow_inf_nan=False, ser_json_inf_nan="constants")
    return TypeAdapter(tuple[kind], config=config)  # pyright: ignore[reportUnknownArgumentType, reportInvalidTypeForm]


def write(record: object, left_out: Mapping[str, Any] | None = None) -> bytes:
    """A record (a dataclass) as one line of JSON in UTF-8, without a newline; ``left_out``: parts of it, as pydantic's
    ``exclude`` names them.

    Raises ValueError, TypeError or RecursionError for what JSON cannot hold: numbers that are not finite, or objects of
    an outside task, policy or caller.
    """
    try:
        line = adapter(type(record)).dump_json(
            (record,), warnings="error", exclude={0: left_out} if left_out else None
        )[1:-1]
    except ValueError:  # pydantic's own is one: another type than declared or known, a lone surrogate, a circle
        line = None
    if line is None or any(mark in line for mark in ODD):  # or a text that names them
        return strict_json(record)
    if not line.isascii():
        for text, escape in BREAKS.items():
            line = line.replace(text, escape)
    return line


def read(kind: type[T], data: object) -> T:
    """``data``, plain JSON, as a record. Raises ValueError naming the first field that is missing, odd or unknown."""
    from pydantic import ValidationError

    try:
        return adapter(kind).validate_python((data,))[0]
    except ValidationError as err:
        first = err.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"][1:])) or "record"
        raise ValueError(f"malformed {kind.__name__.lower()}: {where}: {first['msg']}") from None


def strict_json(value: object) -> bytes:
    """``value`` as one line of ASCII. Raises as ``write`` does."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain).encode("ascii")


def _plain(value: object) -> dict[str, Any]:
    if is_dataclass(value):
        found = ((item, getattr(value, item.name)) for item in fields(value))
        return {item.name: part for item, part in found if part or not item.metadata.get("left_out_when_empty")}
    if isinstance(value, Mapping):
        return {str(key): item for key, item in cast("Mapping[object, Any]", value).items()}
    raise TypeError(f"{type(value).__name__} is not plain JSON")
