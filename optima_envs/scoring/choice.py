"""The metric ``choice``: which option an answer names, by its label, its text, or both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from .decoration import bare, plain, trimmed

_LABEL = re.compile(r"[A-Z]|[1-9]")
_BE = "is|are|was|would be|must be|should be|will be|has to be|seems to be"
_KIND = (
    "(?:(?:final|correct|right|best|true|proper|single|only|chosen|selected|preferred|"
    "(?:most )?(?:likely|appropriate|accurate|suitable)) )*"
)
_NOUN = "(?:answer|ans|option|choice|letter|label|solution|response|result|pick|selection)"
_CHOOSE = "choose|pick|select|say|think|believe|guess|answer|vote|go(?:ing)?|opt|conclude"
# "(the right) answer (is)" in other languages
_ELSEWHERE = (
    r"(?:die )?(?:richtige )?antwort(?: (?:ist|lautet))?|(?:la )?(?:bonne )?r\u00e9ponse(?: est)?|"
    r"(?:la )?respuesta(?: correcta)?(?: es)?|(?:a )?resposta(?: correta)?(?: \u00e9)?|"
    r"(?:la )?risposta(?: corretta)?(?: \u00e8)?|\u043e\u0442\u0432\u0435\u0442|odpowied\u017a|antwoord|svar|cevap"
)
_EAST = (
    "(?:\u6b63\u786e|\u6700\u7ec8|\u6700\u7d42)?(?:\u7b54\u6848|\u56de\u7b54|\u7b54\u3048|\u9009\u9879|\u9009\u62e9|"
    "\u9009|\uc815\ub2f5|\ub2f5)(?:\u662f|\u4e3a|\u306f|\uc740)?"
)
# what is said before and after an option, in phrases that name none
_LEAD = re.compile(
    rf"(?:(?:(?:the|my|our|your) )?{_KIND}{_NOUN}(?: (?:to|for) (?:the|this) (?:question|problem))?(?: (?:{_BE}))?|"
    rf"(?:it|that|this)(?:'s| (?:{_BE}))|so|therefore|thus|hence|finally|in conclusion|"
    rf"i(?: am|'m| would|'d| will|'ll)? (?:{_CHOOSE})(?: with| for| that)?|choose|pick|select|go with|{_ELSEWHERE})"
    rf"(?![\w'])[\s:=,>-]*|{_EAST}[\s:=,>-]*|#{{1,6}}[\s:]*"
)
MAX_LEADS = 8
_TAIL = re.compile(rf"[\s,]{{0,3}}\b(?:{_BE}) (?:(?:the|my) )?(?:{_KIND}{_NOUN}|correct|right|true|best|the one)\s*\Z")
_OPEN, _CLOSE = r"[(\[<{]\s?", r"\s?[)\]>}]"
_JOIN = r"(?:\s?(?:[.:;,)\]]|(?:-+>?|=>?|\u2192)(?=\s?\S))[.:]?\s?|\n)"
_FIRST = re.compile(
    rf"(?:{_OPEN}([a-z1-9]){_CLOSE}[.:]?|([a-z1-9])(?={_JOIN}|\s?[(\[]|\Z))(?:{_JOIN}|\s)?(.*)", re.DOTALL
)
_LAST = re.compile(
    rf"(.*?)(?:\s?{_OPEN}(?:(?:option|answer|choice|letter) )?([a-z1-9]){_CLOSE}[.:]?|,? ?option ([a-z1-9]))", re.DOTALL
)
_ARTICLE = re.compile(r"(?:the|an)\s+(?=\S)")  # "a" may be a label


def choice_match(answer: str, golds: Sequence[str]) -> float:
    """1.0 when ``answer`` names the right option. ``golds`` hold its label first (one letter or digit), then its text.

    ``C``, ``(c)``, ``**C.**``, ``The answer is option C``, ``C) its text``, ``its text (C)`` and ``its text`` are
    right; a label with another option's text is not, and what can be read as a label is. Case, decoration, a leading
    article and end punctuation do not count.
    """
    label = golds[0].strip().lower() if golds and _LABEL.fullmatch(golds[0].strip()) else None
    texts = {_flat(gold) for gold in (golds if label is None else golds[1:])}
    texts |= {text[2:] for text in texts if text.startswith("a ")}
    return float(any(_names(said, label, texts) for said in _readings(answer)))


def label_alone(text: str) -> str | None:
    """The label, in lower case, where ``text`` (see ``plain``) names one by itself; with its brackets and wording."""
    for said in _readings(text):
        match = _FIRST.fullmatch(said)
        if match and not match[3].strip():
            return match[1] or match[2]
    return None


def _readings(answer: str) -> list[str]:
    """The answer, and what is left of it without the words before and after an option."""
    said = trimmed(plain(answer).replace('"', "").casefold())
    found = [said]
    if not bare(answer)[:1].isalnum() and said[1:2] == " ":  # **C** red: the label was set off from its text
        found.append(f"{said[0]}: {said[2:]}")
    while len(found) < MAX_LEADS and (lead := _LEAD.match(said)):
        said = said[lead.end() :]
        if said[:1] == said[-1:] == "'":
            said = said[1:-1]
        found.append(said)
    return [reading for text in found for reading in dict.fromkeys((text, trimmed(_TAIL.sub("", text))))]


def _names(said: str, label: str | None, texts: set[str]) -> bool:
    if said in (label, "") or _flat(said) in texts:
        return said != ""
    if label is None:
        return False
    for form, at, rest in ((_FIRST, (1, 2), 3), (_LAST, (2, 3), 1)):
        match = form.fullmatch(said)
        if match and label in (match[at[0]], match[at[1]]):
            text = _flat(_unbracketed(match[rest]))
            if not text or text in texts:
                return True
    return False


def _unbracketed(text: str) -> str:
    text = text.strip()
    return text[1:-1] if text[:1] in "([" and text[-1:] in ")]" and not set("()[]") & set(text[1:-1]) else text


@lru_cache(maxsize=1024)
def _flat(text: str) -> str:
    flat = trimmed(" ".join(plain(text).replace('"', "").casefold().split()))
    return _ARTICLE.sub("", flat) if _ARTICLE.match(flat) else flat
