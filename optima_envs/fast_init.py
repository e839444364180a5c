"""Frozen dataclasses that are cheap to build.

``dataclass(frozen=True)`` sets every field by a call of ``object.__setattr__``, which makes a record of twelve fields
three times as dear as plain assignment would, and every step of every dialogue builds several.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")

# generated from the field names, as the initialisers of dataclasses are
SOURCE = """
def init(self, {parameters}):
    if type(self) is not _frozen:
        return _usual(self, {names})
    _become(self, "__class__", _draft)
    {assignments}
    self.__class__ = _frozen
"""


def fast_init(frozen: type[T]) -> type[T]:
    """Class decorator above ``@dataclass(frozen=True, slots=True)``: same class, same signature, faster ``__init__``.

    A new object is filled by plain assignment while it belongs to a mutable class with the same slots, and is handed
    over frozen. Subclasses, whose layout may differ, keep the initialiser of ``dataclasses``. Raises TypeError for a
    field with a default factory.
    """
    items = fields(frozen)  # type: ignore[arg-type]
    made = [item.name for item in items if item.default_factory is not MISSING]
    if made:
        raise TypeError(f"{frozen.__name__}: fast_init knows no default factories, found those of {', '.join(made)}")
    usual, draft = frozen.__init__, type(frozen.__name__, (), {"__slots__": [item.name for item in items]})
    scope: dict[str, Any] = {"_frozen": frozen, "_draft": draft, "_usual": usual, "_become": object.__setattr__}
    scope |= {f"_default_{item.name}": item.default for item in items}
    source = SOURCE.format(
        parameters=", ".join(i.name if i.default is MISSING else f"{i.name}=_default_{i.name}" for i in items),
        names=", ".join(item.name for item in items),
        assignments="; ".join(f"self.{item.name} = {item.name}" for item in items),
    )
    exec(source, scope)  # noqa: S102 - made of nothing but field names
    frozen.__init__ = wraps(usual)(scope["init"])
    return frozen
