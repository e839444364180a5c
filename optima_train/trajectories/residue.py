"""What a layout has no place for, kept as a patch: the difference between a row and what we would write for it.

``diff(ours, theirs)`` is plain JSON and small where the two are nearly alike; ``apply(ours, diff)`` gives theirs again,
equal down to the types (1, 1.0 and true differ). Forms: ``["=", value]`` takes the value's place, ``["~", changed,
added, removed]`` changes an object, ``["@", changed]`` a list of the same length, and a text loses or gets a beginning
or an end: ``[">", end]``, ``["<", beginning]``, ``["[", length kept]``, ``["]", length kept]``.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable
from typing import Any

Patch = list[Any]
TEXTS: dict[str, Callable[[str, Any], str]] = {
    ">": lambda ours, end: ours + end,
    "<": lambda ours, beginning: beginning + ours,
    "[": lambda ours, length: ours[:length],
    "]": lambda ours, length: ours[len(ours) - length :],
}


def diff(ours: Any, theirs: Any) -> Patch | None:
    """None: both are the same."""
    # most rows are, down to the order of keys; equal bytes mean equal types too, which == does not
    return None if marshal.dumps(ours, 2) == marshal.dumps(theirs, 2) else _diff(ours, theirs)


def _diff(ours: Any, theirs: Any) -> Patch | None:
    if ours is theirs:
        return None
    kind = type(theirs)
    if type(ours) is not kind:
        return ["=", theirs]
    if kind is dict:
        changed = {}
        for key, value in ours.items():
            if key in theirs and (patch := _diff(value, theirs[key])) is not None:
                changed[key] = patch
        added = {key: value for key, value in theirs.items() if key not in ours}
        removed = [key for key in ours if key not in theirs]
        return ["~", changed, added, removed] if changed or added or removed else None
    if kind is list:
        if len(ours) != len(theirs):
            return ["=", theirs]
        places = {}
        for place, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            if (patch := _diff(mine, other)) is not None:
                places[str(place)] = patch
        return ["@", places] if places else None
    if ours == theirs:
        return None
    return _text_diff(ours, theirs) if kind is str and ours and theirs else ["=", theirs]


def _text_diff(ours: str, theirs: str) -> Patch:
    if theirs.startswith(ours):
        return [">", theirs[len(ours) :]]
    if theirs.endswith(ours):
        return ["<", theirs[: -len(ours)]]
    if ours.startswith(theirs):
        return ["[", len(theirs)]
    if ours.endswith(theirs):
        return ["]", len(theirs)]
    return ["=", theirs]


def apply(ours: Any, patch: Patch | None) -> Any:
    """``ours`` changed by ``patch``. Raises ValueError for a patch that does not fit."""
    if patch is None:
        return ours
    try:
        kind = patch[0]
        if kind == "=":
            return patch[1]
        if kind == "~" and isinstance(ours, dict):
            changed, added, removed = patch[1:]
            kept = {key: apply(value, changed.get(key)) for key, value in ours.items() if key not in removed}
            return {**kept, **added}
        if kind == "@" and isinstance(ours, list):
            return [apply(value, patch[1].get(str(place))) for place, value in enumerate(ours)]
        if isinstance(ours, str) and kind in TEXTS:
            return TEXTS[kind](ours, patch[1])
    except (TypeError, AttributeError, LookupError, ValueError) as err:
        raise ValueError(f"the kept differences do not fit: {err}") from None
    raise ValueError("the kept differences do not fit the record")


def added(patch: Patch | None) -> dict[str, Any]:
    """The keys a patch adds to an object: all of it that stays true when the rest of the record has changed."""
    return dict(patch[2]) if patch and patch[0] == "~" else {}
