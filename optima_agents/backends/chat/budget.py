"""What one rendering of a chat template may use up, and how much each thing it does costs.

Costs are told before the work is done, so that nothing grows beyond the budget first.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any

from jinja2 import TemplateError
from jinja2.utils import Namespace

STEPS = 300_000  # of one rendering; common templates take some thousands
CHARS, CHARS_PER_CHAR = 2_000_000, 30  # that one rendering may handle, and more for each character of the messages
WIDEST = 10_000  # of a number given to a filter or method: widths, counts, places
INDENTED = 20_000  # characters of JSON that may be written with line breaks: at depth, indents outgrow the rest
_left = threading.local()  # steps and characters of the rendering under way in this thread


def begin(size: int) -> None:
    """A new rendering of messages of ``size`` characters begins in this thread."""
    _left.both = [STEPS, CHARS + CHARS_PER_CHAR * size]


def characters_left() -> int:
    return _left.both[1]


def pay(steps: int = 1, chars: int = 0) -> None:
    left = _left.both
    left[0] -= max(0, steps)
    left[1] -= max(0, chars)
    if left[0] < 0 or left[1] < 0:
        raise TemplateError("it runs without end, or makes more text than the messages explain")


def whole(value: Any) -> Any:
    """Pay for all that ``value`` would be as text, shared parts as often as they occur."""
    if type(value) is str:  # nearly always
        pay(1, len(value))
        return value
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            pay(1, len(item))
        elif isinstance(item, Namespace):
            raise TemplateError("a namespace is used as a value")
        elif isinstance(item, Mapping):
            pay(1 + len(item))
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, Sized) and isinstance(item, Iterable) and not isinstance(item, range):
            pay(1 + len(item))
            waiting += list(item)
    return value


def items(value: Any) -> Any:
    """Pay for the length of ``value``."""
    if isinstance(value, str):
        pay(1, len(value))
    elif isinstance(value, Sized):
        pay(1 + len(value))
    return value


def numbers(values: Iterable[Any]) -> None:
    if any(isinstance(value, int) and abs(value) > WIDEST for value in values):
        raise TemplateError(f"a number above {WIDEST} is used as a width or a count")


def expanded(name: str, value: Any, args: Sequence[Any]) -> None:
    """Pay for ``name``, a filter or method, beforehand where a result may be longer than all that went in."""
    if name == "replace" and len(args) >= 2:
        pay(1, (str(value).count(str(args[0])) + 1) * len(str(args[1])))
    elif name == "join" and args:  # of the filter the separator comes second, of the method it is the text itself
        pair = (args[0], value) if isinstance(value, str) and not isinstance(args[0], str) else (value, args[0])
        pay(1, len(str(pair[1])) * (len(pair[0]) if isinstance(pair[0], Sized) else WIDEST))
    elif name == "indent" and args:
        width = args[0] if isinstance(args[0], int) else len(str(args[0]))
        pay(1, (str(value).count("\n") + 1) * width)
    elif name == "tojson" and any(args) and len(str(value)) > INDENTED:
        raise TemplateError(f"more than {INDENTED} characters are written as indented JSON")
    elif name == "format" and (re.search(r"%[^a-zA-Z%]*[\d*]|\{[^}]*:", str(value))):
        raise TemplateError("only plain formats such as %s and {} are known")
