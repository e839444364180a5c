"""What tools cost without any model: perfect dialogues by the rollout engine, every action carried out by the world.

    python -m benchmarks.speed.tools [--data standard.jsonl] [--dialogues 198] [--json FILE]

``--data`` is AgentBench's file for dbbench-sql; its records come again and again until there are enough dialogues.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from optima_agents import rollout
from optima_agents.scripted import solver
from optima_envs import scenario

from .timing import Figure, figure, write_json

MOST = 5.0  # seconds for 198 dialogues


def seconds(env: str, dialogues: int, data: str | None = None) -> tuple[float, float]:
    """(CPU seconds of that many perfect dialogues, their mean score)."""
    scene = scenario(env, data=data)
    count = min(dialogues, len(scene.task))
    samples = -(-dialogues // count)
    start = time.process_time()
    episodes = rollout(scene, solver(scene.task), episodes=count, samples=samples)  # type: ignore[arg-type]
    spent = time.process_time() - start
    found = list(episodes)
    return spent * dialogues / len(found), sum(episode.score for episode in found) / len(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", help="AgentBench's data/dbbench/standard.jsonl; without it the made-up worlds alone")
    parser.add_argument("--dialogues", type=int, default=198, help="of each environment (default 198)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    args = parser.parse_args()
    figures: list[Figure] = []
    envs = {"twohop-search": None, "arith-plan": None} | ({"dbbench-sql": args.data} if args.data else {})
    for env, data in envs.items():
        spent, score = seconds(env, args.dialogues, data)
        figures.append(figure(f"{env}: seconds for {args.dialogues} dialogues", spent, MOST, at_most=True))
        figures.append(figure(f"{env}: score of perfect dialogues", score, 1.0))
    for item in figures:
        print(f"{item.name}: {item.value:g} (target {item.target:g}: {'holds' if item.holds else 'MISSED'})")
    if args.json:
        write_json(figures, args.json)
    return 0 if all(item.holds for item in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
