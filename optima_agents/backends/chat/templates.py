"""ChatTokenizer: messages -> prompt ids through the model's own chat template; text can never become a control token.

The usual way, render then tokenise, turns ``<|im_end|>`` inside a message into the real token. Here each prompt's
control tokens are compared with those of a clean prompt of the same roles; only where they differ, the template's
parts and the messages' texts are tokenised apart, the texts without special tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from ..base import Message
from .pieces import Pieces

log = logging.getLogger(__name__)

CLEAN = "word"


class ChatTokenizer:
    """Wraps a fast transformers tokenizer that has a chat template.

    ``end_of_turn`` is the control token the template puts behind an assistant message (None: it puts none).
    ``append_only`` is None when prompts only ever grow at their end, else the reason why not: then token ids of
    earlier turns are not what later prompts contain, and prefixes are computed again.
    Raises ValueError for a tokenizer without a chat template.
    """

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise ValueError(f"{tokenizer.name_or_path or 'the tokenizer'} has no chat template; use an instruct model")
        self.tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder
        self.control = frozenset(tokenizer.all_special_ids) | {i for i, token in added.items() if token.special}
        self._pieces = Pieces(tokenizer)
        self._expected: dict[tuple[str, ...], list[int]] = {}
        self._system = self._keeps_system()
        self._neighbours = self._renders([_user(CLEAN), _user(CLEAN)])
        self.end_of_turn = self._find_end_of_turn()
        self.append_only = self._probe()
        if self.append_only:
            log.warning("prompts of this chat template do not only grow at their end: %s", self.append_only)

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; what looks like a special token stays text."""
        ids = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        if self.control.isdisjoint(ids):
            return ids
        # the vocabulary itself spells a control token: cut the text until no piece is one
        if len(text) < 2:
            return [i for i in ids if i not in self.control]
        return self.encode(text[: len(text) // 2]) + self.encode(text[len(text) // 2 :])

    def decode(self, ids: Sequence[int], stop: Sequence[str] = ()) -> str:
        """The text of sampled ids, without control tokens, up to the first of the ``stop`` strings."""
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text[: min((at for mark in stop if (at := text.find(mark)) >= 0), default=None)]

    def render(self, messages: Sequence[Message]) -> list[int]:
        """Prompt ids of the messages, ready for the assistant's turn.

        Raises ValueError when the template refuses the roles.
        """
        messages = self._fit(messages)
        roles = tuple(message["role"] for message in messages)
        if roles not in self._expected:
            clean = [{"role": role, "content": CLEAN} for role in roles]
            self._expected[roles] = self._controls(self._pieces.ids(self._text(clean)))
        ids = self._pieces.ids(self._text(messages))
        if self._controls(ids) == self._expected[roles]:
            return ids
        return self._apart(messages)

    def _fit(self, messages: Sequence[Message]) -> list[Message]:
        """Fold the system message into the first user's, and merge neighbours, where the template needs it."""
        out: list[Message] = []
        for message in messages:
            role, content = message["role"], message["content"]
            if role == "system" and not self._system:
                role = "user"
                joins = bool(out) and out[-1]["role"] == "user"
            else:
                joins = bool(out) and out[-1]["role"] == role and not self._neighbours
            folded = bool(out) and not self._system and len(out) == 1 and messages[0]["role"] == "system"
            if joins or (folded and role == "user"):
                out[-1] = {"role": role, "content": f"{out[-1]['content']}\n\n{content}"}
            else:
                out.append({"role": role, "content": content})
        return out

    def _apart(self, messages: Sequence[Message]) -> list[int]:
        """Tokenise around stand-ins for the contents, then the contents without special tokens."""
        taken = "".join(message["content"] for message in messages)
        mark = next(chr(c) for c in range(0xE000, 0xF8FF) if chr(c) not in taken)
        stand_ins = [{"role": m["role"], "content": f"{mark}{i}{mark}"} for i, m in enumerate(messages)]
        pieces = self._text(stand_ins).split(mark)  # template, number, template, number, ..., template
        ids: list[int] = []
        plain = ""
        for index, piece in enumerate(pieces):
            if index % 2:
                plain += messages[int(piece)]["content"]
                continue
            for part, special in self._split(piece):
                if special is None:
                    plain += part
                else:
                    ids += [*(self.encode(plain) if plain else []), special]
                    plain = ""
        return ids + (self.encode(plain) if plain else [])

    def _split(self, text: str) -> list[tuple[str, int | None]]:
        """The template's own text cut at control tokens: (text, None) or (token, its id)."""
        names = {self.tokenizer.convert_ids_to_tokens(i): i for i in self.control}
        out: list[tuple[str, int | None]] = []
        while text:
            hits = [(at, -len(name), name) for name in names if (at := text.find(name)) >= 0]
            if not hits:
                out.append((text, None))
                break
            at, _, name = min(hits)
            if at:
                out.append((text[:at], None))
            out.append((name, names[name]))
            text = text[at + len(name) :]
        return out

    def _text(self, messages: Sequence[Message], generate: bool = True) -> str:
        from jinja2 import TemplateError

        try:
            return self.tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=generate)
        except TemplateError as err:
            roles = ", ".join(message["role"] for message in messages)
            raise ValueError(f"the chat template refuses the roles {roles}: {err}") from None

    def _controls(self, ids: Sequence[int]) -> list[int]:
        return [i for i in ids if i in self.control]

    def _renders(self, messages: Sequence[Message]) -> bool:
        try:
            self._text(messages)
        except ValueError:
            return False
        return True

    def _keeps_system(self) -> bool:
        messages = [{"role": "system", "content": "rulebook"}, _user(CLEAN)]
        return self._renders(messages) and "rulebook" in self._text(messages)

    def _find_end_of_turn(self) -> int | None:
        said = [_user("question"), {"role": "assistant", "content": CLEAN}]
        tail = self._text(said, generate=False).rpartition(CLEAN)[2].lstrip()
        parts = self._split(tail)
        return parts[0][1] if parts else None

    def _probe(self) -> str | None:
        """Play two turns and look whether each prompt starts with the one before and what was sampled on it."""
        end = [] if self.end_of_turn is None else [self.end_of_turn]
        talk: list[Message] = [{"role": "system", "content": "Some rules."}, _user("A question?")]
        for reply in ("My answer is 7.", "Yes. It is 7."):
            before = self.render(talk)
            said = before + self.encode(reply) + end
            talk += [{"role": "assistant", "content": reply}, _user("Bob: are you sure?")]
            after = self.render(talk)
            if after[: len(said)] != said:
                at = next((i for i, (a, b) in enumerate(zip(after, said, strict=False)) if a != b), len(after))
                old, new = self.tokenizer.decode(said[at : at + 8]), self.tokenizer.decode(after[at : at + 8])
                return f"an earlier turn {old!r} is rendered as {new!r} in the next prompt"
        return None


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}
