"""How fast other people's trajectories are read, and in how much memory: a generated file of AgentInstruct's layout,
read by us row by row, and by Hugging Face's ``datasets`` doing the same.

    python -m benchmarks.speed.trajectories [--mb 300] [--format jsonl|json] [--json FILE]

Each contender runs in a process of its own. Memory is what the process's peak grows by while it reads, after one row
has been read (imports do not count). Ours makes a checked record of every row; ``datasets`` gives dictionaries
(streaming), or first writes an Arrow copy of the file (map-style), which its figures do not hold against it as disk.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .timing import Figure, figure, peak, write_json

RATE, MEMORY = 20.0, 50.0
WORDS = (
    "select from where table count name of the rows that are in it and then answer with what was found there".split()
)


def row(rng: random.Random, number: int) -> dict[str, Any]:
    """A look-alike: an instruction, its acceptance, a task, and some steps with observations."""

    def text(words: int) -> str:
        return " ".join(rng.choices(WORDS, k=words))

    turns: list[dict[str, Any]] = [
        {"from": "human", "loss": None, "value": f"You help with a table. {text(150)}"},
        {"from": "gpt", "loss": False, "value": "Ok."},
        {"from": "human", "loss": None, "value": f"Task {number}: {text(40)}"},
    ]
    for _ in range(rng.randint(1, 4)):
        code = f"SELECT {rng.choice(WORDS)} FROM t{number}"  # noqa: S608 - text of an example, run by nobody
        turns.append({"from": "gpt", "loss": True, "value": f"{text(30)}\nAction: Operation\n```sql\n{code}\n```"})
        turns.append({"from": "human", "loss": None, "value": f"[({rng.random()}, 'caf\u00e9')] {text(20)}"})
    turns.append({"from": "gpt", "loss": True, "value": f"{text(15)}\nAction: Answer\nFinal Answer: [{number}]"})
    return {"id": f"db_{number}", "conversations": turns}


def generate(path: Path, megabytes: float, seed: int = 0) -> int:
    """Write rows until the file has that size; returns how many."""
    rng, size, count = random.Random(seed), 0, 0
    array = path.suffix == ".json"
    with path.open("w", encoding="utf-8") as out:
        size += out.write("[" if array else "")
        while size < megabytes * 1e6:
            text = json.dumps(row(rng, count), ensure_ascii=False)
            size += out.write((",\n" if array and count else "") + text + ("" if array else "\n"))
            count += 1
        out.write("]\n" if array else "")
    return count


def ours(path: Path) -> Any:
    from optima_train.trajectories import Dropped, read

    return (not isinstance(item, Dropped) for item in read("agentinstruct", [path]))


def streaming(path: Path) -> Any:
    from datasets import load_dataset

    return (True for _ in load_dataset("json", data_files=str(path), split="train", streaming=True))


def mapped(path: Path) -> Any:
    from datasets import load_dataset

    with tempfile.TemporaryDirectory() as cache:
        yield from (True for _ in load_dataset("json", data_files=str(path), split="train", cache_dir=cache))


CONTENDERS = {"optima": ours, "datasets streaming": streaming, "datasets map-style": mapped}


def measure(name: str, path: Path) -> dict[str, float]:
    """Rows, megabytes a second of CPU on one core and of clock, and megabytes of memory it grew by, in this process."""
    small = path.with_name(f"small{path.suffix}")
    generate(small, 0.01)
    for _ in CONTENDERS[name](small):  # imports and caches
        pass
    before = peak()
    cpu, clock = time.process_time(), time.perf_counter()
    rows = sum(CONTENDERS[name](path))
    cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    size = path.stat().st_size / 1e6
    return {"rows": rows, "mb_per_cpu_s": size / cpu, "mb_per_s": size / clock, "grew_mb": (peak() - before) / 1e6}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mb", type=float, default=300.0, help="size of the file (default 300)")
    parser.add_argument("--format", choices=("jsonl", "json"), default="jsonl")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--only", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(measure(args.only, args.file)))
        return 0
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"trajectories.{args.format}"
        rows = generate(path, args.mb)
        print(f"{rows:,} rows, {path.stat().st_size / 1e6:.0f} MB of {args.format}")
        for name in CONTENDERS:
            command = [sys.executable, "-m", "benchmarks.speed.trajectories", "--only", name, "--file", str(path)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(f"{name}: {done.stderr.strip().splitlines()[-1]}")
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            wanted = name == "optima"
            if wanted and found["rows"] != rows:
                print(f"optima read {found['rows']:,} of {rows:,} rows")
                return 1
            print(
                f"{name}: {found['mb_per_cpu_s']:.0f} MB/CPU s, {found['mb_per_s']:.0f} MB/s, {found['grew_mb']:.0f} MB"
            )
            figures.append(figure(f"{name} MB/CPU s", found["mb_per_cpu_s"], RATE if wanted else None))
            spare = MEMORY - found["grew_mb"]
            figures.append(figure(f"{name} MB under {MEMORY:g} of memory", spare, 0.0 if wanted else None))
    if args.json:
        write_json(figures, args.json)
    return 0 if all(item.holds for item in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
