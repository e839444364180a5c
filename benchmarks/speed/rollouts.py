"""Rollout engine: what is left of an ideal engine's time, of a CPU without one, and of memory at 10,000 dialogues.

The dialogues are real (twohop-asym: instances drawn, prompts made, answers parsed and scored, every episode logged);
only the model is a fake of known latency. Inspect AI plays the same ones with its own mock model, if it is installed.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import optima_envs
from optima_agents import EpisodeLog, Job, LLMPolicy, Request, Rollouts
from optima_agents.backends.base import Completion
from optima_agents.backends.fake import FakeBackend
from optima_envs.records import Usage

from . import inspect_peer
from .timing import Figure, arguments, conclude, figure

TURNS = 8
SAMPLES = 8
WORDS = "I have looked at my facts and the person you ask for lives in the old town by the river, so please go on"
UTILISATION = {(64, 0.020): 0.95, (256, 0.050): 0.95}
TURNS_PER_SECOND = 5_000.0
OVER_INSPECT = 10.0
MANY, GIB = 10_000, 1.0


def reply(request: Request) -> Completion:
    """Talk, and the answer in the last two turns, so that a dialogue ends when both have stated it."""
    last = len(request.messages) == TURNS  # the prompts of the last two turns hold 8 messages, earlier ones fewer
    text = f"{WORDS} <A> Kestshaw </A>" if last else WORDS
    return Completion(text, 26, usage=Usage(350, 26, 320))


async def play(jobs: Iterable[Job], latency: float, concurrency: int, folder: str) -> int:
    """Roll out, log, and count the turns."""
    scenario = optima_envs.scenario("twohop-asym", max_turns=TURNS)
    turns = 0
    with EpisodeLog(Path(folder) / f"{time.monotonic_ns()}.jsonl") as log:
        runner = Rollouts(scenario, LLMPolicy(FakeBackend(reply, latency=latency)), concurrency=concurrency, log=log)
        async for episode in runner.stream(jobs):
            if episode.error is not None or episode.outcome.stop != "answered":
                raise RuntimeError(f"not the dialogue that was meant: {episode.outcome} {episode.error}")
            turns += len(episode.turns)
    return turns


def jobs(count: int) -> Iterable[Job]:
    return (Job(number // SAMPLES, number % SAMPLES) for number in range(count))


def utilisation(concurrency: int, latency: float, seconds: float, folder: str) -> float:
    """Ideal time over real time: an ideal runner keeps ``concurrency`` requests in the engine from start to end.

    The ideal is measured too: the fake engine's timers are late by up to a millisecond, which is no runner's fault.
    """
    waves = max(2, round(seconds / (TURNS * latency)))
    asyncio.run(play(jobs(concurrency), latency, concurrency, folder))
    start = time.perf_counter()
    asyncio.run(play(jobs(waves * concurrency), latency, concurrency, folder))
    middle = time.perf_counter()
    asyncio.run(ask(waves * TURNS, latency, concurrency))
    return (time.perf_counter() - middle) / (middle - start)


async def ask(times: int, latency: float, concurrency: int) -> None:
    """The engine and nothing else: ``concurrency`` askers that do nothing in between."""
    backend = FakeBackend(WORDS, latency=latency)

    async def asker() -> None:
        for _ in range(times):
            await backend.complete(Request())

    await asyncio.gather(*(asker() for _ in range(concurrency)))


def zero_latency(count: int, folder: str) -> float:
    """Turns per CPU second of this process."""
    start = time.process_time()
    turns = asyncio.run(play(jobs(count), 0.0, 64, folder))
    return turns / (time.process_time() - start)


def peak_gib(count: int) -> float:
    """The most memory this process ever held, in GiB, with ``count`` dialogues in flight at once (run in a child)."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(jobs(count), 2.0, count, folder))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="ideal seconds per utilisation run (default 20)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the best counts (default 3)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(args.seconds, args.rounds, folder)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        peak = pool.submit(peak_gib, MANY).result()
    figures.append(figure(f"GiB at {MANY:,} dialogues in flight", peak, GIB, at_most=True))
    return conclude(figures, args.json)


def measure(seconds: float, rounds: int, folder: str) -> list[Figure]:
    """All figures but the memory. The best round counts: other work on the machine only ever takes time away."""
    out = []
    for (concurrency, latency), target in UTILISATION.items():
        best = max(utilisation(concurrency, latency, seconds, folder) for _ in range(rounds))
        out.append(figure(f"share of ideal, {concurrency} x {latency * 1000:g} ms", best, target))
    ours = max(zero_latency(2_000, folder) for _ in range(rounds))
    out.append(figure("turns per CPU second at zero latency", ours, TURNS_PER_SECOND))
    if inspect_peer.version() is None:
        print("Inspect AI is not installed, so nothing was compared: pip install inspect-ai")
        return out
    theirs = max(inspect_peer.turns_per_second(TURNS, WORDS, 192, folder) for _ in range(rounds))
    out.append(figure("Inspect AI's turns per CPU second (start not counted)", theirs))
    out.append(figure("turns per CPU second over Inspect AI's", ours / theirs, OVER_INSPECT))
    return out


if __name__ == "__main__":
    raise SystemExit(main())
