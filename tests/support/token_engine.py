"""An engine of token ids without a model: what it samples follows from the prompt's ids alone."""

from __future__ import annotations

import hashlib
import random
from typing import Any

from optima_agents import LLMPolicy, Sampling, rollout
from optima_agents.backends.chat.model_files import load_tokenizer, resolve
from optima_envs import Episode, Scenario
from optima_train.bridges.token_rows import CallersTokens

WORDS = "the mentor of Zed is Noor but I am not sure then".split()
SAMPLING = Sampling(1.0, max_tokens=48)


def tokenizer() -> Any:
    """The embedded model's."""
    return load_tokenizer(resolve("tiny"))


def sampled(tokens: Any, end: int, prompt: list[int], most: int) -> tuple[list[int], list[float]]:
    """(ids, log-probabilities) after a prompt: a few words, sometimes an answer, now and then cut at the limit."""
    digest = hashlib.blake2b(repr(list(prompt)).encode(), digest_size=8).digest()
    rng = random.Random(digest)
    text = " ".join(rng.choices(WORDS, k=rng.randint(1, 6)))
    text += f" <A> {rng.choice(['Noor', 'Zed', '7'])} </A>" if rng.random() < 0.4 else ""
    ids = [*tokens(text, add_special_tokens=False)["input_ids"], end]
    ids = ids[: rng.choice([2, most, most, most])][:most]
    return ids, [-rng.random() for _ in ids]


def native(played: Scenario, count: int = 100, samples: int = 1) -> list[Episode]:
    """Dialogues of that engine by the rollout engine."""
    tokens = tokenizer()

    async def generate(prompt: list[int], request: Any) -> tuple[list[int], list[float] | None]:
        return sampled(tokens, backend.chat.end_of_turn or 0, prompt, request.sampling.max_tokens)

    backend = CallersTokens(tokens, generate)
    return list(rollout(played, LLMPolicy(backend, SAMPLING), episodes=count, samples=samples))
