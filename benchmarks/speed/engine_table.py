"""The figures of vLLM under rollouts, for one model and machine: the same table on a CPU and on a GPU.

Each part runs in a child process of its own, so that no engine's memory or threads are left to the next.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import optima_envs
from benchmarks.speed.prefix_bound import cacheable
from benchmarks.speed.timing import Figure, figure
from optima_agents import EpisodeLog, Job, LLMPolicy, Rollouts, Sampling, make_backend
from optima_agents.backends.vllm_on_cpu import cpu_options
from optima_envs.records import Episode, Turn

FLAT, CACHED, IN_PROCESS, OVER_HTTP = 0.9, 0.95, 2.0, 1.2
SAMPLES = 8


@dataclass(frozen=True)
class Setup:
    """What is measured: a model folder, vLLM's engine arguments, and how many dialogues.

    Rollouts have ``concurrency`` dialogues in flight, the threaded client a thread for each of its 128. With
    ``engines`` above 1, all is measured with so many engines, too. Without ``logprobs`` nobody asks for the sampled
    tokens' log-probabilities, as the threads never do. ``servers=False`` leaves out what needs a server.
    """

    model: str
    engine: dict[str, Any] = field(default_factory=dict)
    tokenizer: str = ""
    instances: int = 48
    concurrency: int = 128
    engines: int = 1
    logprobs: bool = False
    servers: bool = True
    max_tokens: int = 64
    max_turns: int = 10
    block: int = 32
    rounds: int = 2

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


def in_process(setup: Setup, engines: int = 1) -> Run:
    """The best of the rounds, each from an empty prefix cache, after a warm-up."""
    backend: Any = make_backend(f"vllm:{setup.model}", **setup.engine, data_parallel_size=engines)
    runs = []
    for _ in range(setup.rounds + 1):
        runs.append(rollouts(setup, backend))
        backend.reset()
    asyncio.run(backend.aclose())
    return min(runs[1:], key=lambda run: run.seconds)


def flat(setup: Setup, turns: list[Turn]) -> float:
    """Tokens per second of one ``LLM.generate`` over the same prompts, with the same lengths and ways of sampling."""
    from vllm import LLM, SamplingParams

    llm = LLM(setup.model, disable_log_stats=True, **setup.engine)
    prompts: Any = [{"prompt_token_ids": list(turn.prompt_ids or ())} for turn in turns]
    logprobs = 0 if setup.logprobs else None
    params = [
        SamplingParams(temperature=0.7, max_tokens=turn.tokens, ignore_eos=True, seed=n, logprobs=logprobs,
                       flat_logprobs=True, detokenize=False)
        for n, turn in enumerate(turns)
    ]  # fmt: skip
    best = 0.0
    for turn in range(setup.rounds + 1):
        start = time.perf_counter()
        done = llm.generate(prompts, params, use_tqdm=False)
        rate = sum(len(out.outputs[0].token_ids) for out in done) / (time.perf_counter() - start)
        best = max(best, rate if turn else 0.0)
        llm.reset_prefix_cache()
    # what the collector has not come to by the time the process ends would be waited for without end
    llm.llm_engine.engine_core.shutdown()
    return best


def over_http(setup: Setup, engines: int = 1) -> tuple[float, float]:
    """Dialogues per second of our client and of a thread per dialogue, in turn on the same server."""
    from benchmarks.speed.thread_client import dialogues_per_second
    from benchmarks.speed.vllm_server import forget, vllm_server

    ours, theirs = [], []
    started: Any = nullcontext(setup.engine)
    if engines > 1:  # as our backend starts them: by itself vLLM put both on the first of two cores
        from vllm.platforms import current_platform

        options = {**setup.engine, "data_parallel_size": engines}
        started = cpu_options(options, setup.model) if current_platform.is_cpu() else nullcontext(options)
    with started as options, vllm_server(setup.model, options) as url:
        backend = make_backend(f"openai:{url}#m", tokenizer=setup.tokenizer or setup.model, engines=engines)
        for _ in range(setup.rounds + 1):
            forget(url)
            ours.append(rollouts(setup, backend).dialogues_per_second)
            forget(url)
            theirs.append(dialogues_per_second(url, "m", setup.scenario(), setup.plan, setup.sampling))
        asyncio.run(backend.aclose())
    return max(ours[1:]), max(theirs[1:])


def measure(setup: Setup) -> list[Figure]:
    """All figures of the table."""
    run = alone(in_process, setup)
    ceiling = alone(flat, setup, run.turns)
    prompts = sum(len(turn.prompt_ids or ()) for turn in run.turns)
    cached = sum(turn.usage.cached_tokens for turn in run.turns if turn.usage)
    pairs = [(turn.prompt_ids or (), turn.ids or ()) for turn in run.turns]
    blocks, exact = cacheable(pairs, setup.block), cacheable(pairs, 1)
    figures = [
        figure("tokens/s in rollouts", run.tokens_per_second),
        figure("tokens/s of one flat LLM.generate", ceiling),
        figure("rollouts over flat", run.tokens_per_second / ceiling, FLAT),
        figure("cached share of prompt tokens", cached / prompts),
        figure(f"cached over what shared prefixes allow in blocks of {setup.block}", cached / blocks, CACHED),
        figure("cached over what shared prefixes allow to the token", cached / exact),
        figure("dialogues/s in process", run.dialogues_per_second),
    ]
    return figures + (beside_threads(setup, run, ceiling) if setup.servers else [])


def beside_threads(setup: Setup, run: Run, ceiling: float) -> list[Figure]:
    """The figures against a thread per dialogue, given the rollouts of one engine and the tokens/s of flat generate."""
    ours, theirs = alone(over_http, setup)
    figures = [
        figure("dialogues/s over HTTP", ours),
        figure("dialogues/s of a thread per dialogue over HTTP", theirs),
        figure("flat over threads", ceiling / (theirs * run.tokens_per_second / run.dialogues_per_second)),
        figure("in process over threads", run.dialogues_per_second / theirs, IN_PROCESS),
        figure("over HTTP over threads", ours / theirs, OVER_HTTP),
    ]
    if setup.engines > 1:
        more = f"{setup.engines} engines"
        several = alone(in_process, setup, setup.engines).dialogues_per_second
        mine, threads = alone(over_http, setup, setup.engines)
        figures += [
            figure(f"dialogues/s in process, {more}", several),
            figure(f"in process with {more} over threads at a server of one", several / theirs, IN_PROCESS),
            figure(f"dialogues/s over HTTP, {more}", mine),
            figure(f"dialogues/s of a thread per dialogue over HTTP, {more}", threads),
            figure(f"in process over threads, {more} each", several / threads, IN_PROCESS),
            figure(f"over HTTP over threads, {more} each", mine / threads, OVER_HTTP),
        ]
    return figures


def alone(work: Callable[..., Any], *args: Any) -> Any:
    """The result of ``work`` in a fresh child process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *args).result()
