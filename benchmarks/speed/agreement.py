"""Do the hf, vllm and openai backends say the same? Greedy dialogues and log-likelihoods of the embedded model.

A dialogue may differ only where the two tokens at the first difference are a tie within float noise: then the model
itself does not say which comes first, and the rest of that dialogue is not compared.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import optima_envs
from optima_agents import LLMPolicy, Sampling, make_backend, rollout
from optima_agents.backends.chat.model_files import TINY
from optima_agents.backends.vllm_engine.machine import CPU
from optima_envs.records import Episode, Turn

from .timing import Figure, arguments, conclude, figure
from .vllm_server import vllm_server

LIKELIHOOD, NOISE = 1e-3, 1e-2
ENGINE = {"dtype": "float32", "enforce_eager": True, **CPU}


def dialogues(backend: Any, instances: int) -> list[Episode]:
    policy = LLMPolicy(backend, Sampling(0.0, max_tokens=64))
    return list(rollout(optima_envs.scenario("twohop-asym"), policy, episodes=instances))


def scores(backend: Any, turns: list[Turn]) -> list[list[float]]:
    """Log-probabilities of the turns' tokens."""

    async def run() -> list[list[float]]:
        return await asyncio.gather(*(backend.logprobs(turn.prompt_ids, turn.ids) for turn in turns))

    return asyncio.run(run())


def first_difference(a: Episode, b: Episode) -> tuple[tuple[int, ...], int, int] | None:
    """(prompt and common tokens, token of a, token of b) where two dialogues part; None if they do not."""
    for one, two in zip(a.turns, b.turns, strict=False):
        if one.prompt_ids != two.prompt_ids:
            raise RuntimeError("equal dialogues so far, but the prompts differ: the backends render differently")
        for at, (x, y) in enumerate(zip(one.ids or (), two.ids or (), strict=False)):
            if x != y:
                return ((*(one.prompt_ids or ()), *(one.ids or ())[:at]), x, y)
        if one.text != two.text:
            raise RuntimeError(f"the same tokens became {one.text!r} and {two.text!r}")
    return None


@dataclass(frozen=True)
class Reference:
    """What the hf backend says: dialogues, their turns, and the log-probabilities of the turns' tokens."""

    base: Any
    episodes: list[Episode]
    turns: list[Turn]
    expected: list[list[float]]


def reference(instances: int) -> Reference:
    base = make_backend("hf:tiny", device="cpu")
    episodes = dialogues(base, instances)
    turns = [turn for episode in episodes for turn in episode.turns if turn.ids]
    return Reference(base, episodes, turns, scores(base, turns))


def agreement(name: str, hf: Reference, backend: Any, *, likelihood: bool = True) -> list[Figure]:
    """How far ``backend`` agrees with hf."""
    found = dialogues(backend, len(hf.episodes))
    parted = [gap for a, b in zip(hf.episodes, found, strict=True) if (gap := first_difference(a, b)) is not None]
    ties = sum(gap < NOISE for gap in asyncio.run(_gaps(hf.base, parted)))
    count = len(found)
    out = [
        figure(f"{name}: share of greedy dialogues equal to hf's, to the token", 1 - len(parted) / count),
        figure(f"{name}: the same, with ties within float noise", 1 - (len(parted) - ties) / count, 1.0),
    ]
    if likelihood:
        pairs = zip(hf.expected, scores(backend, hf.turns), strict=True)
        worst = max(abs(x - y) for one, two in pairs for x, y in zip(one, two, strict=True))
        out.append(
            Figure(f"{name}: largest difference of a log-probability to hf's", worst, LIKELIHOOD, worst <= LIKELIHOOD)
        )
    return out


async def _gaps(base: Any, parted: list[tuple[tuple[int, ...], int, int]]) -> list[float]:
    """How far apart (nats) the base model puts the two tokens of each difference."""
    out = []
    for ids, x, y in parted:
        (one,), (two,) = await asyncio.gather(base.logprobs(ids, (x,)), base.logprobs(ids, (y,)))
        out.append(abs(one - two))
    return out


def measure(instances: int) -> list[Figure]:
    hf = reference(instances)
    engine = make_backend("vllm:tiny", enforce_eager=True)
    out = agreement("vllm", hf, engine)
    asyncio.run(engine.aclose())
    with vllm_server(str(TINY), ENGINE) as url:
        served = make_backend(f"openai:{url}#m", tokenizer="tiny")
        out += agreement("openai, prompts rendered here", hf, served)
        asyncio.run(served.aclose())
        chat = make_backend(f"openai:{url}")
        out += agreement("openai, chat", hf, chat, likelihood=False)  # a chat cannot score text
        asyncio.run(chat.aclose())
    asyncio.run(hf.base.aclose())
    return out


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--instances", type=int, default=50, help="questions (default 50)")
    args = parser.parse_args()
    return conclude(measure(args.instances), args.json)


if __name__ == "__main__":
    raise SystemExit(main())
