"""DebateGPT's prompts: a CSV with an index without a name and ``prompt``. A prompt is a question without turns, to be
debated first (``optima bench`` with its method ``debategpt``); the debates are read as a log of ours (``optima``).
"""

from __future__ import annotations

import re
from typing import Any

from optima_envs.records import Episode

from ..messages import fields, text_id
from ..registry import Read, Where
from ..transcript import BadRow, episode

_LINK = re.compile(r"https?://\S")


def reader() -> Read:
    def read(row: Any, at: Where) -> Episode:
        prompt = fields(row, "prompt")["prompt"]
        if not isinstance(prompt, str):
            raise BadRow("the prompt is no text")
        info = {"flags": ["the input is a link nobody can follow"]} if _LINK.search(prompt) else {}
        return episode("debategpt", text_id(row.get("", row.get("id")), at), prompt, (), info=info, turnless=True)

    return read
