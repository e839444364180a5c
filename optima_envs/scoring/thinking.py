"""What a turn shows and what it keeps to itself: thinking is cut out before an answer is looked for."""

from __future__ import annotations

import re

_THINK = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE | re.ASCII)


def visible(text: str) -> str:
    """``text`` without its thinking: what lies in ``<think>...</think>``, after an unclosed ``<think>``, or before a
    ``</think>`` that nothing opened (chat templates often put the opening tag into the prompt)."""
    if not _THINK.search(text):
        return text
    parts: list[str] = []
    at, thinking = 0, False
    for match in _THINK.finditer(text):
        closing = match[1] == "/"
        if closing and not thinking:
            parts.clear()
        elif not closing and not thinking:
            parts.append(text[at : match.start()])
        thinking = not closing
        at = match.end()
    if not thinking:
        parts.append(text[at:])
    return " ".join(parts) if len(parts) != 1 else parts[0]
