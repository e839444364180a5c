"""A field of a JSON object in untrusted text: parsed by ``json``, never evaluated, and bounded."""

from __future__ import annotations

import json
import re
from typing import Any

from optima_envs.scoring.answer_format import MAX_ANSWER
from optima_envs.scoring.thinking import visible

MAX_TEXT = 20_000  # characters from the end that are looked at
MAX_TRIES = 100  # places tried as the start of an object
MAX_COMMAS = 20  # in one object, before a closing bracket

_START = re.compile(r'\{\s*"')
# an escape that JSON knows, unless it begins a LaTeX command (\frac is no form feed), or else a backslash to be doubled
_ESCAPE = re.compile(r'(\\(?:[\\"/]|u[0-9a-fA-F]{4}|[bfnrt](?![a-zA-Z])))|\\')


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


# not strict: models write line breaks and tabs into strings as they are
_DECODER = json.JSONDecoder(parse_constant=_refuse, strict=False)
_CLOSED = re.compile(r"\s*[}\]]")


def json_field(text: str, field: str) -> str | None:
    """``field`` of the last JSON object in ``text`` that has it, stripped; "" where it is empty or null.

    Numbers are taken as text. None when there is no such object, or the value is of another type or longer than an
    answer may be. Backslashes of LaTeX commands need no doubling; line breaks in strings and commas before a closing
    bracket are let pass. What is inside ``<think>`` does not count.
    """
    shown = _ESCAPE.sub(lambda found: found[1] or "\\\\", visible(text)[-MAX_TEXT:])
    value, at = None, 0
    for _ in range(MAX_TRIES):
        start = _START.search(shown, at)
        if start is None:
            break
        made, at = _object(shown, start.start())
        if made is None:
            continue
        if field in made:
            value = "" if made[field] is None else made[field]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = repr(value)
    return value.strip() if isinstance(value, str) and len(value) <= MAX_ANSWER else None


def _object(text: str, at: int) -> tuple[dict[str, Any] | None, int]:
    """(the object that begins at ``at``, where to look on); None where there is none."""
    for _ in range(MAX_COMMAS):
        try:
            return _DECODER.raw_decode(text, at)
        except RecursionError:
            break
        except ValueError as err:
            comma = text.rfind(",", at, getattr(err, "pos", -1) + 1)
            if comma < 0 or not _CLOSED.match(text, comma + 1):
                break
            text = f"{text[:comma]} {text[comma + 1 :]}"  # a blank, so that places stay what they are
    return None, at + 1
