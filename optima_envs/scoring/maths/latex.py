"""LaTeX in one spelling: what math-verify is given, and what is compared as text first.

Unicode, plain text and LaTeX have several ways to write the same thing; here each becomes one. Decimals and repeating
decimals become exact fractions, so that nothing is rounded. Words in ``\\text{...}`` stay. Linear time.
"""

from __future__ import annotations

import re
from fractions import Fraction

from ..decoration import bare, closing

MAX_TEXTS = 6_400  # more are left to the parser

# what is said before an answer
_LEAD = re.compile(
    r"[*_]{0,3}(?:(?:so|thus|therefore|hence),? )?(?:the |my )?(?:(?:final|correct|right) )?"
    r"(?:answer|solution|result|ans)(?![a-zA-Z])(?: is(?![a-zA-Z]))?(?: ?[:=])?[*_]{0,3}(?: ?[:=])?\s*(?=\S)",
    re.IGNORECASE,
)
_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho varsigma sigma tau "
    "upsilon phi chi psi omega"
).split()
_LETTERS = {
    **{chr(0x3B1 + i): f"\\{name} " for i, name in enumerate(_GREEK)},
    **{chr(0x391 + i): f"\\{name.capitalize()} " for i, name in enumerate(_GREEK) if name != "varsigma"},
}
# signs and the commands for them, in pairs
_SIGNS = (
    "\u00d7 times \u00f7 div \u00b7 cdot \u22c5 cdot \u2219 cdot \u2022 cdot \u00b1 pm \u2213 mp \u221a root "
    "\u221e infty \u2205 emptyset \u2300 emptyset \u2264 le \u2265 ge \u2a7d le \u2a7e ge \u2260 ne \u2248 approx "
    "\u2208 in \u2209 notin \u222a cup \u2229 cap \u2282 subset \u2286 subseteq \u2192 to \u2220 angle "
    "\u25b3 triangle \u2223 mid \u222b int \u2211 sum \u230a lfloor \u230b rfloor \u2308 lceil \u2309 rceil"
).split()
_WRITTEN = {
    **dict(zip("\u27e8\u27e9\u2329\u232a", "()()", strict=True)),
    **{char: f"\\mathbb{{{name}}}" for char, name in zip("\u211d\u2124\u2115\u211a\u2102", "RZNQC", strict=True)},
    **dict.fromkeys("\u00b0\u2218", "^\\circ "),
    "\u221b": "\\root[3] ",
    "\u221c": "\\root[4] ",
}
_UNICODE = str.maketrans(_LETTERS | {s: f"\\{c} " for s, c in zip(_SIGNS[::2], _SIGNS[1::2], strict=True)} | _WRITTEN)
# what is written for commands that mean the same
_SAME = {
    command: kept
    for kept, commands in {
        "\\frac": "dfrac tfrac cfrac nicefrac sfrac flatfrac",
        "\\binom": "dbinom tbinom",
        "\\overline": "bar overbar",
        "\\le ": "leq leqslant",
        "\\ge ": "geq geqslant",
        "\\ne ": "neq",
        "\\emptyset ": "varnothing O",
        "\\infty ": "infin",
        "^\\circ ": "degree degrees textdegree",
        "\\cdot ": "ast cdotp centerdot bullet",
        "\\ldots ": "dots cdots dotsc",
        "\\to ": "rightarrow longrightarrow",
        "\\approx ": "approxeq",
        "\\phi ": "varphi",
        "\\epsilon ": "varepsilon",
        "(": "langle lparen",
        ")": "rangle rparen",
        "[": "lbrack",
        "]": "rbrack",
        "\\{": "lbrace",
        "\\}": "rbrace",
        "|": "vert lvert rvert mid",
        ":": "colon",
        "<": "lt",
        ">": "gt",
        "i": "imath",
        "\\$": "textdollar",
        "\u00a3": "pounds",
        "\u20ac": "euro",
        "\u00a2": "cent",
    }.items()
    for command in commands.split()
}
_FUNCTIONS = "sin|cos|tan|cot|sec|csc|sinh|cosh|tanh|arcsin|arccos|arctan|log|ln|exp|gcd|lcm|max|min"
_TRIGONOMETRIC = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])")
_WORDS = re.compile(
    r"(?<![A-Za-z\\])(?:(?P<root>sqrt)|(?P<endless>infinity|inf|oo)|"
    rf"(?P<name>{_FUNCTIONS}|{'|'.join(_GREEK)}))(?![A-Za-z])"
)
_ARGUMENT = re.compile(
    r"\s*(?:(?P<open>[{(])|(?P<command>\\[a-zA-Z]+)|(?P<number>[+-]?\d+(?:\.\d+)?)|(?P<letter>[a-zA-Z]))"
)
_TEXT = re.compile(r"\\(?:text(?:rm|bf|it|sf|tt|normal|up)?|[mh]box|mathrm|mathsf|rm)\s*\{([^{}]*)\}")
_COMMAND = re.compile(r"\\([a-zA-Z]+)")
_DROPPED = re.compile(
    r"\\(?:left|right|middle|[bB]igg?[lrm]?)(?![a-zA-Z])\s*\.?|\\(?:(?:display|text|script)style|limits)(?![a-zA-Z])|"
    r"\\color\s*\{\w{1,20}\}(?!\s*\{)|\\[hv]?(?:space|phantom)\*?\s*\{[^{}]{0,40}\}|"
    r"\\(?:(?:text)?color\s*\{\w{1,20}\}|boxed|f(?:rame)?box|underline|math(?:bf|it|normal|sf|tt)|boldsymbol|bm|pmb)\s*(?=\{)"
)
_SPACE = re.compile(r"(?:\s|(?<!\\)\\[,;:> ]|~|\\q?quad(?![a-zA-Z]))+")
_TIGHT = re.compile(r"(?<!\\)\\!")
_OPERATORS = (
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"\*"), "\\\\cdot "),
    (re.compile(r"<=|=<"), "\\\\le "),
    (re.compile(r">="), "\\\\ge "),
    (re.compile(r"!="), "\\\\ne "),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"(?<=[)\]}])\s*U\s*(?=[(\[\\{])"), "\\\\cup "),
    (re.compile(r"\+\s*-|-\s*\+"), "-"),
)
_GROUPED = re.compile(r"(?<![\d.,_^])(?>\d{1,3}(?:(?:,\s?\\!|\{,\}|(?<!\\)\\[,!;: ]|[~ '_])\s?\d{3}(?!\d))+)(?!\s?/)")
_COMMAS = re.compile(r"(?<![\d.,_^])(?>\d{1,3}(?:,\d{3}(?!\d))+)(?!,\d)")
_MIXED = re.compile(r"(?<![\w.}^_)/])(\d+) (\d+)/(\d+)(?![\d/.])")
_REPEATING = re.compile(
    r"(?<![\d.])(?P<int>\d{0,40})\.(?P<fix>\d{0,40}?)(?:"
    r"\\overline\s*(?:\{(?P<over>\d{1,40})\}|(?P<one>\d))|"
    r"\\dot\s*\{?(?P<first>\d)\}?(?:(?P<mid>\d{0,40})\\dot\s*\{?(?P<last>\d)\}?)?|"
    r"\((?P<round>\d{1,40})\)|(?P<marked>(?:\d[\u0304\u0305\u0307]){1,40})|"
    r"(?P<again>\d{1,6}?)(?P=again)+(?:\.\.\.|\\ldots\s?))"
)
_DECIMAL = re.compile(r"(?<![\d.])(\d{0,80})\.(\d{1,80})(?![\d.])")
_SCIENTIFIC = re.compile(r"(?<![\w.\\])(\d{1,80}(?:\.\d{1,80})?)[eE]([+-]?\d{1,4})(?!\w)")
_IMAGINARY = re.compile(r"(?<=\d)\s*i(?![a-zA-Z])")
_FACTOR = re.compile(r"(?<=[\d)]) ?(?=\((?![A-Za-z]{2}))")  # 2(3) is 6, which latex2sympy takes for a mixed number
_BELOW = re.compile(r"_ ?(?:(\d+)(?= |\Z|[^\w\s])|([0-9A-Za-z]))|(?<=log)_ ?(\d)")
_ANGLE = re.compile(r"(\d+|\\frac\{\d+\}\{\d+\}) ?\^ ?(?:\\circ|\{\\circ ?\})")
_TAKES = re.compile(
    r"\\(?P<name>root|sqrt|frac|binom)(?![a-zA-Z])(?P<degree>\s*\[[^\[\]{}]{0,20}\])?|\^\s*(?=[(\-+\d])"
)
_HELD = re.compile("[\ue000-\uf8ff]")  # private-use characters stand for texts meanwhile


