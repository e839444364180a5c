"""Pieces: a text tokenised between its control tokens, each piece once; earlier turns of a dialogue are not redone.

A fast tokenizer first cuts a text at its added tokens and treats what lies between each by itself, so the ids of a
growing prompt are those of its pieces.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

REMEMBERED = 16_384  # pieces, about 16 MB of common dialogues
LONGEST = 4_096  # characters of a piece that is worth remembering: hostile text must not fill the memory


class Pieces:
    """Ids of texts by a fast transformers ``tokenizer``, the same as ``tokenizer(text, add_special_tokens=False)``.

    ``cuts`` is None where the tokenizer's added tokens take in what stands beside them; texts are then tokenised whole.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder
        # the others are looked for later, in each piece after it was normalised
        raw = {token.content: number for number, token in added.items() if not token.normalized}
        plain = not any(t.lstrip or t.rstrip or t.single_word for t in added.values())
        names = sorted((name for name in raw if name), key=len, reverse=True)  # of several at one place, the longest
        self.cuts = re.compile(f"({'|'.join(map(re.escape, names))})") if plain and names else None
        self._numbers = raw
        self._known: OrderedDict[str, list[int]] = OrderedDict()

    def ids(self, text: str) -> list[int]:
        if self.cuts is None:
            return self._whole(text)
        parts = self.cuts.split(text)  # text, token, text, token, ..., text
        out = self._whole(parts[0]) if parts[0] else []
        for at in range(1, len(parts), 2):
            out.append(self._numbers[parts[at]])
            if parts[at + 1]:
                out += self._piece(parts[at], parts[at + 1])
        return out

    def _piece(self, token: str, text: str) -> list[int]:
        """Ids of a piece that follows ``token``: some tokenizers treat the very beginning of a text otherwise."""
        known = self._known.pop(text, None)  # and back at the end: the oldest is forgotten first
        if known is None:
            known = self._whole(token + text)[1:]
        if len(text) <= LONGEST:
            self._known[text] = known
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return known

    def _whole(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]
