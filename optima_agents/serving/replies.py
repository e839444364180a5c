"""Replies: a finished dialogue as a chat completion, whole or in the chunks of a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optima_envs.codec import strict_json
from optima_envs.records import ENVIRONMENT, Episode, ErrorInfo, Turn

from ..prompts import heard as line_of
from .questions import Refused

END = b"data: [DONE]\n\n"
# the boundary a dialogue failed at -> HTTP status and code; a prompt that does not fit is the question's fault
FAILURES = {"backend": (502, "backend_failed"), "timeout": (504, "timeout"), "env": (422, "environment_refused")}


def turn_json(turn: Turn) -> dict[str, Any]:
    """A turn as a trace shows it."""
    return {"agent": turn.agent, "text": turn.text, "tokens": turn.tokens, "finish": turn.finish}


def line(turn: Turn) -> str:
    """A turn as a line of the trace's text."""
    return f"{line_of(turn)}\n"  # type: ignore[reportArgumentType] - a turn has what a Said has


def answer_of(episode: Episode) -> tuple[str, str]:
    """(what the team answers, OpenAI's reason why it ended): the stated answer, or the last words of a team that came
    to none, which counts as cut off."""
    if episode.outcome.answer is not None:
        return episode.outcome.answer, "stop"
    return (episode.spoken[-1].text if episode.spoken else ""), "length"


def usage_of(episode: Episode) -> dict[str, int]:
    """Tokens of all turns together."""
    prompt = sum(turn.usage.prompt_tokens for turn in episode.turns if turn.usage is not None)
    return {"prompt_tokens": prompt, "completion_tokens": episode.tokens, "total_tokens": prompt + episode.tokens}


def trace_of(episode: Episode) -> dict[str, Any]:
    """What OpenAI's fields have no place for."""
    turns = [turn_json(turn) for turn in episode.turns]
    return {"env": episode.env, "stop": episode.outcome.stop, "dialogue": turns, "seconds": round(episode.seconds, 3)}


def refusal_of(error: ErrorInfo) -> Refused:
    """A failed dialogue as an error of the protocol."""
    if error.kind == "backend" and error.message.startswith("ContextOverflow"):
        return Refused(f"too long for the model: {error.message}", code="context_length_exceeded", param="messages")
    status, code = FAILURES.get(error.kind, (500, "policy_failed"))
    return Refused(f"the dialogue failed ({error.kind}): {error.message}", status=status, code=code)


class Reply:
    """Makes the objects of one answer, which share their head."""

    def __init__(self, name: str, created: int, model: str) -> None:
        self._head = {"id": name, "created": created, "model": model}

    def whole(self, episode: Episode) -> dict[str, Any]:
        """A chat completion."""
        text, reason = answer_of(episode)
        told = "".join(map(line, episode.turns))
        message = {"role": "assistant", "content": text, "reasoning_content": told}
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return self._made("chat.completion", [choice], usage=usage_of(episode), optima=trace_of(episode))

    def begin(self) -> bytes:
        """The first chunk of a stream."""
        return self._chunk({"role": "assistant", "content": ""})

    def turn(self, turn: Turn) -> bytes:
        """A turn as it ends, in the field of thoughts."""
        return self._chunk({"reasoning_content": line(turn)}, optima={"turn": turn_json(turn)})

    def last(self, episode: Episode, usage: bool) -> bytes:
        """The answer, the reason, the counts where they are wanted, and the end mark."""
        text, reason = answer_of(episode)
        found = self._chunk({"content": text}) + self._chunk({}, reason, optima=trace_of(episode))
        if usage:
            found += _event(self._made("chat.completion.chunk", [], usage=usage_of(episode)))
        return found + END

    def failed(self, refused: Refused) -> bytes:
        """A failure after the stream began."""
        return _event(refused.body()) + END

    def _chunk(self, delta: Mapping[str, Any], reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return _event(self._made("chat.completion.chunk", [choice], **more))

    def _made(self, kind: str, choices: list[Any], **more: Any) -> dict[str, Any]:
        return {**self._head, "object": kind, "choices": choices, **more}


def _event(row: Mapping[str, Any]) -> bytes:
    return b"data: " + strict_json(row) + b"\n\n"


def one_line(episode: Episode, status: int) -> str:
    """What the log of a server says of a question; never what was asked or said."""
    spoken = sum(turn.agent != ENVIRONMENT for turn in episode.turns)
    end = episode.error.kind if episode.error is not None else episode.outcome.stop
    return f"{status} {end}: {spoken} turns, {episode.tokens} tokens, {episode.seconds:.2f} s"
