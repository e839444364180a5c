"""Kills of rollouts, trainings and suites at random instants: what is lost, doubled or different, and who is left.

    python -m benchmarks.kills [--instants 100] [--kinds rollout train suite rollout-vllm] [--json FILE]

A command is interrupted again and again (SIGKILL, SIGTERM and Ctrl-C in turn, at instants drawn by --seed within the
time that it takes undisturbed), resumed by the same command, and at last let finish; what it leaves is compared with
what it leaves undisturbed: episodes by their keys and texts, weights by their bytes, tables without their times. After
each kill every process that the command had started must be gone within 10 s.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PATIENCE_S, LONGEST_S = 10.0, 600.0
SMALL = ["iterations=2", "env.max_turns=4", "generate.instances=6", "generate.samples=2", "generate.max_tokens=24",
         "evaluate.instances=8", "evaluate.max_tokens=24", "train.epochs=1", "select.threshold=-5",
         "select.top_share=1", "device=cpu"]  # fmt: skip
TIMES = {"seconds", "created", "time"}
MET = {"cached_tokens", "cached_share"}  # which requests met in the engine's cache
LOG = ["--samples", "2", "--max-tokens", "24", "--max-turns", "4", "--concurrency", "8"]
COMMANDS = {
    "rollout": ["rollout", "twohop-asym", "--policy", "hf:tiny", "--option", "dtype=float64", "-n", "60", *LOG],
    "rollout-vllm": ["rollout", "twohop-asym", "--policy", "vllm:tiny", "-n", "60", *LOG],
    "train": ["train", "quickstart", *SMALL],
    "suite": [
        "bench",
        "--env",
        "twohop-asym",
        "--method",
        "cot",
        "--method",
        "dialogue",
        "--model",
        "hf:tiny",
        "-n",
        "24",
    ],
}


@dataclass
class Tally:
    """What went wrong after ``instants`` kills of one kind."""

    kind: str
    instants: int = 0
    lost: int = 0
    doubled: int = 0
    different: int = 0
    left: int = 0
    stubborn: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.different or self.left or self.stubborn)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instants", type=int, default=100, help="kills in all, dealt out evenly (default 100)")
    parser.add_argument("--kinds", nargs="+", default=["rollout", "train", "suite"], choices=COMMANDS)
    parser.add_argument("--chain", type=int, default=5, help="kills before a command may finish (default 5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    share = -(-args.instants // len(args.kinds))
    with tempfile.TemporaryDirectory(prefix="optima-kills-") as folder:
        tallies = [trial(kind, share, args.chain, args.seed, Path(folder)) for kind in args.kinds]
    if args.json:
        args.json.write_text(json.dumps([asdict(tally) for tally in tallies], indent=2), encoding="utf-8")
    for tally in tallies:
        told = {name: value for name, value in asdict(tally).items() if name not in ("kind", "notes")}
        print(f"{tally.kind:<13}", *(f"{name} {value}" for name, value in told.items()), sep="  ")
        for note in tally.notes:
            print(f"  {note}")
    return 0 if all(tally.clean for tally in tallies) else 1


def trial(kind: str, instants: int, chain: int, seed: int, folder: Path) -> Tally:
    """``instants`` kills of one kind of command, at most ``chain`` of them before it may finish."""
    began = time.monotonic()
    finish(kind, folder / f"{kind}-whole")
    took = time.monotonic() - began
    wanted = leavings(kind, folder / f"{kind}-whole")
    print(f"{kind}: {took:.1f} s undisturbed", file=sys.stderr)
    rng, tally, number = random.Random(f"{kind}/{seed}"), Tally(kind), 0
    while tally.instants < instants:
        place = folder / f"{kind}-{number}"
        for _ in range(min(chain, instants - tally.instants)):
            interrupt(kind, place, rng.uniform(0.2, took), SIGNALS[tally.instants % len(SIGNALS)], tally)
        finish(kind, place)
        compare(wanted, leavings(kind, place), tally)
        number += 1
        print(f"{kind}: {tally.instants} of {instants}", file=sys.stderr)
    return tally


def start(kind: str, place: Path) -> subprocess.Popen[bytes]:
    """The command; the same one resumes."""
    out = place / "log.jsonl" if kind.startswith("rollout") else place
    place.mkdir(parents=True, exist_ok=True) if kind.startswith("rollout") else place.parent.mkdir(exist_ok=True)
    more = ["--resume"] if out.is_file() else []
    with place.with_name(f"{place.name}.out").open("ab") as told:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "optima_train", *COMMANDS[kind], "--out", str(out), *more],
            stdout=told,
            stderr=told,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
        )


def finish(kind: str, place: Path) -> None:
    """Raises RuntimeError with its last words when the command fails undisturbed."""
    command = start(kind, place)
    if command.wait(LONGEST_S):
        words = place.with_name(f"{place.name}.out").read_text(errors="replace")[-2_000:]
        raise RuntimeError(f"{kind} failed with {command.returncode}: {words}")


def interrupt(kind: str, place: Path, after: float, number: signal.Signals, tally: Tally) -> None:
    """One kill, and a look at who is left of it."""
    command = start(kind, place)
    try:
        command.wait(after)
        return  # it was done before, and nothing was killed
    except subprocess.TimeoutExpired:
        family = list(below(command.pid))
    tally.instants += 1
    command.send_signal(number)
    try:
        command.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        tally.stubborn += 1
        tally.notes.append(f"{number.name} after {after:.1f} s did not end it")
        command.kill()
        command.wait()
    left = [name for pid, name in family if not gone(pid, PATIENCE_S)]
    tally.left += len(left)
    tally.notes += [f"{number.name} after {after:.1f} s left {name}" for name in left]


def below(pid: int) -> Iterator[tuple[int, str]]:
    """(number, command line) of all processes under ``pid``."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            try:
                name = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            yield child, name[:120]
            yield from below(child)


