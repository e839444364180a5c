"""The world ``sql``: one table, asked and changed by statements. What they changed is graded by the table itself.

``meta["table"]`` is ``{"name", "columns": [[name, type], ...], "rows": [[value, ...], ...]}``; with ``meta["change"]``
the final answer is the table's fingerprint (``sql.digest``), whatever the agent states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..records import Instance
from .rows import METRIC
from .sql import CHANGED, Table, digest, run
from .world import Call, Done, Tool


class SqlWorld:
    """See ``world.World``."""

    tools = (
        Tool("sql", ("statement",), "runs one SQLite statement on the table and shows what it gives", fenced=True),
    )

    def observe(self, inst: Instance, done: Sequence[Done], call: Call) -> str:
        return run(table_of(inst.meta), _changes(done), call.text).text

    def answer(self, inst: Instance, done: Sequence[Done], stated: str | None) -> str | None:
        return fingerprint(table_of(inst.meta), _changes(done)) if inst.meta.get("change") else stated

    def solved(self, inst: Instance, answer: str | None) -> bool:
        return METRIC.correct(METRIC.score(answer, inst.answers))


def table_of(meta: Mapping[str, Any]) -> Table:
    """The table an instance carries."""
    table = meta["table"]
    columns = tuple((name, kind) for name, kind in table["columns"])
    return Table(table["name"], columns, tuple(tuple(row) for row in table["rows"]))


def fingerprint(table: Table, statements: Sequence[str] = ()) -> str:
    """The state of a table as an answer can hold it."""
    return f"table {digest(table, statements)}"


def _changes(done: Sequence[Done]) -> list[str]:
    """The statements that changed something, as their observations tell: only these need to be run again."""
    return [one.call.text for one in done if one.observation.startswith(CHANGED)]


WORLD = SqlWorld()
