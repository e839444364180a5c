"""One timed rollout of hf:tiny over a local Ray cluster, for ``benchmarks.scale.workers``, which runs it side by side.

python -m benchmarks.scale.pace WORKERS DIALOGUES FILE: dialogues a second into FILE, of the middle half of them: while
workers open their engines, and while the last dialogues run out, not all of them play.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from optima_agents import rollout


def main(workers: int, dialogues: int, out: Path) -> None:
    ends: list[float] = []
    rollout(
        "twohop-asym",
        "hf:tiny",
        episodes=dialogues,
        workers=f"ray:local?workers={workers}",
        concurrency=8,
        max_turns=4,
        progress=lambda episode: ends.append(time.monotonic()),
    )
    first, last = len(ends) // 4, 3 * len(ends) // 4
    out.write_text(str((last - first) / (ends[last] - ends[first])), encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
