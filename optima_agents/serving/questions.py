"""Questions: what a chat request asks of a team, read with suspicion; and how a request is refused."""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optima_envs.records import Instance
from optima_envs.tasks.splitting import deal_lines
from optima_envs.text import printable, utf8

# what would change the answer and is not done: refused, where silence would be a lie
UNSUPPORTED = (
    "tools",
    "functions",
    "tool_choice",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "audio",
    "web_search_options",
)
MOST_TOKENS = 1 << 20


class Refused(Exception):
    """A request that cannot be done as asked; ``status`` is HTTP's, ``code`` and ``param`` are OpenAI's."""

    def __init__(
        self, message: str, *, status: int = 400, code: str = "invalid_request", param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param

    def body(self) -> dict[str, Any]:
        """As OpenAI's clients read an error."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        message = printable(str(self), lines=False)[:2_000]
        return {"error": {"message": message, "type": kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True, slots=True)
class Question:
    """One question to a team. ``sampling`` holds what it says of temperature, top_p and max_tokens; ``seed`` is the
    dialogue's, a random one if none was asked for; ``usage``: a stream ends with token counts."""

    instance: Instance
    sampling: Mapping[str, float]
    seed: int
    stream: bool
    usage: bool


def read_question(body: bytes, agents: Sequence[str], model: str) -> Question:
    """The question in a chat request. Raises Refused naming the field that is wrong."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as err:
        raise Refused(f"the request is not JSON: {err}") from None
    if not isinstance(asked, dict):
        raise Refused("the request is not a JSON object")
    if (wanted := asked.get("model")) != model:
        raise Refused(
            f"no model {wanted!r:.80} here; it is {model!r}", status=404, code="model_not_found", param="model"
        )
    for field in UNSUPPORTED:
        if asked.get(field):
            raise Refused(f"a team answers in plain text: {field} is not supported", param=field)
    if asked.get("n") not in (None, 1):
        raise Refused("n must be 1: ask again for another answer", param="n")
    if (form := asked.get("response_format")) and (not isinstance(form, dict) or form.get("type") != "text"):
        raise Refused("response_format must be text", param="response_format")
    common, question = _messages(asked.get("messages"))
    facts = facts_of(asked.get("facts"), common, agents)
    said = json.dumps([question, sorted(facts.items())])
    name = f"question-{hashlib.blake2b(said.encode(), digest_size=8).hexdigest()}"  # the same again, the same seeds
    instance = Instance(name, question, (), facts)
    options = asked.get("stream_options")
    usage = isinstance(options, dict) and options.get("include_usage") is True
    seed = _number(asked, "seed", 0, 2**63 - 1, whole=True)
    chosen = secrets.randbits(31) if seed is None else int(seed)
    return Question(instance, _sampling(asked), chosen, asked.get("stream") is True, usage)


def facts_of(given: Any, common: str, agents: Sequence[str]) -> dict[str, str]:
    """What each agent is told: ``common`` to all; a mapping agent -> text to each its own, a list dealt out evenly."""
    own: dict[str, str] = {}
    if isinstance(given, Mapping):
        if unknown := [agent for agent in given if agent not in agents]:
            raise Refused(f"facts: no agent {unknown[0]!r:.80}; the agents are {', '.join(agents)}", param="facts")
        own = {agent: _text(text, f"facts.{agent}") for agent, text in given.items()}
    elif isinstance(given, list):
        lines = [_text(text, f"facts[{place}]") for place, text in enumerate(given)]
        shares = deal_lines(len(lines), agents, "\n".join(lines))  # the same facts, the same shares
        own = {agent: "\n".join(lines[place] for place in places) for agent, places in shares.items()}
    elif given is not None:
        raise Refused("facts must be a list of texts, or an object of one text for each agent", param="facts")
    told = {agent: "\n".join(filter(None, (common, own.get(agent, "")))) for agent in agents}
    return {agent: text for agent, text in told.items() if text}


def _messages(given: Any) -> tuple[str, str]:
    """(what all are told, the question)."""
    if not isinstance(given, list) or not given:
        raise Refused("messages must be a list with the question in a user message", param="messages")
    common: list[str] = []
    questions: list[str] = []
    for place, message in enumerate(given):
        where = f"messages[{place}]"
        if not isinstance(message, dict):
            raise Refused(f"{where} must be an object with role and content", param=where)
        role, content = message.get("role"), message.get("content")
        if role not in ("system", "developer", "user"):
            raise Refused(
                f"{where}: a team answers one question and remembers none; the role {role!r:.40} has no place",
                param=where,
            )
        (questions if role == "user" else common).append(_text(content, f"{where}.content"))
    if len(questions) != 1:
        raise Refused(f"a team answers one question at a time, and {len(questions)} were asked", param="messages")
    if not questions[0].strip():
        raise Refused("the question is empty", param="messages")
    return "\n".join(filter(None, common)), questions[0]


def _text(content: Any, where: str) -> str:
    """A text, or the parts of one."""
    parts = content if isinstance(content, list) else [content]
    texts: list[str] = []
    for part in parts:
        text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else part
        if not isinstance(text, str):
            raise Refused(f"{where} must be text", param=where)
        texts.append(text)
    return utf8("".join(texts))


def _sampling(asked: Mapping[str, Any]) -> dict[str, float]:
    """What the request says of how to sample."""
    limit = "max_completion_tokens" if asked.get("max_completion_tokens") is not None else "max_tokens"
    said = {
        "temperature": _number(asked, "temperature", 0, 2),
        "top_p": _number(asked, "top_p", 0.0001, 1),
        "max_tokens": _number(asked, limit, 1, MOST_TOKENS, whole=True),
    }
    return {name: value for name, value in said.items() if value is not None}


def _number(asked: Mapping[str, Any], field: str, low: float, high: float, *, whole: bool = False) -> float | None:
    value = asked.get(field)
    if value is None:
        return None
    good = type(value) is int or (not whole and type(value) is float and math.isfinite(value))
    if not good or not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        raise Refused(f"{field} must be {kind} from {low:g} to {high:g}, not {value!r:.40}", param=field)
    return value
