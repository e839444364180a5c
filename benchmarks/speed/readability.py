"""Reading for the readability term: a prompt that an agent's turns and its siblings' share is read once.

Sampled dialogues of the embedded team, 8 to an instance, are scored as ranking does it; beside it every turn alone,
which is what has to be read without sharing. Tokens are those that are computed, padding included.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from optima_agents import LLMPolicy, Sampling, make_backend, rollout
from optima_agents.backends.hf.likelihood import Pair
from optima_envs import scenario
from optima_train.cli.arguments import pairs as pairs_of
from optima_train.stages.readability import Readability

from .timing import Figure, arguments, conclude, figure

SHARE = 0.35


class Watched:
    """A backend that remembers what it was asked to score."""

    def __init__(self, backend: Any) -> None:
        self.pairs: list[Pair] = []
        self.backend, self.encode, self.render = backend, backend.encode, backend.render

    async def logprobs(self, prompt_ids: Sequence[int], completion_ids: Sequence[int]) -> list[float]:
        self.pairs.append((tuple(prompt_ids), tuple(completion_ids)))
        return await self.backend.logprobs(prompt_ids, completion_ids)


def measure(env: str, model: str, instances: int, samples: int, **given: Any) -> list[Figure]:
    game = scenario(env, **given)
    backend: Any = make_backend(f"hf:{model}")
    policy = LLMPolicy(backend, Sampling(0.8, max_tokens=64))
    played = rollout(game, policy, episodes=instances, samples=samples, concurrency=32)
    groups = [[e for e in played if e.instance.id == name] for name in {e.instance.id: 0 for e in played}]
    watched, scorer = Watched(backend), backend.scorer
    term = Readability(watched, game.rules, cap=1.0)  # type: ignore[arg-type] - it scores and spells, and nothing else

    async def rank() -> None:
        await asyncio.gather(*map(term, groups))

    start, scorer.read = time.perf_counter(), 0
    asyncio.run(rank())
    seconds, read = time.perf_counter() - start, scorer.read
    pairs = watched.pairs
    together = scorer.score(pairs)
    start, scorer.read = time.perf_counter(), 0
    apart = [scorer.score([pair])[0] for pair in pairs]
    alone, needed = time.perf_counter() - start, scorer.read
    asyncio.run(backend.aclose())
    worst = max(
        abs(a - b) for ours, theirs in zip(together, apart, strict=True) for a, b in zip(ours, theirs, strict=True)
    )
    return [
        figure(f"{env}: turns scored", float(len(pairs))),
        figure(f"{env}: tokens read over those of every turn alone", read / needed, SHARE, at_most=True),
        figure(f"{env}: seconds over those of every turn alone", seconds / alone),
        figure(f"{env}: largest difference of a log-probability", worst, 1e-4, at_most=True),
    ]


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--env", default="twohop-asym", help="environment (default twohop-asym)")
    parser.add_argument("--model", default="tiny", help="folder or name (default tiny)")
    parser.add_argument("--instances", type=int, default=32, help="default 32")
    parser.add_argument("--samples", type=int, default=8, help="dialogues an instance (default 8)")
    parser.add_argument("settings", nargs="*", metavar="key=value", help="of the environment, such as data=FILE")
    args = parser.parse_args()
    found = measure(args.env, args.model, args.instances, args.samples, **pairs_of(args.settings))
    return conclude(found, args.json)


if __name__ == "__main__":
    raise SystemExit(main())
