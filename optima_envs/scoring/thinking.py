"""What a turn shows and what it keeps to itself: thinking is cut out before an answer is looked for.

Thinking lies between tags (``<think>``, ``<reasoning>``, ``[THINK]``, ``<|START_THINKING|>`` and their kin, with
blanks, attributes or a namespace) or in a channel (``<|channel|>analysis<|message|>``). What is never closed goes on to
the end; a closing mark that nothing opened makes all before it thinking, since chat templates often put the opening one
into the prompt.
"""

from __future__ import annotations

import re

# whoever opens with a word of one family may close with another word of it
_FAMILIES = {
    "think": r"think(?:ing)?|thoughts?|cot|chain_of_thought",
    "reason": r"reason(?:ing)?|rationale|analysis",
    "aside": r"scratch_?pad|reflection|monologue",
}
_WORDS = "|".join(f"(?P<{family}>{words})" for family, words in _FAMILIES.items())
_MARK = re.compile(
    # <think>, </think >, <seed:think>, <inner_thoughts>, <thinking_process>, <think id=1>
    rf"<\s?(?P<close>/?)\s?(?!no_)(?:\w{{1,12}}[:_])?(?:{_WORDS})(?:_\w{{1,40}})?(?:\s[^<>\n]{{0,80}})?>"
    r"|(?:\[(?P<end1>/?)think(?:ing)?\]|(?:\u25c1|<\|)(?P<end2>/?)(?:think(?:ing)?|thoughts?)(?:\u25b7|\|>))"
    r"|<\|(?:(?P<begins>start|begin)|end)(?:_of)?_(?:think(?:ing)?|thoughts?|reasoning)\|>"
    # channels, with their control tokens or without
    r"|<\|channel\|?>\s*(?:(?P<final>final)|(?P<channel>\w{1,20}))\b(?:[^<>\n]{0,80}<\|message\|>)?"
    r"|(?P<over><\|(?:end|return|call)\|>)|(?P<left><channel\|>)"
    r"|\A(?P<glued>(?-i:analysis(?=[A-Z<\\])))|(?P<answers>assistantfinal)",
    re.IGNORECASE | re.ASCII,
)
_HINT = re.compile(r"[<\[\u25c1]|\Aanalysis|assistantfinal", re.IGNORECASE)
# one of these is in every mark, and looking for them is ten times as quick as looking for the marks
_ROOTS = ("<|", "think", "thought", "reason", "cot", "analysis", "channel", "rationale", "reflection", "scratch",
          "monologue", "assistantfinal")  # fmt: skip
_ANY = "any"


def visible(text: str, opened: bool = False) -> str:
    """``text`` without its thinking; ``opened``: the prompt ended with an opening mark, so the text begins inside."""
    if not opened:
        if not _HINT.search(text):
            return text
        low = text.lower()
        if not any(root in low for root in _ROOTS):
            return text
    parts: list[str] = []
    at, inside = 0, _ANY if opened else None  # the family that was opened and is not yet closed
    for match in _MARK.finditer(text):
        family, opens = _meaning(match)
        if opens:
            if inside is None:
                parts.append(text[at : match.start()])
                inside = family
            continue
        if inside is None and match["over"]:  # ends any message, thinking or not
            continue
        if inside is None or family == _ANY:
            parts.clear()
        elif inside not in (family, _ANY):  # of another kind of thinking, told of inside this one
            continue
        at, inside = match.end(), None
    if inside is None:
        parts.append(text[at:])
    return " ".join(parts) if len(parts) != 1 else parts[0]


def _meaning(match: re.Match[str]) -> tuple[str, bool]:
    """(family, whether it opens) of one mark."""
    for family in _FAMILIES:
        if match[family]:
            return family, not match["close"]
    if match["final"] or match["answers"]:
        return _ANY, False
    if match["channel"] or match["over"] or match["left"]:
        return "channel", bool(match["channel"])
    if match["glued"]:
        return "glued", True
    return "think", match["begins"] is not None or "" in (match["end1"], match["end2"])