def gone(pid: int, within: float) -> bool:
    """Whether a process ends within so many seconds."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], within)[0])
    finally:
        os.close(handle)


def leavings(kind: str, place: Path) -> dict[str, Any]:
    """What a finished command left: episodes by log and key, digests of weights, tables without times."""
    episodes: dict[str, list[str]] = {}
    for log in sorted(place.rglob("*.jsonl")):
        if log.name in ("episodes.jsonl", "log.jsonl"):
            for line in log.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                if "key" in row:
                    said = [[turn["agent"], turn["text"], turn.get("ids")] for turn in row["turns"]]
                    key = f"{log.parent.relative_to(place)} {json.dumps(row['key'], sort_keys=True)}"
                    episodes.setdefault(key, []).append(json.dumps([said, row["score"], row["error"]]))
    weights = {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(place.rglob("*.safetensors"))
        if not path.parent.is_symlink()
    }
    tables = {path.name: timeless(json.loads(path.read_text())) for path in place.glob("*.json")
              if path.name in ("results.json", "summary.json")}  # fmt: skip
    return {"episodes": episodes, "weights": weights, "tables": tables}


def timeless(value: Any) -> Any:
    """JSON without what tells the time of day, how long something took, or what ran at the same time."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in TIMES | MET}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def compare(wanted: dict[str, Any], found: dict[str, Any], tally: Tally) -> None:
    """Count what is missing, what is there twice, and what is not the same."""
    then, now = wanted["episodes"], found["episodes"]
    tally.lost += len(then.keys() - now.keys())
    tally.doubled += sum(count - 1 for count in Counter({key: len(rows) for key, rows in now.items()}).values())
    odd = [key for key in then.keys() & now.keys() if set(then[key]) != set(now[key])]
    odd += [f"episode {key} that nobody asked for" for key in now.keys() - then.keys()]
    for part in ("weights", "tables"):
        names = wanted[part].keys() | found[part].keys()
        odd += [name for name in sorted(names) if wanted[part].get(name) != found[part].get(name)]
    tally.different += len(odd)
    tally.notes += [f"different: {name}" for name in odd[:5]]


if __name__ == "__main__":
    raise SystemExit(main())
