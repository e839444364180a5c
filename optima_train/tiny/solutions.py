"""Perfect dialogues of an environment with tools, written to an episode log: what an imitation begins with.

python -m optima_train.tiny.solutions twohop-search --split train --episodes 400 --out runs/data/tools-twohop.jsonl
"""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> int:
    """Exit status 1 when a dialogue that should be perfect is not."""
    from optima_agents import EpisodeLog, rollout
    from optima_agents.scripted import solver
    from optima_envs import scenario

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("env", help="an environment whose task knows solutions, such as twohop-search")
    parser.add_argument("--split", help="default: the environment's")
    parser.add_argument("--data", help="a local file of records instead of the hub")
    parser.add_argument("--episodes", type=int, default=400, help="dialogues, one an instance (default 400)")
    parser.add_argument("--out", type=Path, required=True, help="episode log to write (jsonl)")
    args = parser.parse_args()
    scene = scenario(args.env, split=args.split, data=args.data)
    if not hasattr(scene.task, "solution"):
        parser.error(f"{args.env}: its task knows no solutions")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with EpisodeLog(args.out) as log:
        episodes = rollout(scene, solver(scene.task), episodes=args.episodes, log=log)  # type: ignore[arg-type]
        right = sum(episode.correct for episode in episodes)
    print(f"{right} of {len(episodes)} dialogues of {scene.id} are right; {args.out}")
    return 0 if right == len(episodes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
