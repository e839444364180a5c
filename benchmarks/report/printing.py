"""What ``optima bench`` prints: a table per environment, the plateaus reached, what failed, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optima_train.report.tables import Table, say

if TYPE_CHECKING:
    from rich.console import Console

Row = Mapping[str, Any]
NOTES = {"fair": "", "oracle": " (oracle)", "feedback": " (feedback)"}
MEANING = {"oracle": "an oracle sees what no agent of the environment sees", "feedback": "feedback: is told the score"}
COLUMNS = ("label", "score", "tokens", "prompt_tokens", "cached_share", "calls", "seconds", "failures", "unanswered")
TESTS = ("diff", "p_holm")
WIDE = ("prompt_tokens", "cached_share", "seconds")  # only where there is room; the page has them all
ROOMY = 110  # characters of a line from which on there is


def print_summary(console: Console, summary: Row) -> None:
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


def print_table(console: Console, env: str, rows: Sequence[Row], tests: Sequence[Row]) -> None:
    """A line per method, fair ones first, with its paired difference from the reference; then what the marks mean and
    why episodes failed."""
    against = tests[0]["a"] if tests else ""
    by_label = {test["b"]: test for test in tests}
    shown = [_line(row, by_label.get(row["label"])) for row in sorted(rows, key=_block)]
    columns = [name for name in (*COLUMNS, *(TESTS if tests else ())) if name not in WIDE or console.width >= ROOMY]
    titles = {"label": "method", "diff": f"- {against}", "p_holm": "p", "unanswered": "mute"}
    Table(columns, shown, f"{env} ({rows[0]['n']} instances)", titles).print(console)
    if any(row["pareto"] for row in rows):
        say(console, "(*: on the Pareto front, no fair method scores as much with fewer tokens)")
    say(console, "(mute: without an answer" + (f"; p: of the difference from {against}, corrected)" if tests else ")"))
    for block, meaning in MEANING.items():
        if any(row["block"] == block for row in rows):
            say(console, f"({meaning})")
    for row in rows:
        if row["failures"]:
            say(
                console, f"{row['label']}: {row['failures']} of {row['episodes']} episodes failed, scored 0: {why(row)}"
            )


def why(row: Row) -> str:
    """The causes of a row's failures, each with its first message."""
    reasons = row.get("reasons") or {}
    return "; ".join(f"{n} {cause}" + (f" ({reasons[cause]})" if cause in reasons else "") for cause, n in
                     row["causes"].items())  # fmt: skip


def _line(row: Row, test: Row | None) -> dict[str, Any]:
    """The cells of one line; ``test`` is its paired test against the reference."""
    seeds = f" [{len(row['seeds'])} seeds]" if len(row["seeds"]) > 1 else ""
    label = f"{row['label']}{'*' if row['pareto'] else ''}{seeds}{NOTES.get(row['block'], '')}"
    # the interval of the score alone: tables, page and summary.json have the others
    found = {**row, "label": label, "tokens_ci": None, "diff": None, "p_holm": None}
    return found if test is None else {**found, "diff": test["diff"], "p_holm": test["p_holm"]}


def _block(row: Row) -> int:
    return list(NOTES).index(row["block"]) if row["block"] in NOTES else len(NOTES)


def print_plateau(console: Console, found: Row) -> None:
    """One sentence about who reaches whose self-consistency."""
    begun = f"{found['env']}: {found['of']} levels off at {found['plateau']:.3f} with {found['tokens']:.0f} tokens; "
    if found["reached"] is None:
        say(console, begun + f"{found['by']} never gets there")
    else:
        say(console, begun + f"{found['by']} is there with {found['reached']:.0f} ({found['share']:.1%})")
