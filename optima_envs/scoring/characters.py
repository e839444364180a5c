"""Characters: one spelling for what is written with many of them. Nothing that carries meaning is lost.

Full-width, circled and styled letters, digits of any script, dashes that serve as minus signs, quotes and spaces become
ASCII; characters nobody can see go; raised digits become ``^2``, lowered ones ``_2``, ``1½`` becomes ``1 1/2``.
"""

from __future__ import annotations

import re
import unicodedata

_MINUS = "\u02d7\u2010\u2011\u2012\u2013\u2014\u2015\u207b\u208b\u2212\u2796\ufe58\ufe63\uff0d"
_SPELT = {
    **dict.fromkeys(_MINUS, "-"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u301d\u301e\u301f\u300c\u300d\u300e\u300f\u00ab\u00bb\uff02", '"'),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4\u2039\u203a\uff07", "'"),
    **dict.fromkeys("\u3002\uff61\ufe52\u066b", "."),
    **dict.fromkeys("\u3001\uff64\u066c\u060c", ","),
    **dict.fromkeys("\u3010\u3014\u27e6", "["),
    **dict.fromkeys("\u3011\u3015\u27e7", "]"),
    **dict.fromkeys("\u2044\u2215\u29f8", "/"),
    **dict.fromkeys("\u2028\u2029", "\n"),
    **{char: char for char in "\u2102\u2115\u211a\u211d\u2124"},  # blackboard letters name sets of numbers
    "\u2236": ":",
    "\u066a": "%",
    "\u00ba": "\u00b0",  # a raised o is typed for the degree sign
}
# kinds of compatibility characters that only look different; what is raised, lowered or a fraction means more
_LOOKS = ("<wide>", "<narrow>", "<small>", "<font>", "<circle>", "<square>", "<compat>", "<noBreak>")
_RAISED = dict(
    zip(
        "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b\u207c\u207d\u207e\u207f\u2071\u02e3",
        "0123456789+-=()nix",
        strict=True,
    )
)
_LOWERED = dict(
    zip(
        "\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089\u208a\u208b\u208d\u208e\u2090\u2093\u2099\u1d62",
        "0123456789+-()axni",
        strict=True,
    )
)
_SCRIPTS = re.compile(f"([{''.join(_RAISED)}]+)|([{''.join(_LOWERED)}]+)")
_FRACTION = re.compile("(\\d?)([\u00bc-\u00be\u2150-\u215e\u2189])(?=(\\d?))")


class _Folded(dict[int, str]):
    """A table for ``str.translate``, filled as characters turn up."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _folded(chr(code))
        return folded


def _folded(char: str) -> str:
    if char in _SPELT:
        return _SPELT[char]
    kind = unicodedata.category(char)
    if kind == "Cf" or "\ufe00" <= char <= "\ufe0f" or char == "\u034f":  # invisible
        return ""
    if kind == "Zs":
        return " "
    if kind == "Nd":
        return str(unicodedata.decimal(char))
    if "\U0001f150" <= char <= "\U0001f169" or "\U0001f170" <= char <= "\U0001f189":  # white letters on black
        return chr(ord("A") + (ord(char) - 0x1F150) % 32)
    look = unicodedata.decomposition(char).split(" ", 1)[0]
    plain = unicodedata.normalize("NFKC", char)
    if look in _LOOKS and not plain.startswith(" "):
        return "".join(_SPELT.get(part, part) for part in plain)
    if look == "<super>" and plain.isalpha():
        return plain
    return char


_TABLE = _Folded()


def fold(text: str) -> str:
    """``text`` in its plain spelling, in composed form; ASCII text is returned as it is."""
    if text.isascii():
        return text
    text = _FRACTION.sub(_fraction, _SCRIPTS.sub(_script, text)).translate(_TABLE)
    return unicodedata.normalize("NFC", text)


def _script(match: re.Match[str]) -> str:
    table, run, mark = (_RAISED, match[1], "^") if match[1] else (_LOWERED, match[2], "_")
    inside = "".join(table[char] for char in run)
    return mark + (inside if len(inside) == 1 else f"{{{inside}}}")


def _fraction(match: re.Match[str]) -> str:
    # a digit before makes it a mixed number, and a digit after must not run into it
    parts = unicodedata.normalize("NFKC", match[2]).replace("\u2044", "/")
    return f"{match[1]} {parts}{' ' * bool(match[3])}" if match[1] else f"{parts}{' ' * bool(match[3])}"
