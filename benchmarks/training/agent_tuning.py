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

from optima_envs.registry import UnknownName, unknown_name
from optima_train.cli.main import main as optima
from optima_train.config.loading import dump, find, read
from optima_train.run.files import write_text
from optima_train.tiny.dialogues import dialogues, write

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
RECORDS: dict[str, dict[str, int]] = {
    "dbbench-sql": {"max_turns": 12, "instances": 20},
    "hotpotqa-search": {"max_turns": 6, "instances": 30},
}
"""By environment of real records: how much of its file is played."""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of ``optima bench``, or of the training before it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("settings", nargs="*", metavar="a.b=c", help="of the suite, such as instances=50")
    wanted = " or ".join(RECORDS)
    parser.add_argument("--records", action="append", default=[], metavar="ENV=FILE", help=f"play {wanted} too")
    parser.add_argument("--episodes", type=int, default=600, help="scripted dialogues in a log (default 600)")
    parser.add_argument("--dry-run", action="store_true", help="make the beginning and the logs, and print the cells")
    args = parser.parse_args(argv)
    suite = read(find(SUITE, CONFIGS, "suite"))
    try:
        suite = with_records(suite, args.records)
    except (ValueError, UnknownName) as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    for name, (env, style) in LOGS.items():
        log = HOME / f"{name}.jsonl"
        if not log.exists():
            write(log, dialogues(env, style, args.episodes))
    for command in (["train", "agent-tuning-start", "--out", str(HOME / "start")], DEBATES):
        if failed := optima(command):
            return failed
    write_text(HOME / "suite.yaml", dump(suite_of(suite)))
    return optima(["bench", str(HOME / "suite.yaml"), *args.settings, *["--dry-run"] * args.dry_run])


def with_records(suite: Mapping[str, Any], given: Sequence[str]) -> dict[str, Any]:
    """``suite`` with the worlds of real records, ``ENV=FILE`` each, beside the one that the systems are trained in, for
    whoever plays that one. Raises ValueError for another environment, and for a file that is not there."""
    files = {env: file for env, _, file in (text.partition("=") for text in given)}
    for env, file in files.items():
        if env not in RECORDS:
            raise unknown_name("environment of real records", env, RECORDS)
        if not Path(file).is_file():
            raise ValueError(f"--records {env}: there is no file {file or '(write ENV=FILE)'}")
    found = {**suite, "envs": [*suite["envs"]]}
    found["envs"] += [{"id": env, "data": file, **RECORDS[env]} for env, file in files.items()]
    for kind in ("models", "methods"):
        found[kind] = [
            {**item, "envs": [*item["envs"], *files]} if TRAINED_IN in item.get("envs", ()) else item
            for item in ({"name": one} if isinstance(one, str) else one for one in suite[kind])
        ]
    return found


if __name__ == "__main__":
    raise SystemExit(main())
