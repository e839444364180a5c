"""Decoration: what a writer puts around an answer without saying anything by it. Every metric, and agreement, reads
answers through ``bare``; those that read words and numbers go on to ``plain``.

``bare`` takes off what encloses the whole answer: answer marks, Markdown, HTML, quotes, LaTeX that only sets type, math
delimiters, blanks. ``plain`` takes the same off inside the answer as well. Neither drops a letter, digit or sign.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .characters import fold

MAX_LAYERS = 12

_LOOK = (  # LaTeX commands whose argument is what is said
    r"\\(?:(?:text(?:bf|it|rm|sf|tt|sc|up|normal)?|emph|math(?:rm|bf|it|sf|tt|normal)|bm|boldsymbol|pmb|[mhf]box|boxed|"
    r"framebox|underline|operatorname\*?|(?:text)?color\s*\{\w{1,20}\})\s*)(?=\{)"
)
_SWITCHES = (  # LaTeX commands that set what follows in another look
    r"\\(?:color\s*\{\w{1,20}\}(?!\s*\{)|(?:(?:display|text|script)style|bf|it|rm|sf|tt|bfseries|itshape|[lL]arge|LARGE|[hH]uge|"
    r"small|normalsize|centering|noindent|strut|mathstrut)(?![a-zA-Z]))\s*"
)
_SWITCH = re.compile(_SWITCHES)
_LATEX_BLANK = (
    r"(?:\\[,;:!> ]|\\(?:q?quad|thinspace|enspace|hfill|newline|par)(?![a-zA-Z])|\\\\(?![a-zA-Z])|"
    r"(?<!~)~(?!~)|\\(?=\Z))"
)
_HEAD = re.compile(rf"(?:\s|(?!~){_LATEX_BLANK})*")
_TAIL = re.compile(rf"(?:\s|{_LATEX_BLANK}[.,;:]?|(?<=[^~]~~)~)\Z")  # a tie may follow a struck answer
_HEADING = re.compile(r"\A#{1,6}\s+|\A#{2,6}(?=[^#])")
_FENCE = re.compile(r"\A```(?:[a-z]{1,12}\n)?\s*(?=[^`\s])([^`]*)```\Z")
_BRACES = re.compile(rf"(?P<look>{_LOOK}\{{|\{{\s*{_SWITCHES})|\\.|(?P<brace>[{{}}])", re.DOTALL)
_BRACKETS = re.compile(r"\\.|[{}()]", re.DOTALL)
_PAIRS = (
    *(("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")),
    *((mark, mark) for mark in ("***", "**", "*", "___", "__", "_", "~~", "``", "`", '"', "'")),
    ("``", "''"),
)
_TAG = re.compile(
    r"</?\s?(?:(?P<short>[abiu])|strong|em|code|span|p|div|mark|small|tt|font|center|answer|final_?answer|result)"
    r"(?:\s[^<>]{0,80})?\s?>",
    re.IGNORECASE | re.ASCII,
)
_AFTER = " .,;:!"  # what may follow a closing mark

_EMPHASIS = re.compile(r"(?<![\w)\]}.*])[*_]+(?=[^\s*_])|(?<=[^\s*_])[*_]+(?![\w({\\*])|~~|`+")
_INLINE = re.compile(r"(?<!\\)\$\$?((?:[^$\d\s\\]|\\.)(?:[^$\\]|\\.)*)\$\$?|\\[()\[\]]")
_SPACE = re.compile(rf"(?:\s|(?!~){_LATEX_BLANK})+")
_TIE = re.compile(r"(?<=[\w)\]}.,])~(?=[\w(\\])")
_ESCAPED = re.compile(r"\\([%$#&_*{}])")


@lru_cache(maxsize=1024)  # golds come again and again
def bare(text: str) -> str:
    """``text`` in plain characters (see ``fold``), without what encloses it; never empty where ``text`` was not."""
    if text.isascii() and text.isalnum():  # one plain word
        return text
    text = fold(text).strip()
    for _ in range(MAX_LAYERS):
        inner = _within(_unedged(text))
        if inner == text or not inner:
            break
        text = inner
    return text


def _unedged(text: str) -> str:
    head = _HEAD.match(text)
    end = len(text)
    while (tail := _TAIL.search(text[max(0, end - 12) : end])) and tail.start() < tail.end():
        end -= tail.end() - tail.start()
    return text[head.end() if head else 0 : end]


def _within(text: str) -> str:
    """``text`` without its outermost decoration; as it is when it has none."""
    first = text[:1]
    if first.isalnum() or not first:
        return text
    if first == "#":
        return _HEADING.sub("", text)
    if first in "\\{":
        text = _SWITCH.sub("", text) if _SWITCH.match(text) else text
        opened = _BRACES.match(text)
        if opened and (opened["look"] or opened["brace"] == "{"):
            end = closing(text, opened.end())
            inner = text[opened.end() : end] if end is not None and not text[end + 1 :].strip(_AFTER) else ""
            # braces alone may be meant for a set
            return inner.strip() or text if opened["look"] or "," not in inner else text
    if first == "<":
        opened = _TAG.match(text)
        last = opened and list(_TAG.finditer(text))[-1]
        if (
            opened
            and last
            and last.start() > opened.start()
            and last[0][1] == "/"
            and not text[last.end() :].strip(_AFTER)
        ):
            return text[opened.end() : last.start()].strip()
        return text
    if fenced := _FENCE.match(text):
        return fenced[1].strip()
    ended = text.rstrip(_AFTER)
    if first in "*_" and (inner := ended.strip(first)) and first not in inner and ended.endswith(first):
        return inner.strip()
    for mark, close in _PAIRS:
        if text.startswith(mark) and ended.endswith(close) and len(ended) > len(mark) + len(close):
            inner = ended[len(mark) : -len(close)]
            if close not in inner and mark not in inner:
                return inner.strip()
    return text


def closing(text: str, at: int, opened: str = "{") -> int | None:
    """Where the bracket ``opened`` just before ``at`` is closed; None when it is not."""
    depth = 1
    shut = "}" if opened == "{" else ")"
    for match in _BRACKETS.finditer(text, at):
        if match[0] == opened:
            depth += 1
        elif match[0] == shut:
            depth -= 1
            if not depth:
                return match.start()
    return None


@lru_cache(maxsize=1024)
def plain(text: str) -> str:
    """``bare(text)`` without decoration anywhere in it, blanks collapsed to one space, or one line break."""
    text = bare(text)
    if text.isascii() and text.isalnum():
        return text
    if "\\" in text or "$" in text:
        text = _INLINE.sub(lambda match: match[1] or "", _SWITCH.sub("", _unlooked(text)))
        text = _TIE.sub(" ", text)
        text = _ESCAPED.sub(r"\1", _SPACE.sub(lambda match: _gap(match[0]), text))
    if "<" in text:
        text = _untagged(text)
    text = _EMPHASIS.sub("", text)
    return "\n".join(line for line in (" ".join(part.split()) for part in text.split("\n")) if line)


def trimmed(text: str) -> str:
    """Without blanks and punctuation at the end; an exclamation mark after a digit may be a factorial."""
    end = text.rstrip(" \n\t.,;:?")
    if end.endswith("!") and end[-2:-1].isalpha():
        end = end[:-1]
    return end.strip() or text.strip()


def _gap(blank: str) -> str:
    return "" if blank == "\\!" else "\n" if "\n" in blank or "\\\\" in blank else " "


def _unlooked(text: str) -> str:
    """Arguments in place of the commands that only set them in another look."""
    out: list[str] = []
    looks: list[bool] = []  # for each open brace, whether it is such an argument
    at = 0
    for match in _BRACES.finditer(text):
        if match["look"]:
            out.append(text[at : match.start()])
            looks.append(True)
        elif match["brace"] == "{":
            looks.append(False)
            continue
        elif match["brace"] == "}" and looks and looks.pop():
            out.append(text[at : match.start()])
        else:
            continue
        at = match.end()
    out.append(text[at:])
    glued = ""
    for part in out:
        # what stood apart as an argument stays apart: 5\text{cm} is 5 cm
        apart = (glued[-1:].isdigit() and part[:1].isalpha()) or (glued[-1:].isalpha() and part[:1].isdigit())
        glued += f" {part}" if apart else part
    return glued


def _untagged(text: str) -> str:
    """Without HTML tags; those of one letter, which may be labels in brackets, only where they come in pairs."""
    opened = {match["short"].lower() for match in _TAG.finditer(text) if match["short"] and match[0][1] != "/"}
    closed = {match["short"].lower() for match in _TAG.finditer(text) if match["short"] and match[0][1] == "/"}
    return _TAG.sub(
        lambda match: match[0] if match["short"] and match["short"].lower() not in opened & closed else "", text
    )
