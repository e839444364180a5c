"""What servers write when they refuse: with an error status, or inside an answer that says all is well."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

PASSING = {408, 409, 429}  # and every 5xx
LATER = re.compile(
    r"rate.?limit|too.?many.?requests|overload|unavailable|resource.?exhausted|server.?error|timeout", re.I
)
# a prompt too long for the model, in the words of OpenAI, vLLM, SGLang, llama.cpp, LM Studio, Ollama, TGI, Gemini,
# Anthropic, Mistral, TensorRT-LLM and others
OVERFLOW = re.compile(
    r"context.?(length|window|size|limit|overflow)|exceed_context|max_model_len|max_seq_len|session_len"
    r"|max(imum)? (model|prompt|input|sequence|allowed|context) (length|size)|too many (input |prompt )?tokens"
    r"|(prompt|inputs?|messages?|request)\b.{0,80}?(too long|too large for|longer than|exceeds?\b.{0,40}(token|length))"
    r"|inputs?`? tokens \+ |must have less than \d+ tokens|reduce the length|token count.{0,40}exceed",
    re.I,
)
LOOKED_AT = 4_000  # characters of what a server wrote
TOO_LONG = {200, 400, 413, 422, 500}  # the statuses under which servers say so


class HttpError(Exception):
    """The server answered with an error: its ``status``, its own ``code`` if it gave one, and what it wrote.

    ``retryable``: it may go through later. ``overflow``: the prompt does not fit the model. ``moved``: a redirect.
    """

    def __init__(
        self, status: int, code: object, message: str, retry_after: float | None = None, kinds: str = ""
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.retry_after = status, code, retry_after
        told = f"{code} {kinds}"
        self.overflow = status in TOO_LONG and bool(OVERFLOW.search(f"{told} {message}"[:LOOKED_AT]))
        later = status in PASSING or status >= 500 or (status == 200 and bool(LATER.search(told)))
        self.retryable = later and not self.overflow and "insufficient_quota" not in told
        self.moved = 300 <= status < 400


def refused(status: int, raw: bytes, headers: Mapping[str, str]) -> HttpError:
    """An answer with an error status."""
    if 300 <= status < 400:
        return HttpError(status, None, f"it sends callers on to {headers.get('Location', 'nowhere')[:200]}")
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError):
        told = raw.decode("utf-8", "replace")
    code, message, kinds = _words(told)
    return HttpError(status, code, message, _retry_after(headers), kinds)


def inside(data: Any) -> HttpError | None:
    """The refusal in the JSON of an answer with status 200, if it is one; its own code then stands for the status."""
    if isinstance(data, list) and data and isinstance(data[0], dict) and data[0].get("error"):
        data = data[0]  # Gemini's
    if not isinstance(data, dict):
        return None
    choice = _first(data.get("choices"))
    if data.get("error") or data.get("errors") or data.get("object") == "error" or data.get("type") == "error":
        told: Any = data
    elif choice is not None and choice.get("error"):
        told = choice
    elif choice is not None and choice.get("finish_reason") == "error":
        told = {"message": "the server gave up on this reply (finish_reason: error)"}
    elif not data.get("choices") and (data.get("detail") or data.get("message")) and "data" not in data:
        told = data
    else:
        return None
    code, message, kinds = _words(told)
    number = next((n for n in map(_status, (code, data.get("status"), data.get("status_code"))) if n), 200)
    return HttpError(number, code, message, kinds=kinds)


def _first(choices: Any) -> dict[str, Any] | None:
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None


def _status(value: Any) -> int | None:
    with suppress(TypeError, ValueError, OverflowError):
        if not isinstance(value, bool) and 400 <= (number := int(value)) < 600:
            return number
    return None


def _words(told: Any) -> tuple[object, str, str]:
    """(code, message, everything that names the kind of error). OpenAI nests it under ``error``, others say
    ``message``, ``detail`` or ``msg``, Gemini sends a list."""
    kinds: list[str] = []
    while True:
        if isinstance(told, list) and len(told) == 1 and isinstance(told[0], dict) and "error" in told[0]:
            told = told[0]
        if not isinstance(told, dict):
            return None, str(told), " ".join(kinds)
        kinds += [str(told[name]) for name in ("code", "type", "status", "error_type") if name in told]
        inner = next((told[name] for name in ("error", "errors") if told.get(name)), None)
        if isinstance(inner, dict):
            told = inner
            continue
        message = next(_texts(told), None) or (str(inner) if inner else str(told))
        return told.get("code"), message, " ".join(kinds)


def _texts(told: Mapping[str, Any]) -> Iterator[str]:
    for name in ("message", "detail", "msg", "error_message"):
        if told.get(name):
            yield str(told[name])


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks to wait for: ``Retry-After-Ms``, or ``Retry-After`` as a number or a date."""
    with suppress(ValueError, KeyError):
        return float(headers["Retry-After-Ms"]) / 1000
    with suppress(ValueError, KeyError):
        return float(headers["Retry-After"])
    with suppress(ValueError, KeyError, OverflowError):
        return parsedate_to_datetime(headers["Retry-After"]).timestamp() - time()
    return None


def printable(text: str) -> str:
    """One line of ``text``: what a server writes reaches terminals and logs."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
