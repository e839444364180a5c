"""Two local Ray workers under everything that can happen to them, beside one process: what is lost, doubled, different.

    python -m benchmarks.scale.workers [--kills 20] [--dialogues 600] [--json FILE]

Five parts, each on a cluster of its own on this machine (a node for each worker, one core each):
same     the episodes of two workers beside those of one process, byte for byte (fake, and hf:tiny in float64)
killed   kill -9 of one of the two workers at random moments, again and again
moving   a node that joins in the middle, and one that is drained by Ray and leaves
resumed  the driver killed with SIGKILL in the middle, and the same command again
pace     dialogues a second of two workers over the sum of two separate one-worker clusters that run side by side

Bytes are compared without ``seconds``, and for hf without what its prefix cache held (``usage``) and with
log-probabilities to nine decimals. Needs the extra ray.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from optima_agents import EpisodeLog, Job, Rollouts, make_policy, rollout
from optima_agents.workers.dialogues import Dialogues, afar
from optima_agents.workers.opening import open_workers
from optima_agents.workers.pool import Crew, Pool
from optima_agents.workers.worker import Setup, Site
from optima_envs import Episode, scenario
from optima_envs.records import Turn

ENV, PARTS = "twohop-asym", ("same", "killed", "moving", "resumed", "pace")
FAKE: dict[str, Any] = {"latency": 0.05}
TINY: dict[str, Any] = {"dtype": "float64"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="kills of workers (default 20)")
    parser.add_argument("--dialogues", type=int, default=600, help="of the killed part and the pace (default 600)")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the numbers there")
    parser.add_argument("--drive", nargs=2, metavar=("ADDRESS", "LOG"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.drive:
        drive(args.drive[0], args.drive[1], args.dialogues)
        return 0
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "same": same,
        "killed": lambda: killed(args.kills, args.dialogues, args.seed),
        "moving": lambda: moving(args.dialogues),
        "resumed": lambda: resumed(args.dialogues, args.seed),
        "pace": lambda: pace(args.dialogues),
    }
    found = {}
    for name in args.parts:
        found[name] = parts[name]()
        print(name, json.dumps(found[name]), flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return int(any(part.get("wrong", 0) for part in found.values()))


def opened(policy: str, options: dict[str, Any], concurrency: int, site: Site) -> Dialogues:
    """In a worker: dialogues of the world with that policy in every seat."""
    return Dialogues(Rollouts(scenario(ENV), make_policy(policy, **options), concurrency=concurrency))


def setup(policy: str, options: dict[str, Any], concurrency: int = 8) -> Setup:
    return Setup(partial(opened, policy, options, concurrency))


@contextmanager
def cluster(nodes: int) -> Iterator[Any]:
    """A cluster on this machine whose head has no cores, and ``nodes`` nodes of one core."""
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(nodes):
            found.add_node(num_cpus=1)
        yield found
    finally:
        found.shutdown()


def played(pool: Pool, work: Setup, jobs: int, path: Path, watch: Callable[[Crew, int], Any] | None = None) -> Crew:
    """Play what the log lacks; ``watch(crew, count)`` is awaited after each episode."""

    async def run() -> Crew:
        count = 0
        with EpisodeLog(path) as log:
            async with pool.crew(work) as crew:
                rollouts = afar(scenario(ENV), crew, log=log)
                async with aclosing(rollouts.stream([Job(n) for n in range(jobs)])) as stream:  # type: ignore[type-var]
                    async for _ in stream:
                        count += 1
                        if watch is not None:
                            await watch(crew, count)
        await pool.aclose()
        return crew

    return asyncio.run(run())


def bare(episode: Episode, exact: bool) -> str:
    """The bytes of an episode that a seed fixes."""
    turns = episode.turns if exact else tuple(map(settled, episode.turns))
    return replace(episode, seconds=0.0, turns=turns).to_line().decode()


def settled(turn: Turn) -> Turn:
    """Without what an engine's cache held, and without the noise of the order in which it added."""
    logprobs = None if turn.logprobs is None else tuple(round(value, 9) for value in turn.logprobs)
    return replace(turn, usage=None, logprobs=logprobs)


def beside(path: Path, jobs: int, policy: str, options: dict[str, Any]) -> dict[str, int]:
    """What a log has too little, twice, or other than one process has it."""
    exact = policy == "fake"
    logged = [(episode.key, bare(episode, exact)) for episode in EpisodeLog.iterate(path)]
    alone = {e.key: bare(e, exact) for e in rollout(ENV, make_policy(policy, **options), episodes=jobs)}
    counts = Counter(key for key, _ in logged)
    lost = len(alone.keys() - counts.keys())
    doubled, different = len(logged) - len(counts), sum(alone.get(key) != text for key, text in logged)
    return {
        "dialogues": jobs,
        "lost": lost,
        "doubled": doubled,
        "different": different,
        "wrong": lost + doubled + different,
    }


