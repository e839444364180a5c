"""ChatTokenizer: messages -> prompt ids through the model's own chat template; text can never become a control token.

The usual way, render then tokenise, turns ``<|im_end|>`` inside a message into the real token. Here each prompt's
control tokens are compared with those of a clean prompt of the same roles; only where they differ, the template's
parts and the messages' texts are tokenised apart, the texts without special tokens.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

from optima_envs.records import ENVIRONMENT

from ..base import Message
from .pieces import Pieces
from .roles import as_role, exchange, reply_role
from .sandbox import ChatTemplate
from .template_check import CLEAN, SAMPLE, as_parts, check, user, wants_parts
from .thinking import TAGS, apart, opened, switches

log = logging.getLogger(__name__)

TAG_LIKE = re.compile(r"\s*[<\[◁].+[>\]▷]\s*")
WAY_OUT = (
    "give a copy of the model's folder a chat_template.jinja that fits, or ask a server, which renders chats itself "
    "(openai:URL)"
)
SILENT = "..."  # an empty reply where a template refuses one


class ChatTokenizer:
    """Wraps a fast transformers tokenizer that has a chat template.

    ``control`` are the ids that no message's text ever becomes: special tokens, added tokens that look like tags, and
    those the template writes. ``end_of_turn`` is the one it puts behind an assistant message (None: it puts none).
    ``append_only`` is None when prompts only ever grow at their end, else the reason why not: then token ids of
    earlier turns are not what later prompts contain, and prefixes are computed again. ``replies_as`` is the role in
    which the template is given what a world replies: ``environment``, ``tool`` or ``user``.
    Raises ValueError for a tokenizer without a chat template, and for a template that ``template_check`` refuses.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.name = str(tokenizer.name_or_path or "the tokenizer")
        if not tokenizer.chat_template:
            raise ValueError(f"{self.name} has no chat template; use an instruct model")
        self.tokenizer = tokenizer
        self._warned = False
        try:
            self._learn()
            check(self)
        except ValueError as err:
            raise ValueError(f"{self.name}: {err}; {WAY_OUT}") from None
        self.append_only = self._probe()
        if self.append_only:
            log.warning("prompts of this chat template do not only grow at their end: %s", self.append_only)

    def _learn(self) -> None:
        """Find out what this template takes and writes."""
        tokenizer = self.tokenizer
        self._template = ChatTemplate(tokenizer.get_chat_template(), tokenizer.special_tokens_map)
        added = tokenizer.added_tokens_decoder
        special = frozenset(tokenizer.all_special_ids) | {i for i, token in added.items() if token.special}
        tags = {i for i, token in added.items() if TAG_LIKE.fullmatch(token.content)}
        self._pieces = Pieces(tokenizer)
        self._expected: dict[tuple[bool, tuple[str, ...]], list[int]] = {}
        self._parts = wants_parts(self._template)
        self._system = self._keeps_system()
        self._neighbours = self._renders([user(CLEAN), user(CLEAN)])
        self.replies_as = reply_role(self.text)
        self._blank = self._renders([user(CLEAN), {"role": "assistant", "content": ""}, user(CLEAN)])
        talk = [user(CLEAN), {"role": "assistant", "content": CLEAN}, user(CLEAN)]
        reply = [*exchange(), {"role": self.replies_as, "content": CLEAN}]
        talks = [talk] if self.replies_as == "user" else [talk, reply]
        clean = "".join(map(self.text, talks))
        written = {i for i in self._pieces.ids(clean) if i in added and not added[i].content.strip().isalnum()}
        self.control = special | tags | {i for i in written if added[i].content.strip()}
        thoughts = {i for i, token in added.items() if token.content.strip() in TAGS}
        self._thoughts = thoughts & special  # which decoding would leave out as it does all special tokens
        self._mute = (written & self.control) - special - thoughts  # which it would leave in
        cuts = sorted(tokenizer.convert_ids_to_tokens(list(self.control)), key=len, reverse=True)
        self._cut = re.compile(f"({'|'.join(map(re.escape, cuts))})") if cuts else None
        self._mark = next((c for c in map(chr, range(0xE000, 0xF8FF)) if c not in clean), "")
        self._trims = "  x  " not in self.text([user("  x  ")])
        self._headers = tuple({header for one in talks for header in self._plain_headers(one)})
        tails = {
            thinking: self.text([user(CLEAN)], thinking=thinking).rpartition(CLEAN)[2] for thinking in (False, True)
        }
        self.opens = {thinking: opened(tail) for thinking, tail in tails.items()}
        self.end_of_turn = self._find_end_of_turn()

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
        """The text of sampled ids, without control tokens, up to the first of the ``stop`` strings; tags of thinking
        stay in."""
        if not self._mute.isdisjoint(ids):
            ids = [i for i in ids if i not in self._mute]
        text, start = "", 0
        for at in [at for at, i in enumerate(ids) if i in self._thoughts] if self._thoughts else ():
            text += self.tokenizer.decode(ids[start:at], skip_special_tokens=True)
            text += self.tokenizer.decode(ids[at : at + 1])
            start = at + 1
        text += self.tokenizer.decode(ids[start:], skip_special_tokens=True)
        return text[: min((at for mark in stop if (at := text.find(mark)) >= 0), default=None)]

    def apart(self, text: str, thinking: bool) -> tuple[str, str]:
        """(thinking, what is said) in a decoded reply to a prompt that was rendered with ``thinking``."""
        return apart(text, self.opens[thinking])

    def render(self, messages: Sequence[Message], thinking: bool = False) -> list[int]:
        """Prompt ids of the messages, ready for the assistant's turn; ``thinking`` is the template's switch for it.

        Raises ValueError when the template refuses the roles.
        """
        messages = self.fit(messages)
        roles = tuple(message["role"] for message in messages)
        key = thinking, roles
        if key not in self._expected:
            clean = [{"role": role, "content": CLEAN} for role in roles]
            self._expected[key] = self.controls(self._pieces.ids(self.text(clean, thinking=thinking)))
        ids = self._pieces.ids(self.text(messages, thinking=thinking))
        if self.controls(ids) == self._expected[key]:
            return ids
        return self._apart(messages, thinking)

    def fit(self, messages: Sequence[Message]) -> list[Message]:
        """The messages as the template takes them: the system message folded into the first user's, neighbours merged,
        something in place of an empty reply, where it needs that; replies of the world in a role it knows; and a blank
        in what would pass for its headers."""
        out: list[Message] = []
        for message in messages:
            if message["role"] == ENVIRONMENT:
                message = self._reply(message)
            role, content = message["role"], message["content"]
            if role == "assistant" and not self._blank and not content.strip():
                content = SILENT
            for header in self._headers:  # no token tells the template's own from one that somebody wrote
                content = content.replace(header, f"{header[0]} {header[1:]}")
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

    def _reply(self, message: Message) -> Message:
        if self.replies_as != ENVIRONMENT and not self._warned:
            self._warned = True
            log.warning("%s has no role %s: the world's replies go in as %s", self.name, ENVIRONMENT, self.replies_as)
        return as_role(message, self.replies_as)

    def text(self, messages: Sequence[Message], *, generate: bool = True, thinking: bool = False) -> str:
        """What the template makes of messages that fit it. Raises ValueError when it refuses them."""
        sent = as_parts(messages, self._parts) if self._parts else messages
        return self._template.render(sent, add_generation_prompt=generate, **switches(thinking))

    def controls(self, ids: Sequence[int]) -> list[int]:
        """The control tokens among ``ids``."""
        return [i for i in ids if i in self.control]

    def _apart(self, messages: Sequence[Message], thinking: bool) -> list[int]:
        """Tokenise around stand-ins for the contents, then the contents without special tokens."""
        mark = self._mark
        stand_ins = [{"role": m["role"], "content": f"{mark}{i}{mark}"} for i, m in enumerate(messages)]
        pieces = self.text(stand_ins, thinking=thinking).split(mark)  # template, number, template, ..., template
        if pieces[1::2] != [str(i) for i in range(len(messages))]:
            raise ValueError("the chat template does not show every message once and in order")
        ids: list[int] = []
        plain = ""
        for index, piece in enumerate(pieces):
            if index % 2:
                content = messages[int(piece)]["content"]
                plain += content.strip() if self._trims else content
                continue
            for part, special in self._split(piece):
                if special is None:
                    plain += part
                else:
                    ids += [*self._encoded(plain), special]
                    plain = ""
        return ids + self._encoded(plain)

    def _encoded(self, text: str) -> list[int]:
        return self.encode(text) if text else []

    def _plain_headers(self, talk: Sequence[Message]) -> tuple[str, ...]:
        """What the template writes between two turns where no control token tells them apart. Raises ValueError when it
        writes nothing."""
        stand_ins = [{**message, "content": f"{self._mark}{i}{self._mark}"} for i, message in enumerate(talk)]
        pieces = self.text(stand_ins).split(self._mark)
        if pieces[1::2] != [str(i) for i in range(len(talk))]:
            return ()  # messages are dropped, repeated or moved: the check tells which
        between = pieces[2::2]
        if not all(b.strip() for b in between[:-1]):
            raise ValueError("the chat template writes nothing between two turns, so that nobody can tell them apart")
        plain = {b.strip() for b in between if all(i is None for _, i in self._split(b))}
        return tuple(sorted(plain - {""}))

    def _split(self, text: str) -> list[tuple[str, int | None]]:
        """The template's own text cut at control tokens: (text, None) or (token, its id)."""
        parts = self._cut.split(text) if self._cut else [text]  # text, token, text, token, ..., text
        number = self.tokenizer.convert_tokens_to_ids
        return [(part, number(part) if at % 2 else None) for at, part in enumerate(parts) if part]

    def _renders(self, messages: Sequence[Message]) -> bool:
        try:
            self.text(messages)
        except ValueError:
            return False
        return True

    def _keeps_system(self) -> bool:
        messages = [{"role": "system", "content": "rulebook"}, user(CLEAN)]
        return self._renders(messages) and "rulebook" in self.text(messages)

    def _find_end_of_turn(self) -> int | None:
        said = [user("question"), {"role": "assistant", "content": SAMPLE}]
        last = self.text(said, generate=False).rpartition(SAMPLE)[2]
        # some end a turn only by beginning the next
        inner = self.text([*said, user("more")]).partition(SAMPLE)[2]
        return next((parts[0][1] for tail in (last, inner) if (parts := self._split(tail.lstrip()))), None)

    def _probe(self) -> str | None:
        """Play two turns and look whether each prompt starts with the one before and what was sampled on it."""
        end = [] if self.end_of_turn is None else [self.end_of_turn]
        talk: list[Message] = [{"role": "system", "content": "Some rules."}, user("A question?")]
        for reply in ("My answer is 7.", "Yes. It is 7."):
            before = self.render(talk)
            said = before + self.encode(reply) + end
            talk += [{"role": "assistant", "content": reply}, user("Bob: are you sure?")]
            after = self.render(talk)
            if after[: len(said)] != said:
                at = next((i for i, (a, b) in enumerate(zip(after, said, strict=False)) if a != b), len(after))
                old, new = self.tokenizer.decode(said[at : at + 8]), self.tokenizer.decode(after[at : at + 8])
                return f"an earlier turn {old!r} is rendered as {new!r} in the next prompt"
        return None
