"""Units: what a quantity is counted in, read off the end (or, for money, the front) of spelt LaTeX.

A unit is a product of words with powers: ``5 ft^2``, ``5 square feet`` and ``5\\text{ feet}^2`` are counted in the
same. A missing unit is no mistake, another one is.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from ..numerals import SCALES

_NAMES = {  # the singular first
    "meter": "m meters metre metres",
    "centimeter": "cm centimeters centimetre centimetres cms",
    "millimeter": "mm millimeters millimetre millimetres",
    "decimeter": "dm decimeters",
    "kilometer": "km kilometers kilometre kilometres kms",
    "inch": "in inches ins",
    "foot": "ft feet",
    "yard": "yd yds yards",
    "mile": "mi miles",
    "gram": "g grams gm gms",
    "kilogram": "kg kgs kilograms kilo kilos",
    "milligram": "mg milligrams",
    "pound": "lb lbs pounds \u00a3",
    "ounce": "oz ounces",
    "second": "s sec secs seconds",
    "minute": "min mins minutes",
    "hour": "h hr hrs hours",
    "day": "days",
    "week": "wk wks weeks",
    "month": "months",
    "year": "yr yrs years",
    "liter": "l L liters litre litres",
    "milliliter": "ml mL milliliters millilitres",
    "gallon": "gal gals gallons",
    "quart": "qt qts quarts",
    "pint": "pt pts pints",
    "cup": "cups",
    "dollar": "$ dollars usd USD bucks",
    "cent": "\u00a2 cents",
    "euro": "\u20ac euros eur EUR",
    "yen": "\u00a5",
    "rupee": "\u20b9 rupees Rs rs",
    "degree": "degrees deg degs",
    "radian": "rad rads radians",
    "unit": "units",
    "am": "AM morning",
    "pm": "PM afternoon evening",
    "celsius": "C",
    "fahrenheit": "F",
    "newton": "N newtons",
    "joule": "J joules",
    "watt": "W watts",
    "volt": "V volts",
}
_CANONICAL = {alias: name for name, aliases in _NAMES.items() for alias in (name, *aliases.split())}
_SPEEDS = {
    "mph": ("mile", "hour"),
    "kph": ("kilometer", "hour"),
    "kmh": ("kilometer", "hour"),
    "kmph": ("kilometer", "hour"),
}
_SQUARED = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_POWERS = {"squared": 2, "cubed": 3}
_NEVER_RAISED = frozenset("dollar euro pound yen rupee cent degree celsius fahrenheit".split())
_FILLERS = frozenset("of the a an in total each".split())
# words that make more of the end of an answer than a unit
_STOPS = frozenset(
    "is are was were be not no wrong incorrect false invalid than but if when where for because since so then plus "
    "minus mod modulo factorial root power base over divided and or isn aren wasn don cannot never neither nor "
    "except".split()
)
_PIECE = re.compile(
    r"(?:\\text\{(?P<text>[^{}]*)\}|(?P<degree>\^\s?(?:\\circ|\{\s?\\circ\s?\}))(?:\s?(?P<heat>[CF]))?|(?P<money>\\?\$|[\u20ac\u00a3\u00a5\u20b9\u00a2])|"
    r"(?P<percent>%)|(?<![\\A-Za-z])(?P<word>[A-Za-z]+(?:\.[A-Za-z])*)\.?|(?P<join>/|\\cdot))"
    r"\s*(?:\^\s?(?:\{\s?(?P<power>-?\d)\s?\}|(?P<digit>\d)))?\s*\Z"
)
_FRONT = re.compile(
    r"(?P<sign>-?)\s*(?:\\text\{)?\s*(?:US|A|C|HK|NZ)?(?P<money>\\?\$|[\u20ac\u00a3\u00a5\u20b9]|"
    r"(?:USD|EUR|Rs\.?)(?![A-Za-z]))\s*\}?\s*(?P<inner>-?)\s*(?=[\d.\\({])"
)
_IN_TEXT = re.compile(r"[A-Za-z]+(?:\.[A-Za-z])*|\\?\$|[\u20ac\u00a3\u00a5\u20b9\u00a2%/]|\^\{?-?\d\}?|['\"]")
_VALUE_END = re.compile(r"[\d)}\]!]\s*\Z|\\(?:pi|infty)\s*\Z")


_KNOWN = {*_CANONICAL, *_SPEEDS, *_SQUARED, *_POWERS}


class Unit(NamedTuple):
    """Powers of known units, and words nobody knows as one."""

    known: dict[str, int]
    other: frozenset[str]

    def fits(self, unit: Unit) -> bool:
        """Whether a quantity in the one may be meant by one in the other: they are the same, or one is missing."""
        if not any(self) or not any(unit):
            return True
        if self.known and unit.known and self.known != unit.known:
            counted = {"unit"} in (set(self.known), set(unit.known))  # square units are any squares
            return counted and sum(self.known.values()) == sum(unit.known.values())
        return self.other <= unit.other or unit.other <= self.other if self.other or unit.other else True


class Quantity(NamedTuple):
    """A ``value`` in spelt LaTeX, what it is counted in, and whether it is a percentage."""

    value: str
    unit: Unit
    percent: bool = False


NONE = Unit({}, frozenset())


def quantity(text: str) -> Quantity:
    """``text`` (see ``latex.spell``) taken apart; the whole text as value where its end is no unit."""
    value, words = text.strip(), []
    while piece := _PIECE.search(value):
        found = _words(piece, value)
        if found is None:
            break
        words = found + words
        value = value[: piece.start()].rstrip()
    front = _FRONT.match(value)
    if front and not words:
        words = [front["money"].replace("\\", "")]
        value = front["sign"] + front["inner"] + value[front.end() :]
    elif front:
        value = front["sign"] + front["inner"] + value[front.end() :]
    if not words:
        return Quantity(value, NONE)
    variable = words[0] == "/" and len(words[1:2]) == 1 and len(words[1]) == 1
    made = _built(words, value) if _VALUE_END.search(value) and not variable else None
    return made or Quantity(text.strip(), NONE)


def _words(piece: re.Match[str], value: str) -> list[str] | None:
    """The words one piece of the end adds to a unit; None when it is part of the value."""
    power = piece["power"] or piece["digit"]
    raised = [f"^{power}"] if power else []
    if piece["text"] is not None:
        return _IN_TEXT.findall(piece["text"]) + raised
    if piece["word"]:
        word = piece["word"].replace(".", "")
        apart = value[: piece.start()][-1:].isspace()
        if len(word) == 1:  # else a variable
            good = word in _CANONICAL and (value[: piece.start()][-1:] == "/" or apart)
        else:
            good = word in _KNOWN or (apart and len(word) > 2)
        return [word, *raised] if good else None
    if piece["degree"]:
        return [piece["heat"] or "degree"]
    return [(piece["money"] or piece["percent"] or piece["join"].replace("\\cdot", "")).replace("\\", ""), *raised]


def _built(words: list[str], value: str) -> Quantity | None:
    known: dict[str, int] = {}
    other: set[str] = set()
    power, sign, percent, last, scale = 1, 1, False, "", Fraction(1)
    for at, word in enumerate(words):
        lower = word.replace(".", "").lower()
        if lower in _STOPS:
            return None
        if lower in _POWERS or word.startswith("^"):
            times = _POWERS.get(lower) or int(word.strip("^{}"))
            if last in _NEVER_RAISED:
                return None
            if last in known:
                known[last] *= times
            elif not last:
                value = f"({value})^{{{times}}}"
        elif lower in _SQUARED:
            power = _SQUARED[lower]
        elif lower in ("per", "/"):
            sign = -1
        elif word == "%" or lower in ("percent", "percentage", "pct"):
            percent = True
        elif not last and len(lower) > 2 and (factor := SCALES.get(lower) or SCALES.get(lower.removesuffix("s"))):
            if isinstance(factor, Fraction) and not lower.endswith("s"):
                return None  # 5 fifth graders
            scale *= factor
        elif lower in _SPEEDS:
            known |= dict(zip(_SPEEDS[lower], (1, -1), strict=True))
        elif name := _CANONICAL.get(word.replace(".", "")) or _CANONICAL.get(lower):
            if name in ("celsius", "fahrenheit") and last == "degree":
                known.pop("degree")
            elif lower == "in" and at < len(words) - 1 and not words[at + 1].startswith("^"):
                continue
            known[name] = known.get(name, 0) + power * sign
            last, power = name, 1
        elif word.isalpha() and lower not in _FILLERS:
            last = _singular(lower)
            other.add(last)
        elif not word.isalpha() and word:
            return None
    if scale != 1:
        value = f"({value})\\cdot \\frac{{{scale.numerator}}}{{{scale.denominator}}}"
    return Quantity(value, Unit(known, frozenset(other)), percent)


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("xes", "ses", "shes", "ches")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word
