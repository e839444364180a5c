"""A run on 1 to 1,000 workers, on paper: time, cost and lost work, with workers that fail.

    optima rollout twohop-asym --policy hf:tiny -n 150 --out log.jsonl
    python -m benchmarks.scale.simulate --log log.jsonl [--recipe 2wmh-isft] [--json FILE] [--plot FILE]

Dialogues are drawn from a measured log: its turns and their tokens, scaled to the mean that ``--dialogue-tokens`` says
(the dry run's assumption). A discrete-event simulation plays those of each stage of the recipe as the pool does:

- a worker plays ``--concurrency`` dialogues at once, each at an equal share of ``--rate`` tokens a second, and waits
  ``--wait`` seconds a turn for its prompt;
- it opens its engine for ``--load`` seconds at the start of every iteration, as weights are new;
- it fails after an exponential time of mean ``--mtbf`` hours; what it had in flight is played again from the start,
  by others, and it is back after ``--back`` seconds and a new opening;
- the driver takes ``1 / --driver`` seconds for a dialogue: reading it, judging nothing, writing its line;
- training, ranking by readability and evaluation's loss do not spread over workers: they take the dry run's operations
  on ``--trainers`` GPUs of ``--flops`` each.

Every worker is a GPU that is paid while the sampling lasts, and every trainer while its work does.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from optima_agents import EpisodeLog
from optima_train.config.loading import load
from optima_train.methods import plan
from optima_train.planning.estimate import READING, SAMPLING, TRAINING, Assumed, Work, works

WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
Shape = tuple[int, int]  # turns of a dialogue, its tokens


@dataclass(frozen=True)
class Machine:
    """What a worker and the driver can do; see the module."""

    rate: float = 2_000.0
    concurrency: int = 64
    wait: float = 0.1
    load: float = 90.0
    mtbf: float = 50.0
    back: float = 120.0
    driver: float = 500.0

    def seconds(self, shape: Shape) -> float:
        """How long a worker plays a dialogue."""
        turns, tokens = shape
        return tokens * self.concurrency / self.rate + turns * self.wait


@dataclass
class Sampled:
    """A stage of dialogues: ``seconds`` from start to the last line, dialogue-seconds ``lost`` of those ``played``."""

    seconds: float = 0.0
    lost: float = 0.0
    played: float = 0.0
    failures: int = 0


def shapes(log: Path, tokens: float) -> list[Shape]:
    """Turns and tokens of a log's dialogues, scaled to a mean of ``tokens``. Raises ValueError where there is none."""
    found = [(len(e.spoken), e.tokens) for e in EpisodeLog.iterate(log) if e.error is None and e.tokens]
    if not found:
        raise ValueError(f"{log} holds no dialogue with tokens")
    scale = tokens * len(found) / sum(count for _, count in found)
    return [(turns, max(1, round(count * scale))) for turns, count in found]


def sample(jobs: Sequence[Shape], workers: int, machine: Machine, rng: random.Random) -> Sampled:
    """Play ``jobs`` on ``workers``, which fail; the book is a queue, and what was lost comes to its front."""
    out, queue, driver_free = Sampled(), list(reversed(jobs)), 0.0
    rate = 1 / (machine.mtbf * 3600)
    dies = [rng.expovariate(rate) for _ in range(workers)]
    # (when a slot is free, worker, slot); a worker's slots are free when its engine is open
    slots = [(machine.load, worker, slot) for worker in range(workers) for slot in range(machine.concurrency)]
    heapq.heapify(slots)
    opens = [machine.load] * workers  # from when a worker's engine is open
    back: list[tuple[float, Shape]] = []  # lost dialogues, from when they can be leased again
    last = machine.load
    while queue or back:
        free, worker, slot = heapq.heappop(slots)
        if free < opens[worker]:  # a slot of a worker that died meanwhile: it waits until that is back
            heapq.heappush(slots, (opens[worker], worker, slot))
            continue
        if free >= dies[worker]:
            out.failures += 1
            opens[worker] = dies[worker] + machine.back + machine.load
            dies[worker] = opens[worker] + rng.expovariate(rate)
            heapq.heappush(slots, (max(free, opens[worker]), worker, slot))
            continue
        if queue:
            job = queue.pop()
        elif back[0][0] <= free:
            job = heapq.heappop(back)[1]
        else:
            heapq.heappush(slots, (back[0][0], worker, slot))
            continue
        took = machine.seconds(job)
        end = free + took
        if end > dies[worker]:  # its other slots find that out by themselves
            out.lost += dies[worker] - free
            heapq.heappush(back, (dies[worker], job))
            heapq.heappush(slots, (dies[worker], worker, slot))
            continue
        out.played += took
        driver_free = max(driver_free, end) + 1 / machine.driver
        last = max(last, driver_free)
        heapq.heappush(slots, (end, worker, slot))
    out.seconds = last
    return out


