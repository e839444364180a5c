"""The ten systems of agent tuning beside prompting, in one table.

    python -m benchmarks.training.agent_tuning

First the team that they begin with and the logs they read are made, in ``runs/agent-tuning``; then the suite
``agent-tuning`` is trained and played. Whatever is there already is not made again, so the same command goes on after a
kill. Settings such as ``instances=50`` go to the suite.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optima_agents import EpisodeLog
from optima_train.cli.main import main as optima
from optima_train.config.loading import dump, find, read
from optima_train.run.files import write_text
from optima_train.tiny.dialogues import dialogues

from ..suite.settings import CONFIGS, suite_of

SUITE, HOME = "agent-tuning", Path("runs") / "agent-tuning"
LOGS = {"sums": ("arith-debate", "math"), "talk": ("twohop-asym", "arrows")}
"""By file: the world of its scripted dialogues, and their style."""
# whole debates get worse by the round: the embedded model was not raised to hear others' answers
DEBATES = [
    "bench", "--env", "arith-debate", "--method", "debategpt", "--model", "hf:tiny", "-n", "300", "--no-report",
    "--out", str(HOME / "debates"), "envs.0.split=train", "methods.debategpt.options.rounds=1",
]  # fmt: skip
TRAINED_IN = "search"
RECORDS = {
    "dbbench-sql": ("agent_tuning/agentbench/dbbench_standard.jsonl", {"max_turns": 12, "instances": 20}),
    "hotpotqa-search": ("hotpot_qa/test.parquet", {"max_turns": 6, "instances": 30}),
}
"""By environment: its file under ``--records``, and how much of it is played."""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of ``optima bench``, or of the training before it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    files = " and ".join(name for name, _ in RECORDS.values())
    parser.add_argument("settings", nargs="*", metavar="a.b=c", help="of the suite, such as instances=50")
    parser.add_argument("--records", type=Path, help=f"play real records too: a folder with {files}")
    parser.add_argument("--episodes", type=int, default=600, help="scripted dialogues in a log (default 600)")
    parser.add_argument("--dry-run", action="store_true", help="make the beginning and the logs, and print the cells")
    args = parser.parse_args(argv)
    suite = read(find(SUITE, CONFIGS, "suite"))
    try:
        suite = suite if args.records is None else with_records(suite, args.records)
    except ValueError as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    for name, (env, style) in LOGS.items():
        write_log(HOME / f"{name}.jsonl", env, style, args.episodes)
    for command in (["train", "agent-tuning-start", "--out", str(HOME / "start")], DEBATES):
        if failed := optima(command):
            return failed
    write_text(HOME / "suite.yaml", dump(suite_of(suite)))
    return optima(["bench", str(HOME / "suite.yaml"), *args.settings, *["--dry-run"] * args.dry_run])


def write_log(path: Path, env: str, style: str, count: int) -> None:
    """``count`` scripted dialogues, unless the log is there."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".part")
    whole.unlink(missing_ok=True)
    with EpisodeLog(whole) as log:
        for episode in dialogues(env, style, count):
            log.append(episode)
    whole.replace(path)


def with_records(suite: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """``suite`` with the worlds of real records beside the one that the systems are trained in, for whoever plays that
    one. Raises ValueError for a file that is not there."""
    if missing := [name for name, _ in RECORDS.values() if not (folder / name).is_file()]:
        raise ValueError(f"--records {folder} has no {missing[0]}")
    found = {**suite, "envs": [*suite["envs"]]}
    found["envs"] += [{"id": env, "data": str(folder / name), **how} for env, (name, how) in RECORDS.items()]
    for kind in ("models", "methods"):
        found[kind] = [
            {**item, "envs": [*item["envs"], *RECORDS]} if TRAINED_IN in item.get("envs", ()) else item
            for item in ({"name": given} if isinstance(given, str) else given for given in suite[kind])
        ]
    return found


if __name__ == "__main__":
    raise SystemExit(main())