def spell(text: str) -> str:
    """``text`` in one spelling, without decoration, blanks collapsed."""
    held: list[str] = []

    def hold(match: re.Match[str]) -> str:
        words = " ".join(match[1].split())
        if not words:
            return " "
        # digits are no words, nor are i, e and d set upright
        if any(char.isdigit() for char in words) or (words in ("i", "e", "d") and match[0].startswith("\\math")):
            return f" {words} "
        if len(held) == MAX_TEXTS:
            return match[0]
        held.append(words)
        return chr(0xE000 + len(held) - 1)

    text = bare(text)
    if lead := _LEAD.match(text):
        text = bare(text[lead.end() :])
    spelt = _HELD.sub("", text).translate(_UNICODE)
    spelt = _mathematics(_TEXT.sub(hold, _DROPPED.sub("", spelt)))
    spelt = _HELD.sub(lambda match: f" \\text{{{held[ord(match[0]) - 0xE000]}}} ", spelt)
    return " ".join(spelt.split())


def _mathematics(text: str) -> str:
    text = _COMMAND.sub(lambda match: _SAME.get(match[1], match[0]), text)
    text = _WORDS.sub(_word, text)
    text = _GROUPED.sub(lambda match: re.sub(r"\D", "", match[0]), text)
    text = _SPACE.sub(" ", _TIGHT.sub("", text))
    for pattern, operator in _OPERATORS:
        text = pattern.sub(operator, text)
    text = _COMMAS.sub(lambda match: match[0].replace(",", "") if _depth(text, match.start()) == 0 else match[0], text)
    text = _MIXED.sub(_mixed, text)
    text = _arguments(text)
    text = _SCIENTIFIC.sub(r"\1\\cdot 10^{\2}", text)
    text = _DECIMAL.sub(_decimal, _REPEATING.sub(_repeating, text))
    text = _BELOW.sub(lambda match: f"_{{{match[1] or match[2] or match[3]}}}", text)
    if _TRIGONOMETRIC.search(text):
        text = _ANGLE.sub(r"(\\frac{\1\\pi}{180})", text)
    return _FACTOR.sub("\\\\cdot ", _IMAGINARY.sub(" i", text))


