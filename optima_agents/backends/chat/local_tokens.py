"""LocalTokens: what backends share that render prompts and decode replies on this side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..base import BackendError, Completion, ContextOverflow, Message, Request

if TYPE_CHECKING:
    from .templates import ChatTokenizer


class LocalTokens:
    """The ability ``base.Tokens`` through ``chat``, and prompts checked before an engine sees them."""

    chat: ChatTokenizer

    @property
    def append_only(self) -> str | None:
        """None if this model's prompts only grow at their end, else the reason why not."""
        return self.chat.append_only

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; what looks like a special token stays text."""
        return self.chat.encode(text)

    def render(self, messages: Sequence[Message]) -> list[int]:
        """Prompt ids of the messages; see ``templates.ChatTokenizer``."""
        return self.chat.render(messages)

    def prompt(self, request: Request, vocabulary: int | None = None) -> list[int]:
        """The request's ``prompt_ids``, or its messages rendered. Raises BackendError for messages that the template
        refuses, and, given the size of the ``vocabulary``, for ids that an engine would choke on."""
        if request.prompt_ids is None:
            try:
                return self.chat.render(request.messages, request.thinking)
            except ValueError as err:
                raise BackendError(str(err)) from None
        ids = list(request.prompt_ids)
        if vocabulary is not None and (not ids or min(ids) < 0 or max(ids) >= vocabulary):
            raise BackendError(f"prompt_ids must be a non-empty list of ids below {vocabulary}")
        return ids

    def spoken(self, done: Completion, request: Request) -> Completion:
        """``done``, whose text is all that was decoded, with what the model only thought apart."""
        thinking, text = self.chat.apart(done.text, request.thinking)
        return replace(done, text=text, thinking=thinking) if text != done.text else done


def vllm_sampling(request: Request, max_tokens: int, stop_ids: Sequence[int]) -> dict[str, Any]:
    """The request's sampling as fields of vLLM's SamplingParams: token ids are wanted, text is made only to find the
    stop strings."""
    sampling = request.sampling
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": request.seed if sampling.temperature > 0 else None,
        "max_tokens": max_tokens,
        "stop": list(sampling.stop),
        "stop_token_ids": list(stop_ids),
        "logprobs": 0 if sampling.logprobs else None,  # 0: the sampled token's own
        "detokenize": bool(sampling.stop),
    }


def check_room(ids: Sequence[int], window: int, of: str) -> None:
    """Raises ContextOverflow for a prompt that leaves no room for a reply."""
    if len(ids) >= window:
        raise ContextOverflow(f"the prompt has {len(ids)} tokens, the window of {of} {window}")
