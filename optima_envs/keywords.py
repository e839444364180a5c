"""Keyword arguments of factories: which ones a factory takes, and a clear refusal of the others."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Keywords:
    """The ``names`` a factory declares, in order; with ``open`` (``**kwargs``) it takes any other as well."""

    names: tuple[str, ...]
    open: bool

    @classmethod
    def of(cls, factory: Callable[..., Any]) -> Keywords:
        found = inspect.signature(factory).parameters.values()
        names = tuple(p.name for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
        return cls(names, any(p.kind is p.VAR_KEYWORD for p in found))

    def __contains__(self, name: str) -> bool:
        return self.open or name in self.names


def refusal(who: str, unknown: Sequence[str], accepted: Collection[str]) -> str:
    """What to tell somebody who gave ``who`` arguments it does not take."""
    near = [match for key in unknown for match in difflib.get_close_matches(key, accepted, n=1)]
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"{who} has no argument {', '.join(unknown)}{hint} (accepted: {', '.join(sorted(accepted)) or 'none'})"
