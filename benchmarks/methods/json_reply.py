"""A field of a JSON object in untrusted text: parsed by ``json``, never evaluated, and bounded."""

from __future__ import annotations

import json
import re

from optima_envs.scoring.answer_format import MAX_ANSWER
from optima_envs.scoring.thinking import visible

MAX_TEXT = 20_000  # characters from the end that are looked at
MAX_TRIES = 100  # places tried as the start of an object

_START = re.compile(r'\{\s*"')
# an escape that JSON knows, unless it begins a LaTeX command (\frac is no form feed), or else a backslash to be doubled
_ESCAPE = re.compile(r'(\\(?:[\\"/]|u[0-9a-fA-F]{4}|[bfnrt](?![a-zA-Z])))|\\')


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def json_field(text: str, field: str) -> str | None:
    """``field`` of the last JSON object in ``text`` that has it, stripped; "" where it is empty or null.

    Numbers are taken as text. None when there is no such object, or the value is of another type or longer than an
    answer may be. Backslashes of LaTeX commands need no doubling. What is inside ``<think>`` does not count.
    """
    shown = _ESCAPE.sub(lambda found: found[1] or "\\\\", visible(text)[-MAX_TEXT:])
    value, at = None, 0
    for _ in range(MAX_TRIES):
        start = _START.search(shown, at)
        if start is None:
            break
        try:
            made, at = _DECODER.raw_decode(shown, start.start())
        except (ValueError, RecursionError):
            at = start.start() + 1
            continue
        if field in made:
            value = "" if made[field] is None else made[field]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = repr(value)
    return value.strip() if isinstance(value, str) and len(value) <= MAX_ANSWER else None