def _word(match: re.Match[str]) -> str:
    return "\\root " if match["root"] else "\\infty " if match["endless"] else f"\\{match['name']} "


def _depth(text: str, at: int) -> int:
    return sum(text.count(char, 0, at) for char in "([{") - sum(text.count(char, 0, at) for char in ")]}")


def _mixed(match: re.Match[str]) -> str:
    whole, top, bottom = match.groups()
    return f"({whole}+\\frac{{{top}}}{{{bottom}}})" if int(top) < int(bottom) else match[0]


def _repeating(match: re.Match[str]) -> str:
    part = match.groupdict()
    block = part["over"] or part["one"] or part["round"] or part["again"]
    if part["marked"]:
        block = re.sub(r"\D", "", part["marked"])
    if block is None:
        block = part["first"] + (part["mid"] or "") + (part["last"] or "")
    fixed = len(part["fix"])
    value = Fraction(int(f"{part['int']}{part['fix']}" or 0)) + Fraction(int(block), 10 ** len(block) - 1)
    return _fraction(match, value / 10**fixed)


def _decimal(match: re.Match[str]) -> str:
    return _fraction(match, Fraction(f"{match[1] or 0}.{match[2]}"))


def _fraction(match: re.Match[str], value: Fraction) -> str:
    exact = str(value.numerator) if value.denominator == 1 else f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
    before = match.string[: match.start()].rstrip()[-1:]
    # beside a digit it is a factor, not the fraction of a mixed number
    return f"{{{exact}}}" if before in ("^", "_") else f"({exact})" if before.isdigit() else exact


def _arguments(text: str) -> str:
    """Roots, fractions, binomials and powers with their arguments in braces; the last one first, so that those inside
    others are done before them."""
    for match in reversed(list(_TAKES.finditer(text))):
        name = match["name"]
        wide = name in ("root", None)  # outside LaTeX a root, and a power, takes the whole number
        made: list[str] = []
        at = match.end()
        for _ in range(2 if name in ("frac", "binom") else 1):
            taken = _argument(text, at, wide, round_too=name not in ("frac", "binom"))
            if taken is None:
                break
            made.append(f"{{{taken[0]}}}")
            at = taken[1]
        else:
            head = "^" if name is None else f"\\{'sqrt' if name == 'root' else name}{(match['degree'] or '').strip()}"
            text = f"{text[: match.start()]}{head}{''.join(made)}{text[at:]}"
    return text


def _argument(text: str, at: int, wide: bool, round_too: bool) -> tuple[str, int] | None:
    """(one argument of a command, where it ends); None when there is none."""
    rest = _ARGUMENT.match(text, at)
    if rest is None:
        return None
    if rest["open"]:
        if rest["open"] == "(" and not round_too:
            return None
        end = closing(text, rest.end(), rest["open"])
        return None if end is None else (text[rest.end() : end], end + 1)
    if rest["command"]:
        end = rest.end()
        while text[end : end + 1] == "{" and (close := closing(text, end + 1)) is not None:
            end = close + 1
        return text[rest.start("command") : end], end
    digits = rest["number"] if wide else rest["number"] and rest["number"][:1]
    token = digits or rest["letter"]
    return token, rest.end() - len(rest["number"] or "") + len(digits or "")
