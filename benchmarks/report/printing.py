"""What ``optima bench`` prints: a table per environment, the plateaus reached, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

Row = Mapping[str, Any]
NOTES = {"fair": "", "oracle": " (oracle)", "feedback": " (feedback)"}
MEANING = {"oracle": "an oracle sees what no agent of the environment sees", "feedback": "feedback: is told the score"}
WIDE = ("prompt", "cached", "sec")  # only where there is room; the page has them all


def print_summary(console: Console, summary: Mapping[str, Any]) -> None:
    """Everything a reader should see first."""
    for env in summary["envs"]:
        rows = [row for row in summary["rows"] if row["env"] == env]
        if rows:
            print_table(console, env, rows, [test for test in summary["paired"] if test["env"] == env])
    for found in summary["plateaus"]:
        print_plateau(console, found)
    for entry in summary["not_applicable"]:
        say(console, f"not played: {entry['label']} in {entry['env']}: it {entry['reason']}")
    for reason, count in Counter(entry["reason"] for entry in summary["missing"]).items():
        cells = [entry["cell"] for entry in summary["missing"] if entry["reason"] == reason]
        named = ", ".join(cells[:4]) + (" ..." if count > 4 else "")
        say(console, f"MISSING {count}: {named}: {reason}")


def print_table(
    console: Console, env: str, rows: Sequence[Mapping[str, Any]], tests: Sequence[Mapping[str, Any]]
) -> None:
    """A line per method, fair ones first: ``*`` marks the Pareto front, ``mute`` is the share without an answer, and
    the last two are the paired difference from the reference and its p-value, corrected for the number of tests."""
    from rich.table import Table

    table = Table(title=f"{env} ({rows[0]['n']} instances)", title_justify="left", box=None, padding=(0, 1, 0, 0))
    against = tests[0]["a"] if tests else ""
    by_label = {test["b"]: test for test in tests}
    cells = [columns(row, against, by_label.get(row["label"])) for row in sorted(rows, key=_block)]
    shown = [name for name in cells[0] if name not in WIDE or console.width >= 110]
    for name in shown:
        table.add_column(name, justify="left" if name == "method" else "right", no_wrap=name != "method")
    for found in cells:
        table.add_row(*(found[name] for name in shown))
    console.print(table)
    for block, meaning in MEANING.items():
        if any(row["block"] == block for row in rows):
            say(console, f"({meaning})")
    for row in rows:
        if row["failures"]:
            kinds = ", ".join(f"{count} {kind}" for kind, count in row["causes"].items())
            say(console, f"{row['label']}: {row['failures']} of {row['episodes']} episodes failed ({kinds}), scored 0")


def columns(row: Row, against: str, test: Row | None) -> dict[str, str]:
    """The cells of one line; ``test`` is its paired test against the method ``against``."""
    low, high = row["score_ci"]
    seeds = f" [{len(row['seeds'])} seeds]" if len(row["seeds"]) > 1 else ""
    return {
        "method": f"{row['label']}{'*' if row['pareto'] else ''}{seeds}{NOTES[row['block']]}",
        "score [95%]": f"{row['score']:.3f} [{low:.2f}, {high:.2f}]",
        "tokens": f"{row['tokens']:.0f}",
        "prompt": f"{row['prompt_tokens']:.0f}",
        "cached": f"{row['cached_share']:.0%}",
        "calls": f"{row['calls']:.1f}",
        "sec": f"{row['seconds']:.1f}",
        "fail": str(row["failures"]),
        "mute": f"{row['unanswered']:.0%}",
        f"- {against}": f"{test['diff']:+.3f}" if test else "",
        "p": f"{test['p_holm']:.4f}" if test else "",
    }


def _block(row: Row) -> int:
    return list(NOTES).index(row["block"])


def print_plateau(console: Console, found: Mapping[str, Any]) -> None:
    """One sentence about who reaches whose self-consistency."""
    told = f"{found['env']}: {found['of']} levels off at {found['plateau']:.3f} with {found['tokens']:.0f} tokens; "
    if found["reached"] is None:
        say(console, told + f"{found['by']} never gets there")
    else:
        say(console, told + f"{found['by']} is there with {found['reached']:.0f} ({found['share']:.1%})")


def say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
