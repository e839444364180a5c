"""Keyword arguments of factories: which ones a factory takes, of what type, by default what; and clear refusals."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import UnionType
from typing import Any, ClassVar, Literal, Union, cast, get_args, get_origin, get_type_hints

# ``name``: what it means, up to the end of the sentence
_NAMED = re.compile(r"``(\w+)``: (.+?)(?:[.;](?= |$)|$)")


@dataclass(frozen=True, slots=True)
class Keyword:
    """One argument. ``hint`` is its type, Any where nothing is declared; ``default`` is ``Keyword.empty`` where there
    is none; ``meaning`` is what the factory's documentation says after its name."""

    name: str
    hint: Any
    default: Any
    meaning: str
    empty: ClassVar[Any] = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Keywords:
    """The ``items`` a factory declares, in order; with ``open`` (``**kwargs``) it takes any other as well."""

    items: tuple[Keyword, ...]
    open: bool

    @classmethod
    def of(cls, factory: Callable[..., Any]) -> Keywords:
        hints, meanings = _hints(factory), dict(_meanings(factory))
        found = inspect.signature(factory).parameters.values()
        items = tuple(
            Keyword(p.name, hints.get(p.name, Any), p.default, meanings.get(p.name, ""))
            for p in found
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        )
        return cls(items, any(p.kind is p.VAR_KEYWORD for p in found))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(item.name for item in self.items)

    def __contains__(self, name: str) -> bool:
        return self.open or name in self.names


def refusal(who: str, unknown: Sequence[str], accepted: Collection[str]) -> str:
    """What to tell somebody who gave ``who`` arguments it does not take."""
    near = [match for key in unknown for match in difflib.get_close_matches(key, accepted, n=1)]
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"{who} has no argument {', '.join(unknown)}{hint} (accepted: {', '.join(sorted(accepted)) or 'none'})"


def check_types(who: str, factory: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Raises TypeError naming the first of the arguments ``given`` that is not of the type ``factory`` declares."""
    for item in Keywords.of(factory).items:
        if item.name in given and not fits(given[item.name], item.hint):
            value = given[item.name]
            raise TypeError(
                f"{who}: {item.name} must be {spelled(item.hint)}, got {type(value).__name__} {value!r:.80}"
            )


def fits(value: object, hint: Any) -> bool:
    """Whether ``value`` is of the type ``hint``, as far as one can tell without looking at every item."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in args)
    if origin is Literal:
        return type(value) in map(type, args)  # which of the values, the factory checks
    kind = type(None) if hint is None else origin or hint
    if hint is Any or not isinstance(kind, type):
        return True
    if kind in (int, float):  # a truth value is no number here, and an int will do where a float is asked for
        return isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
    if isinstance(value, str) and kind is not str:
        return False  # above all: a text is no sequence of names
    try:
        if not isinstance(value, kind):
            return False
    except TypeError:  # a protocol, say, that cannot be asked
        return True
    names = args[:1] == (str,) and isinstance(value, (list, tuple)) and issubclass(kind, Sequence)
    return not names or all(isinstance(one, str) for one in cast("Sequence[object]", value))


def spelled(hint: Any) -> str:
    """A type as a person would say it: ``int``, ``'full' or 'half'``, ``a sequence of str``."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(spelled(one) for one in args)
    if origin is Literal:
        return " or ".join(map(repr, args))
    if hint is None or hint is type(None):
        return "None"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return f"a sequence of {spelled(args[0])}"
    return getattr(cast("Any", origin or hint), "__name__", str(hint))


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    # a dataclass takes its fields, whose types stand where they are declared
    parts = (factory, factory.__init__) if isinstance(factory, type) else (factory,)
    hints: dict[str, Any] = {}
    for part in parts:
        with suppress(Exception):  # a name only type checkers know: then the types are not checked
            hints |= get_type_hints(part)
    return hints


def _meanings(factory: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    """(name, meaning) of the arguments a documentation explains as ````name``: meaning.``, a base's first."""
    documented = reversed(factory.__mro__) if isinstance(factory, type) else (factory,)
    for item in documented:
        text = " ".join((item.__doc__ or "").split())
        for match in _NAMED.finditer(text):
            yield match[1], match[2].replace("``", "")
