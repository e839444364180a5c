"""Readability: how natural the base model finds a dialogue (paper Eq. 1 and App. H.2).

R_loss(tau) = max over turns k of the mean negative log-likelihood (nats per token) of turn k under the base model,
given the speaker's task prompt. The reward's term is 1 / R_loss, bounded by a cap: a base model that is sure of its
own prose would otherwise swamp the other terms. The reference code scores each turn without its task: ``none``.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ..run.stage import StageError

if TYPE_CHECKING:
    from optima_agents.backends.base import Backend
    from optima_envs.games.rules import Rules
    from optima_envs.records import Episode, Instance, Turn


NO_TASK = ({"role": "user", "content": ""},)  # chat templates refuse an empty conversation


class Readability:
    """The term, and ``loss`` on its own. Every distinct (prompt, turn) is scored once per object.

    Raises StageError for a backend that cannot score text.
    """

    def __init__(
        self, backend: Backend, rules: Rules, *, cap: float, condition: Literal["task", "none"] = "task"
    ) -> None:
        from optima_agents.backends.base import Likelihood, Tokens

        if not isinstance(backend, Likelihood) or not isinstance(backend, Tokens):
            raise StageError(
                f"{type(backend).__name__} cannot score text, which the readability term needs; "
                "use the hf backend, or set reward.weights.readability=0 and evaluate.nll=false"
            )
        self._likelihood, self._tokens = backend, backend
        self._rules, self._cap, self._condition = rules, cap, condition
        self._scored: dict[bytes, asyncio.Task[float]] = {}
        self._prompts: dict[tuple[str, str], list[int]] = {}

    async def __call__(self, group: Sequence[Episode]) -> list[float]:
        """min(1 / R_loss, cap) of each dialogue; 0 for one without a single token."""
        losses = await asyncio.gather(*(self.loss(episode) for episode in group))
        return [0.0 if loss is None else min(1 / max(loss, 1 / self._cap), self._cap) for loss in losses]

    async def loss(self, episode: Episode) -> float | None:
        """R_loss in nats per token; None for a dialogue without a single token."""
        losses = await asyncio.gather(*(self._turn(episode.instance, turn) for turn in episode.spoken))
        return max((loss for loss in losses if loss is not None), default=None)

    async def _turn(self, inst: Instance, turn: Turn) -> float | None:
        ids = list(turn.ids) if turn.ids is not None else self._tokens.encode(turn.text)
        if not ids:
            return None
        prompt = self._prompt(inst, turn.agent)
        key = hashlib.blake2b(array("q", [len(prompt), *prompt, *ids]).tobytes(), digest_size=16).digest()
        if key not in self._scored:
            bound(self._scored)
            self._scored[key] = asyncio.ensure_future(self._mean_nll(prompt, ids))
        return await self._scored[key]

    def _prompt(self, inst: Instance, agent: str) -> list[int]:
        from optima_agents.prompts import messages

        about = ("", "") if self._condition == "none" else (inst.id, agent)
        if about not in self._prompts:
            bound(self._prompts)
            said = messages(self._rules.view(inst, (), agent)) if self._condition == "task" else NO_TASK
            self._prompts[about] = list(self._tokens.render(said))
        return self._prompts[about]

    async def _mean_nll(self, prompt: list[int], ids: list[int]) -> float:
        logprobs = await self._likelihood.logprobs(prompt, ids)
        loss = -math.fsum(logprobs) / len(ids)
        if not math.isfinite(loss):
            raise StageError("the base model gives a turn probability 0 or NaN; is its checkpoint damaged?")
        return max(loss, 0.0)


def bound(cache: dict, limit: int = 50_000) -> None:
    """Empty a cache grown past ``limit``: groups come one after another, old entries are not asked again."""
    if len(cache) >= limit:
        cache.clear()
