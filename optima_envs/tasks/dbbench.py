"""dbbench-sql and dbbench-sql-checked: AgentBench's database task, a table behind SQL statements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..records import Instance
from ..spec import TOOLS, EnvSpec, Sheet
from ..tools.rows import METRIC
from ..tools.sql import Table, run
from ..tools.sql_world import fingerprint
from .dataset import Dataset, RowError, UnusableRowError, need, need_text
from .loading import Data, DataError, Row, Source, is_row

SHEET = Sheet(
    "AgentBench's database task: a table asked or changed by SQL statements.",
    source="github THUDM/AgentBench, data/dbbench; not on the hub, so data=FILE is needed",
    licence="Apache-2.0",
    splits={"test": 300, "validation": 60},
    evaluation="test (standard.jsonl), all",
    paper="Liu et al. 2023, arXiv 2308.03688",
    metric="a change by the fingerprint of the table, a question by its label (a list of values in any order)",
    notes=(
        "SQLite instead of MySQL; columns keep their declared types, two columns of one name break the schema",
        "a question whose gold statement does not run, or gives something else than the label, has a note",
        "a change whose gold statement does not run or changes nothing is left out and counted",
        "attempts > 1 tells the actor whether its answer was right, so such scores are not those of one attempt",
    ),
)
SPEC = EnvSpec(
    "optima/dbbench-sql-v0",
    "optima_envs.tasks.dbbench:DBBench",
    TOOLS,
    "rows",
    {"world": "sql", "max_turns": 15},
    SHEET,
)
CHECKED = replace(
    SPEC,
    id="optima/dbbench-sql-checked-v0",
    defaults={"world": "sql", "max_turns": 30, "checker": True},
    sheet=replace(SHEET, summary="The same, each action first approved or vetoed by a second agent."),
)
CHANGES = ("INSERT", "UPDATE", "DELETE")


class DBBench(Dataset):
    """See ``Dataset`` for what is raised; DataError without ``data`` too."""

    name = "dbbench"
    source = Source(
        "THUDM/AgentBench",
        "578c5e9",
        {"test": ("data/dbbench/standard.jsonl",), "validation": ("data/dbbench/dev.jsonl",)},
    )

    def __init__(self, split: str | None = None, data: Data = None, *, skip_bad_rows: bool = False) -> None:
        if data is None:
            (file,) = self.source.files[self.source.split(self.name, split or self.usual)]
            raise DataError(
                f"{self.name}: the hub has no copy; pass data=FILE with {file} of github {self.source.repo}"
            )
        super().__init__(split, data, skip_bad_rows=skip_bad_rows)

    def build(self, row: Row, index: int) -> Instance:
        kind = _texts(row, "type")[0]
        labels = _texts(row, "label")
        table = _table(row)
        change = kind in CHANGES
        notes: list[str] = []
        if change:
            gold, answer = labels[0], _changed(table, labels[0])
        else:
            gold, answer = _statement(row), json.dumps(labels, ensure_ascii=False)
            notes = _doubts(table, gold, answer)
        about = row.get("add_description")
        return Instance(
            id=f"dbbench-{self.split}-{index}",
            question="\n".join([need_text(row, "description"), *([about] if isinstance(about, str) and about else [])]),
            answers=(answer,),
            meta={
                "kind": kind,
                "change": change,
                "gold": gold,
                "table": {
                    "name": table.name,
                    "columns": [list(column) for column in table.columns],
                    "rows": [list(values) for values in table.rows],
                },
                **({"notes": notes} if notes else {}),
            },
        )

    def solution(self, inst: Instance) -> dict[str, list[str]]:
        """What each role says in a perfect dialogue: the gold statement, if it runs, and the answer."""
        statement = f"```sql\n{inst.meta['gold']}\n```"
        unsure = bool(inst.meta.get("notes")) or not inst.meta["gold"]
        answer = "Final Answer: done" if inst.meta["change"] else f"Final Answer: {inst.answers[0]}"
        return {"actor": [answer] if unsure else [statement, answer]}


def _table(row: Row) -> Table:
    table = need(row, "table", Mapping)
    info = need(table, "table_info", Mapping)
    columns = need(info, "columns", Sequence)
    rows = need(info, "rows", Sequence)
    if not columns or not all(isinstance(column, Mapping) for column in columns):
        raise RowError("'columns' is not a list of objects with name and type")
    if not all(isinstance(values, Sequence) and not isinstance(values, str) for values in rows):
        raise RowError("'rows' is not a list of lists")
    named = tuple((need(column, "name"), str(column.get("type", ""))) for column in columns)
    built = Table(need_text(table, "table_name"), named, tuple(tuple(values) for values in rows))
    try:
        built.check()
    except ValueError as err:
        raise RowError(str(err)) from None
    return built


def _changed(table: Table, gold: str) -> str:
    result = run(table, (), gold)
    if result.failed:
        raise UnusableRowError(f"the gold statement does not run ({result.text})")
    answer = fingerprint(table, [gold])
    if answer == fingerprint(table):
        raise UnusableRowError("the gold statement changes nothing")
    return answer


def _doubts(table: Table, gold: str, answer: str) -> list[str]:
    """Notes on a question whose gold statement does not lead to its label; the label counts."""
    result = run(table, (), gold)
    if result.failed:
        return [f"the gold statement does not run: {result.text}"]
    given = "[]" if result.text == "no rows" else f"[{', '.join(result.text.splitlines())}]"
    return [] if METRIC.score(given, [answer]) else [f"the gold statement disagrees with the label: {given[:200]}"]


def _statement(row: Row) -> str:
    sql: object = row.get("sql")
    query = sql.get("query") if is_row(sql) else sql
    return query if isinstance(query, str) else ""


def _texts(row: Row, key: str) -> list[str]:
    items = need(row, key, (list, tuple))
    if not items or not all(isinstance(item, (str, int, float)) for item in items):
        raise RowError(f"{key!r} is not a list of texts")
    return [str(item) for item in items]
