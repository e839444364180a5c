"""One generic registry: lazy ``"module:attr"`` strings, entry points looked up only on a miss, did-you-mean."""

from __future__ import annotations

import difflib
import importlib
import logging
from collections.abc import Iterable, Iterator
from functools import partial
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, Generic, TypeVar

from .text import printable

T = TypeVar("T")
log = logging.getLogger(__name__)


class UnknownName(KeyError):
    """A name nobody registered; the message, one printable line, lists close matches."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message, lines=False))

    def __str__(self) -> str:
        return str(self.args[0])


class Registry(Generic[T]):
    """Maps names to objects. ``group`` is the entry-point group other packages publish into.

    >>> colours = Registry[int]("colour", "example.colours")
    >>> colours.register("red", 1)
    1
    >>> colours["red"]
    1
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self.group = group
        self._items: dict[str, Any] = {}
        self._scanned = False

    def register(self, name: str, item: T | str | None = None) -> Any:
        """Add ``item`` (an object or a lazy ``"module:attr"``); without ``item``, a decorator."""
        if item is None:
            return partial(self.register, name)
        if name in self._items and self._items[name] != item:
            raise ValueError(f"{self.kind} {name!r} is registered already")
        self._items[name] = item
        return item

    def __getitem__(self, name: str) -> T:
        if name not in self._items:
            self._scan()
        if name not in self._items:
            raise unknown_name(self.kind, name, self._items)
        item = self._items[name]
        if isinstance(item, str):
            item = self._items[name] = load_attr(item)
        return item

    def __contains__(self, name: str) -> bool:
        if name not in self._items:
            self._scan()
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        self._scan()
        return iter(sorted(self._items))

    def registered(self) -> list[str]:
        """The names registered so far; unlike iterating, this looks for no plugins."""
        return sorted(self._items)

    def where(self, name: str) -> str | None:
        """``"module:attr"`` of an item that has not been loaded; None for one that has, or that nobody registered."""
        item = self._items.get(name)
        return item if isinstance(item, str) else None

    def _scan(self) -> None:
        if self._scanned:
            return
        self._scanned = True
        for point in entry_points(group=self.group):
            try:
                loaded = point.load()
            except Exception as err:  # a broken plugin must not take the others down
                log.warning("plugin %s (%s) failed to load: %s: %s", point.name, self.group, type(err).__name__, err)
                continue
            # a plugin either is the object or is a module that registers things when imported
            if point.name not in self._items and not isinstance(loaded, ModuleType):
                self._items[point.name] = loaded


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """The error for a name that is not among ``known``, with close matches or else all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; known: {', '.join(known)}"
    return UnknownName(f"unknown {kind} {name!r}{hint}")


def load_attr(path: str) -> Any:
    """Import ``"module:attr"``. Raises ImportError or AttributeError naming the path."""
    module, _, attr = path.partition(":")
    return getattr(importlib.import_module(module), attr)
