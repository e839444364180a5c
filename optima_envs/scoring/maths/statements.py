"""Statements: what a mathematical answer states, taken apart as far as math-verify must not be left to guess.

A statement is a tuple (or interval), a set, a list or a single item; an item is a number in a base, a time of day or a
quantity. Those are compared here, part by part; two values that remain are compared by ``same``, a function handed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .latex import spell
from .units import Quantity, quantity

MAX_ITEMS = 20
Same = Callable[[str, str], bool]

_TOKEN = re.compile(
    r"(?P<open>\\begin|\\?[{(\[])|(?P<close>\\end|\\?[})\]])|(?P<equal>=|\\in(?![a-zA-Z]))|(?P<about>\\approx(?![a-zA-Z]))|"
    r"[,;]|\\text\{ ?(?:and|or) ?\}|(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])"
)
# the left side of x = 5, f(2) = 5, (x, y) = (1, 2), \angle ABC = 5
_NAME = re.compile(r"\(?(?:[A-Za-z]|\\(?!frac|sqrt|text)[a-zA-Z]+|\\text\{[^{}]*\})(?:[\w ,'()]|\\_|_\{\w+\})*")
_SYMBOL = re.compile(r"\\(?:text\{[^{}]*\}|[a-zA-Z]+)|([A-Za-z])")
_BASED = re.compile(
    r"(?P<minus>-?)\(?(?P<digits>[0-9A-F]+)\)? ?(?:"
    r"_ ?\{ ?\(?(?:\\text\{)?(?:base )?(?P<low>[2-9]|[12]\d|3[0-6]|[a-z]+)\}?\)? ?\}|"  # 1010_{2}, 1010_{\text{two}}
    r"_ ?\\text\{(?:base )?(?P<word>\w+)\}|_\{ ?\\text\{base\} ?(?P<below>\d{1,2}) ?\}|"
    r"(?:\\text\{)?(?:in )?\(?base ?\}? ?(?P<behind>\w+)\)?\}?)"  # 1010 (base 2)
)
_NUMBERS = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9"}
_CLOCK = re.compile(r"(\d{1,2})(?:\s?(?::|\{:\})\s?(\d\d))?")
_WORDY = re.compile(r"\(?(?:\\text\{(?P<text>[A-Za-z][A-Za-z' .-]*)\}|(?P<plain>[A-Za-z][A-Za-z' -]*))\)?")


class Statement(NamedTuple):
    """``kind``: tuple (or interval), set, list or one; ``text``: all but its ``name``, the left side of ``x = 5``;
    ``checks``: pairs that must be equal, or the statement contradicts itself (``2+2=5``)."""

    kind: str
    items: tuple[str, ...]
    text: str
    name: str = ""
    checks: tuple[tuple[str, str], ...] = ()


def read(text: str) -> Statement:
    """What ``text`` states."""
    spelt = spell(text).strip(" .,;:?")
    exact, *rounded = split(spelt, "about")
    if rounded:
        spelt = f"{exact}={rounded[0]}" if _NAME.fullmatch(exact) else exact
    items = split(spelt, "list")
    if len(items) > 1:
        return _listed(spelt, items)
    *left, right = split(spelt, "equal")
    named = bool(left) and _NAME.fullmatch(left[0]) is not None
    if not left or (_open(quantity(right).value) and not _bracketed(right)) or (_open(left[0]) and not named):
        return _structure(spelt)  # no equality at all, or an equation
    checks = tuple((part, right) for part in left[named:] if not _open(part))
    return _structure(right)._replace(name=_flat(left[0]) if named else "", checks=checks)


def _listed(text: str, items: list[str]) -> Statement:
    """A list; a left side that all items share, or that stands before the first, is its name."""
    sides = [split(item, "equal") for item in items]
    names = {_flat(side[0]) for side in sides if len(side) == 2}
    if len(names) == 1 and all(len(side) < 3 for side in sides) and len(sides[0]) == 2 and _NAME.fullmatch(sides[0][0]):
        return Statement("list", tuple(side[-1] for side in sides), text, names.pop())
    return Statement("list", tuple(items), text)


def _structure(text: str) -> Statement:
    inside = _bracketed(text)
    if inside is None:
        return Statement("one", (text,), text)
    items = split(inside, "list")
    if "{" in text[:2]:
        if not inside:
            return Statement("one", ("\\emptyset",), "\\emptyset")
        return Statement("set", tuple(items), text) if items and "|" not in text else Statement("one", (text,), text)
    if len(items) > 1:
        return Statement("tuple", tuple(items), text)
    return Statement("one", (inside if text[0] == "(" else text,), text)


def _bracketed(text: str) -> str | None:
    """What lies inside the brackets around all of ``text``; None when there are none."""
    depth = 0
    for match in _TOKEN.finditer(text):
        depth += bool(match["open"]) - bool(match["close"])
        if (not match.start() and not match["open"]) or (not depth and match.end() < len(text)):
            return None
        if not depth:
            return text[2 if text[0] == "\\" else 1 : match.start()].strip() if "n" not in match[0] else None
    return None


def split(text: str, at: str) -> list[str]:
    """The parts of ``text`` between its outermost ``list`` separators, ``equal`` signs or ``about`` signs."""
    parts: list[str] = []
    depth = start = 0
    for match in _TOKEN.finditer(text):
        if match["open"] or match["close"]:
            depth += 1 if match["open"] else -1
        elif not depth and ("equal" if match["equal"] else "about" if match["about"] else "list") == at:
            parts.append(text[start : match.start()].strip())
            start = match.end()
    return [part for part in (*parts, text[start:].strip()) if part] or [""]


def _open(text: str) -> bool:
    """Whether unknowns are in it; i and e are numbers."""
    return any(match[1] and match[1] not in "ie" for match in _SYMBOL.finditer(text))


def _equation(text: str) -> bool:
    left, *right = split(text, "equal")
    return bool(right) and not _NAME.fullmatch(left)


def _flat(text: str) -> str:
    flat = text.replace(" ", "")
    return "" if len(re.sub(r"[^A-Za-z]", "", flat)) > 3 and "\\" not in flat else flat  # a word is no symbol


def compare(answer: Statement, gold: Statement, same: Same) -> bool:
    """Whether both state the same, by ``same`` for pairs of values in spelt LaTeX."""
    if answer.name and gold.name and answer.name != gold.name:
        return False
    if not all(_same_item(*pair, same) for pair in answer.checks) or {answer.kind, gold.kind} == {"set", "tuple"}:
        return False
    if "tuple" in (answer.kind, gold.kind):
        return _in_order(answer, gold, same)
    if _equation(answer.text) and "=" not in gold.text:
        return False  # 5x = 10 does not state 10
    left, right = list(_both(answer.items)), list(_both(gold.items))
    if len(left) != len(right) or len(left) > MAX_ITEMS:
        return False
    for item in left:
        found = next((other for other in right if item == other), None)
        if found is None:
            found = next((other for other in right if _same_item(item, other, same)), None)
        if found is None:
            return False
        right.remove(found)
    return True


def _in_order(answer: Statement, gold: Statement, same: Same) -> bool:
    """Whether a tuple or interval is the same as another one, a list, or whatever math-verify takes for it."""
    if "one" in (answer.kind, gold.kind) or "\\pm" in answer.text + gold.text:
        return cased(answer.text, gold.text) and same(answer.text, gold.text)
    ends = [(side.text[0], side.text[-1]) for side in (answer, gold) if side.kind == "tuple"]
    if len(set(ends)) > 1 or len(answer.items) != len(gold.items) or len(gold.items) > MAX_ITEMS:
        return False
    return all(_same_item(*pair, same) for pair in zip(answer.items, gold.items, strict=True))


def _both(items: tuple[str, ...]) -> Iterator[str]:
    """Items, those with plus or minus once with either."""
    for item in items:
        if "\\pm" in item or "\\mp" in item:
            for plus, minus in (("+", "-"), ("-", "+")):
                yield item.replace("\\pm", plus).replace("\\mp", minus).strip().removeprefix("+").strip()
        else:
            yield item


def _same_item(answer: str, gold: str, same: Same) -> bool:
    for rule in (_same_words, _same_base):
        if (verdict := rule(answer, gold)) is not None:
            return verdict
    left, right = quantity(answer), quantity(gold)
    if (verdict := _same_time(left, right)) is not None:
        return verdict
    if not left.unit.fits(right.unit) or not cased(left.value, right.value):
        return False
    if same(left.value, right.value):
        return True
    if left.percent == right.percent:
        return False
    part, whole = (left.value, right.value) if left.percent else (right.value, left.value)
    return same(f"\\frac{{{part}}}{{100}}", whole)


def cased(answer: str, gold: str) -> bool:
    """Whether the symbols in both agree in case: y is not Y."""
    left, right = ({match[0] for match in _SYMBOL.finditer(text)} for text in (answer, gold))
    return not {symbol.lower() for symbol in left - right} & {symbol.lower() for symbol in right - left}


def _same_words(answer: str, gold: str) -> bool | None:
    """Whether two answers in words are the same ones; None where either is none, or may be a product of symbols."""
    left, right = _WORDY.fullmatch(answer), _WORDY.fullmatch(gold)
    if not left or not right:
        return None
    one, other = (" ".join((match["text"] or match["plain"]).split()) for match in (left, right))
    said = left["text"] or right["text"] or max(len(one), len(other)) > 4
    if one == other:
        return True
    if one.casefold() == other.casefold() and (len(one) > 2 or one.casefold() == "no"):
        return True
    return None if not said and one.islower() and other.islower() else False


def _same_base(answer: str, gold: str) -> bool | None:
    """Whether two numbers, of which one names its base, are the same digits in the same base; None where none does."""
    left, right = _BASED.fullmatch(answer), _BASED.fullmatch(gold)
    if not left and not right:
        return None
    digits: list[str] = []
    bases: set[str] = set()
    for text, match in ((answer, left), (gold, right)):
        if match:
            base = next(filter(None, (match[part] for part in ("low", "word", "below", "behind"))), "")
            bases.add(_NUMBERS.get(base.lower(), base))
            text = match["minus"] + match["digits"]
        digits.append(text.replace(" ", ""))
    return digits[0] == digits[1] and len(bases) == 1


def _same_time(answer: Quantity, gold: Quantity) -> bool | None:
    """Whether two times of day are the same; None where neither is one. A missing a.m. or p.m. is no mistake."""
    times = [(_CLOCK.fullmatch(side.value), {"am", "pm"} & set(side.unit.known)) for side in (answer, gold)]
    if not any(half or (match and match[2]) for match, half in times):
        return None
    if not answer.unit.fits(gold.unit):
        return False
    read: list[tuple[int, str, str]] = []
    for match, half in times:
        if not match:
            return False
        hour = int(match[1])
        if any(side for _, side in times):  # else both are read as they stand
            half, hour = half or {"pm"} if hour > 12 else half, hour % 12
        read.append((hour, match[2] or "00", next(iter(half), "")))
    (hour, minute, half), (hour2, minute2, half2) = read
    return (hour, minute) == (hour2, minute2) and (half == half2 or "" in (half, half2))
