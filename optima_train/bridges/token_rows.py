"""Token rows: dialogues for trainers that keep the engine and count in token ids: their engine as a backend of ours,
and a finished dialogue as prompt, response and mask for each agent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from optima_agents.backends import BackendError, Completion, Request
from optima_agents.backends.base import check_sampling
from optima_agents.backends.chat.local_tokens import LocalTokens, check_room
from optima_envs.records import Usage

from ..stages.rows import Encode, own_ids, rows_of

if TYPE_CHECKING:
    from optima_agents.backends.chat.templates import ChatTokenizer
    from optima_envs import Episode, Turn, View
    from optima_envs.games.rules import Rules

# (prompt ids, the request) -> (sampled ids, their log-probabilities or None)
Generate = Callable[[list[int], Request], Awaitable[tuple[list[int], list[float] | None]]]


@lru_cache(maxsize=4)  # a template is tried once, not for every dialogue
def _chat(tokenizer: Any) -> ChatTokenizer:
    from optima_agents.backends.chat.templates import ChatTokenizer

    return ChatTokenizer(tokenizer)


class CallersTokens(LocalTokens):
    """An engine that somebody else keeps, as a backend: prompts are rendered here, ``generate`` samples.

    ``tokenizer``: the model's, of transformers. ``window``: tokens of a prompt and its reply together, at most.
    """

    def __init__(self, tokenizer: Any, generate: Generate, *, window: int | None = None) -> None:
        self.chat, self._generate, self._window = _chat(tokenizer), generate, window

    async def complete(self, request: Request) -> Completion:
        """Raises ContextOverflow for a prompt that fills the window, BackendError for a reply that is none."""
        check_sampling(request.sampling)
        prompt = self.prompt(request)
        if self._window is not None:
            check_room(prompt, self._window, self.chat.name)
        ids, logprobs = await self._generate(prompt, request)
        if logprobs is not None and len(logprobs) != len(ids):
            raise BackendError(f"the engine gave {len(ids)} tokens and {len(logprobs)} log-probabilities")
        done = Completion(
            self.chat.decode(ids, request.sampling.stop),
            len(ids),
            prompt_ids=tuple(prompt),
            ids=tuple(ids),
            logprobs=None if logprobs is None else tuple(logprobs),
            finish="stop" if ids and ids[-1] == self.chat.end_of_turn else "length",
            usage=Usage(len(prompt), len(ids)),
        )
        return self.spoken(done, request)

    async def aclose(self) -> None:
        """Nothing of ours to close."""


@dataclass(frozen=True, slots=True)
class SeatRow:
    """What one agent read and said, as ids: ``response`` begins with its first own token, ``mask`` is 1 on own ones,
    ``logprobs`` (nats) are theirs, 0 elsewhere; None where the engine gave none."""

    agent: str
    prompt: list[int]
    response: list[int]
    mask: list[int]
    logprobs: list[float] | None


def seat_rows(episode: Episode, rules: Rules, encode: Encode) -> list[SeatRow]:
    """The rows of a dialogue: those of our own training (``stages.rows``), parted where the agent begins to speak.

    A failed dialogue has those of the turns that were made. ``encode``: the tokenizer's, of plain text.
    """
    made = []
    for row in rows_of(episode, rules, _no_prompt, None, Counter(), encode):
        ids, whole = list(row.input_ids), list(row.completion_mask)
        start = whole.index(1)
        mask, turns = whole[start:], [episode.turns[number] for number in row.turns]
        logprobs = _logprobs(mask, turns, rules, encode)
        made.append(SeatRow(row.agent, ids[:start], ids[start:], mask, logprobs))
    return made


def _logprobs(mask: list[int], turns: list[Turn], rules: Rules, encode: Encode) -> list[float] | None:
    known: list[float] = []
    for turn in turns:
        if turn.logprobs is None or len(turn.logprobs) != len(turn.ids or ()):
            return None
        known += turn.logprobs[: len(own_ids(turn, rules, encode))]
    values = iter(known)
    return [next(values) if trained else 0.0 for trained in mask]


def _no_prompt(view: View) -> list[int]:
    raise ValueError(f"{view.agent}'s turn has sampled ids without the prompt they were sampled on")
