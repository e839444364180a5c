"""A page as an HTML parser sees it, and what is packed into it."""

from __future__ import annotations

import base64
import gzip
import html.parser
import json
from typing import Any

from optima_train.report.dialogues import Dialogues


class Outline(html.parser.HTMLParser):
    """The tags of a page, and the texts of its script blocks by id (``code``: the one without)."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.blocks: dict[str, str] = {}
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._inside = dict(attrs).get("id") or "code" if tag == "script" else ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.blocks[self._inside] = self.blocks.get(self._inside, "") + data


def opened(text: str) -> Any:
    """What ``squeeze`` packed."""
    return json.loads(gzip.decompress(base64.b64decode(text)))


def unpacked(dialogues: Dialogues) -> tuple[dict[str, Any], list[list[list[Any]]]]:
    """The index, and the turns of all episodes."""
    return opened(dialogues.index), [turns for chunk in dialogues.chunks for turns in opened(chunk)]