def run(
    recipe: str, found: Sequence[Shape], workers: int, machine: Machine, args: argparse.Namespace
) -> dict[str, float]:
    """The whole recipe on so many workers."""
    config, rng = load(recipe, args.settings), random.Random(args.seed)
    tokens = round(sum(count for _, count in found) / len(found))
    assumed = Assumed(tokens=tokens, turns=round(sum(turns for turns, _ in found) / len(found)))
    steps = plan(config)
    total, training, busy = Sampled(), 0.0, 0.0
    for step, work in zip(steps, works(config, steps, assumed), strict=True):
        if work is None:
            continue
        if step.stage.name in ("generate", "grow", "evaluate"):
            jobs = rng.choices(found, k=work.dialogues)
            one = sample(jobs, workers, machine, rng)
            total = Sampled(*(a + b for a, b in zip(asdict(total).values(), asdict(one).values(), strict=True)))
            busy += one.seconds * workers
        else:
            training += central(work) * args.parameters / (args.flops * args.trainers)
    hours = (total.seconds + training) / 3600
    gpu_hours = (busy + training * args.trainers) / 3600
    return {
        "workers": workers,
        "hours": hours,
        "sampling_hours": total.seconds / 3600,
        "gpu_hours": gpu_hours,
        "cost": gpu_hours * args.price,
        "lost_share": total.lost / max(1e-9, total.lost + total.played),
        "failures": total.failures,
    }


def central(work: Work) -> float:
    """Operations over parameters of what stays on the trainers, as if at peak speed."""
    return replace(work, sampled=0).compute()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, required=True, help="episode log whose dialogues are replayed")
    parser.add_argument(
        "--recipe", nargs="+", default=["2wmh-isft", "2wmh-idpo"], help="recipes (default: the paper's)"
    )
    parser.add_argument("--settings", nargs="*", default=[], metavar="a.b=c")
    parser.add_argument("--dialogue-tokens", type=float, default=250.0)
    parser.add_argument("--parameters", type=float, default=8e9)
    parser.add_argument("--flops", type=float, default=3.12e14, help="of a trainer GPU at its peak (default: an A100)")
    parser.add_argument("--trainers", type=int, default=8)
    parser.add_argument("--price", type=float, default=2.0, help="of a GPU-hour (default 2)")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--seed", type=int, default=0)
    for name, value in asdict(Machine()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="a PNG or SVG file of hours and cost")
    args = parser.parse_args()
    machine = Machine(**{name: getattr(args, name) for name in asdict(Machine())})
    found = shapes(args.log, args.dialogue_tokens)
    rows = {name: [run(name, found, count, machine, args) for count in args.workers] for name in args.recipe}
    for name, lines in rows.items():
        print(
            f"\n{name}\n{'workers':>8} {'hours':>8} {'sampling':>9} {'GPU-h':>8} {'cost':>8} {'lost':>7} {'failed':>7}"
        )
        for row in lines:
            print(
                f"{row['workers']:>8.0f} {row['hours']:>8.2f} {row['sampling_hours']:>9.2f} {row['gpu_hours']:>8.1f} "
                f"{row['cost']:>8.0f} {row['lost_share']:>7.2%} {row['failures']:>7.0f}"
            )
    print(f"\nassumed: {asdict(machine)}, {args.trainers} trainers of {args.flops:.3g} FLOP/s; of their peak", end=" ")
    print(f"{READING:.0%} in reading, {TRAINING:.0%} in training (sampling, unused here, {SAMPLING:.0%})")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if args.plot:
        draw(rows, args.plot)
    return 0


def draw(rows: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Hours and cost over workers, both axes logarithmic."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axis, key, label in zip(axes, ("hours", "gpu_hours"), ("hours", "GPU-hours"), strict=True):
        for name, lines in rows.items():
            axis.plot([row["workers"] for row in lines], [row[key] for row in lines], marker="o", label=name)
        axis.set(xscale="log", yscale="log", xlabel="workers", ylabel=label)
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
