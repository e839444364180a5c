"""The figures of vLLM under rollouts, for one model and machine: the same table on a CPU and on a GPU.

What is compared is up at the same time and plays in turn, so that a slow spell of the machine hits all; the ratio is
the median of the rounds' ratios. Each part runs in a child process, so that nothing is left to the next.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import optima_envs
from optima_agents import EpisodeLog, Job, LLMPolicy, Rollouts, Sampling, make_backend
from optima_agents.backends.vllm_engine.machine import cpu_options
from optima_envs.records import Episode, Turn

from .prefix_bound import cacheable
from .timing import Figure, figure, in_turn

FLAT, CACHED, IN_PROCESS, OVER_HTTP = 0.9, 0.95, 2.0, 1.2
SAMPLES = 8
PARTS = ("flat", "in-process", "http")
WARM_UP = 8  # questions whose dialogues warm up what is measured beside a server
PAUSE_S = 1.5  # vLLM's workers spin for a second after their last step


@dataclass(frozen=True)
class Setup:
    """What is measured: a model folder, vLLM's engine arguments, and how many dialogues.

    Rollouts have ``concurrency`` dialogues in flight, the threaded client a thread for each of its 128. ``engines``
    above 1 is how many our backend starts by itself; all is measured with one engine and with so many. Without
    ``logprobs`` nobody asks for the sampled tokens' log-probabilities, as the threads never do. ``parts`` names what is
    compared: with a flat generate, and in process or over HTTP with the threads, at a server of each of ``servers``
    engines.
    """

    model: str
    engine: dict[str, Any] = field(default_factory=dict)
    tokenizer: str = ""
    instances: int = 48
    concurrency: int = 128
    engines: int = 1
    logprobs: bool = False
    parts: Sequence[str] = PARTS
    servers: Sequence[int] = (1,)
    max_tokens: int = 64
    max_turns: int = 10
    block: int = 32
    rounds: int = 3

    @property
    def sampling(self) -> Sampling:
        return Sampling(0.7, max_tokens=self.max_tokens, logprobs=self.logprobs)

    @property
    def plan(self) -> list[tuple[int, int]]:
        return [(index, sample) for index in range(self.instances) for sample in range(SAMPLES)]

    def scenario(self) -> Any:
        return optima_envs.scenario("twohop-asym", max_turns=self.max_turns)


@dataclass(frozen=True)
class Run:
    """One rollout: seconds, and every turn in the order in which it was asked for."""

    seconds: float
    dialogues: int
    turns: list[Turn]

    @property
    def tokens_per_second(self) -> float:
        return sum(turn.tokens for turn in self.turns) / self.seconds

    @property
    def dialogues_per_second(self) -> float:
        return self.dialogues / self.seconds


def rollouts(setup: Setup, backend: Any) -> Run:
    """Play the plan: logged, scored, token ids kept."""
    found: list[Episode] = []

    async def play(log: EpisodeLog) -> None:
        runner = Rollouts(setup.scenario(), LLMPolicy(backend, setup.sampling), concurrency=setup.concurrency, log=log)
        found.extend([episode async for episode in runner.stream(Job(*pair) for pair in setup.plan)])

    with tempfile.TemporaryDirectory() as folder, EpisodeLog(Path(folder) / "log.jsonl") as log:
        start = time.perf_counter()
        asyncio.run(play(log))
        seconds = time.perf_counter() - start
    failed = next((episode.error for episode in found if episode.error), None)
    if failed:
        raise RuntimeError(f"a dialogue failed: {failed.kind}: {failed.message}")
    longest = max(len(episode.turns) for episode in found)
    order = [episode.turns[at] for at in range(longest) for episode in found if at < len(episode.turns)]
    return Run(seconds, len(found), order)


def in_process(setup: Setup, engines: int) -> Any:
    return make_backend(f"vllm:{setup.model}", **setup.engine, data_parallel_size=engines)


def afresh(setup: Setup, backend: Any) -> Run:
    """Rollouts from an empty prefix cache."""
    backend.reset()
    return rollouts(setup, backend)


def beside_flat(setup: Setup) -> list[Figure]:
    """One engine under rollouts, and one under a flat generate over the same prompts and lengths."""
    backend = in_process(setup, 1)
    run = rollouts(setup, backend)
    with flat(setup, run.turns) as generate:
        found = in_turn(
            {"rollouts": lambda: afresh(setup, backend).tokens_per_second, "flat": generate},
            setup.rounds,
            PAUSE_S,
            tell=True,
        )
    asyncio.run(backend.aclose())
    prompts = sum(len(turn.prompt_ids or ()) for turn in run.turns)
    cached = sum(turn.usage.cached_tokens for turn in run.turns if turn.usage)
    pairs = [(turn.prompt_ids or (), turn.ids or ()) for turn in run.turns]
    blocks, exact = cacheable(pairs, setup.block), cacheable(pairs, 1)
    return [
        figure("tokens/s in rollouts", found.median("rollouts")),
        figure("tokens/s of one flat LLM.generate", found.median("flat")),
        figure("rollouts over flat", found.ratio("rollouts", "flat"), FLAT),
        figure("cached share of prompt tokens", cached / prompts),
        figure(f"cached over what shared prefixes allow in blocks of {setup.block}", cached / blocks, CACHED),
        figure("cached over what shared prefixes allow to the token", cached / exact),
    ]


@contextmanager
def flat(setup: Setup, turns: list[Turn]) -> Iterator[Callable[[], float]]:
    """A function that gives the tokens per second of one ``LLM.generate`` over the prompts of ``turns``, with the same
    lengths and ways of sampling."""
    from vllm import LLM, SamplingParams

    llm = LLM(setup.model, disable_log_stats=True, **setup.engine)
    prompts: Any = [{"prompt_token_ids": list(turn.prompt_ids or ())} for turn in turns]
    logprobs = 0 if setup.logprobs else None
    params = [
        SamplingParams(temperature=0.7, max_tokens=turn.tokens, ignore_eos=True, seed=n, logprobs=logprobs,
                       flat_logprobs=True, detokenize=False)
        for n, turn in enumerate(turns)
    ]  # fmt: skip

    def generate() -> float:
        llm.reset_prefix_cache()
        start = time.perf_counter()
        done = llm.generate(prompts, params, use_tqdm=False)
        return sum(len(out.outputs[0].token_ids) for out in done) / (time.perf_counter() - start)

    try:
        yield generate
    finally:  # what the collector has not come to by the time the process ends would be waited for without end
        llm.llm_engine.engine_core.shutdown()


def beside_threads(setup: Setup, engines: int) -> list[Figure]:
    """Dialogues per second in process and over HTTP, and of a thread per dialogue at the same server of ``engines``."""
    from .thread_client import THREADS, dialogues_per_second
    from .vllm_server import forget

    counts = sorted({engines, setup.engines}) if "in-process" in setup.parts else []
    with server(setup, engines) as url:
        tokenizer = setup.tokenizer or setup.model
        http = make_backend(f"openai:{url}#m", tokenizer=tokenizer, engines=engines, connections=setup.concurrency)
        ours = {f"in process, {_engines(count)}": in_process(setup, count) for count in counts}

        def over_http(setup: Setup) -> float:
            forget(url)
            return rollouts(setup, http).dialogues_per_second

        def threads(setup: Setup) -> float:
            forget(url)
            return dialogues_per_second(url, "m", setup.scenario(), setup.plan, setup.sampling)

        plays: dict[str, Callable[[Setup], float]] = {
            name: lambda setup, b=backend: afresh(setup, b).dialogues_per_second for name, backend in ours.items()
        }
        targets = dict.fromkeys(plays, IN_PROCESS)
        if "http" in setup.parts:
            plays["over HTTP"], targets["over HTTP"] = over_http, OVER_HTTP
        plays["threads"] = threads
        full, brief = (
            {name: partial(play, some) for name, play in plays.items()}
            for some in (setup, replace(setup, instances=min(WARM_UP, setup.instances)))
        )
        found = in_turn(full, setup.rounds, PAUSE_S, warm_up=brief, tell=True)
        for backend in (http, *ours.values()):
            asyncio.run(backend.aclose())
    at = f"a server of {_engines(engines)}"
    figures = [figure(f"dialogues/s of {THREADS} threads at {at}", found.median("threads"))]
    for name, target in targets.items():
        figures += [
            figure(f"dialogues/s {name}, beside {at}", found.median(name)),
            figure(f"{name}, over threads at {at}", found.ratio(name, "threads"), target),
        ]
    return figures


@contextmanager
def server(setup: Setup, engines: int) -> Iterator[str]:
    """A server as vLLM starts it; of several engines as our backend starts them, since vLLM by itself put both on the
    first of two cores."""
    from .vllm_server import vllm_server

    options: Any = nullcontext(setup.engine)
    if engines > 1:
        from vllm.platforms import current_platform

        several = {**setup.engine, "data_parallel_size": engines}
        options = cpu_options(several, setup.model) if current_platform.is_cpu() else nullcontext(several)
    with options as chosen, vllm_server(setup.model, chosen) as url:
        yield url


def _engines(count: int) -> str:
    return "one engine" if count == 1 else f"{count} engines"


def measure(setup: Setup) -> list[Figure]:
    """All figures of the table."""
    figures = alone(beside_flat, setup) if "flat" in setup.parts else []
    if set(setup.parts) != {"flat"}:
        for engines in setup.servers:
            figures += alone(beside_threads, setup, engines)
    return figures


def alone(work: Callable[..., Any], *args: Any) -> Any:
    """The result of ``work`` in a fresh child process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *args).result()