def same() -> dict[str, Any]:
    found: dict[str, Any] = {"wrong": 0}
    for policy, options, jobs in (("fake", {}, 200), ("hf:tiny", TINY, 24)):
        with tempfile.TemporaryDirectory() as folder, cluster(2) as ray:
            path = Path(folder) / "log.jsonl"
            crew = played(open_workers(f"ray:{ray.address}"), setup(policy, options), jobs, path)
            found[policy] = {**beside(path, jobs, policy, options), "by_worker": sorted(crew.finished.values())}
            found["wrong"] += found[policy]["wrong"]
    return found


def killed(kills: int, jobs: int, seed: int) -> dict[str, Any]:
    rng, pids = random.Random(seed), []
    with tempfile.TemporaryDirectory() as folder, cluster(2) as ray:
        path, pool = Path(folder) / "log.jsonl", open_workers(f"ray:{ray.address}")

        async def at_random() -> None:
            while len(pids) < kills:
                await asyncio.sleep(rng.uniform(0.3, 2.0))
                alive = [member.pid for member in pool.source.members if member.pid]  # type: ignore[attr-defined]
                fresh = [pid for pid in alive if pid not in pids]
                if fresh:
                    pids.append(rng.choice(fresh))
                    os.kill(pids[-1], signal.SIGKILL)

        killing: list[asyncio.Task[None]] = []

        async def watch(crew: Crew, count: int) -> None:
            if not killing:
                killing.append(asyncio.create_task(at_random()))

        crew = played(pool, setup("fake", FAKE, 2), jobs, path, watch)
        killing[0].cancel()
        return {
            "kills": len(pids),
            "lost_workers": crew.lost,
            "copies_dropped": crew.doubled,
            **beside(path, jobs, "fake", {}),
        }


def drain(address: str, node: str) -> None:
    """Have Ray drain a node, as an autoscaler does before it takes one away."""
    command = [str(Path(sys.executable).parent / "ray"), "drain-node", "--address", address, "--node-id", node]
    command += ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "test"]
    subprocess.run([*command, "--deadline-remaining-seconds", "600"], check=True, capture_output=True)


def moving(jobs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, cluster(1) as ray:
        path, pool = Path(folder) / "log.jsonl", open_workers(f"ray:{ray.address}")
        first = next(node for node in ray.worker_nodes)
        told: dict[str, Any] = {}

        async def watch(crew: Crew, count: int) -> None:
            if count == jobs // 4:
                ray.add_node(num_cpus=1)
            elif "drained_at" not in told and len(crew.finished) == 2 and count > jobs // 2:
                await asyncio.to_thread(drain, ray.address, first.node_id)
                told["drained_at"] = dict(crew.finished)

        crew = played(pool, setup("fake", FAKE, 2), jobs, path, watch)
        return {**told, "finished": crew.finished, "lost_workers": crew.lost, **beside(path, jobs, "fake", {})}


def resumed(jobs: int, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, cluster(2) as ray:
        path = Path(folder) / "log.jsonl"
        command = [sys.executable, "-m", "benchmarks.scale.workers", "--drive", ray.address, str(path)]
        command += ["--dialogues", str(jobs)]
        driver = subprocess.Popen(command)
        until = random.Random(seed).uniform(0.2, 0.6) * jobs
        while driver.poll() is None and (not path.exists() or path.read_bytes().count(b"\n") < until):
            time.sleep(0.05)
        driver.kill()
        driver.wait()
        before = path.read_bytes().count(b"\n")
        subprocess.run(command, check=True)
        return {"logged_before": before, **beside(path, jobs, "fake", {})}


def drive(address: str, log: str, jobs: int) -> None:
    """A driver that can be killed."""
    played(open_workers(f"ray:{address}"), setup("fake", FAKE, 2), jobs, Path(log))


def pace(jobs: int) -> dict[str, Any]:
    """Dialogues a second while all workers play: see ``pace.py``."""
    with tempfile.TemporaryDirectory() as folder:
        alone = [subprocess.Popen(_paced(1, jobs // 2, f"{folder}/{n}")) for n in range(2)]
        if any(one.wait() for one in alone):
            raise RuntimeError("a worker of its own failed")
        separate = [float(Path(f"{folder}/{n}").read_text()) for n in range(2)]
        subprocess.run(_paced(2, jobs, f"{folder}/both"), check=True)
        both = float(Path(f"{folder}/both").read_text())
    share = both / sum(separate)
    return {"separate_per_s": separate, "together_per_s": both, "share": share, "wrong": int(share < 0.9)}


def _paced(workers: int, jobs: int, out: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.scale.pace", str(workers), str(jobs), out]


if __name__ == "__main__":
    sys.exit(main())
