"""One table in a fenced SQLite: a statement out of untrusted text is run, refused or ended; it never gets out.

| fence | against |
|---|---|
| an authorizer that knows the table and the functions | ATTACH, PRAGMA, schema changes, load_extension, chance, clock |
| SQLite's limits, above all on the length of a value | values of a gigabyte: no handler is called inside a function |
| a progress handler: a number of steps, the same on every machine | endless queries |
| processor time in the same handler | few steps, each of them dear |
| a bound on copies of common table expressions | levels that double each other, before any step is run |

The database lives for one call: it is built, brought up to date by the statements that changed it before, asked, and
thrown away. So a statement that fails has changed nothing, and the same calls always give the same texts.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from .sql_tokens import copies, first_word
from .world import MAX_TEXT, clip

Value = str | int | float | None

MAX_STATEMENT = 4_000  # characters
MAX_ROWS = 50  # shown
MAX_ROW = 10_000  # bytes of a row of the table
MAX_VALUE = 2 * MAX_ROW  # bytes of any value; what a single function can cost grows with its square
MAX_STEPS = 2_000_000  # of SQLite's virtual machine, about 0.1 s
MAX_SECONDS = 0.25  # of processor time
MAX_PAGES = 2_000  # of 4 KiB: how large the table can grow
MAX_COPIES = 500
CHANGED = "ok, "  # begins the text of a statement that was no query
EVERY = 200  # steps between two looks at the budget

# none that makes long values out of a number, asks the clock or chance, or differs between versions of SQLite
FUNCTIONS = frozenset(
    "abs avg ceil ceiling char coalesce concat concat_ws count cume_dist dense_rank exp first_value floor glob "
    "group_concat hex ifnull iif instr lag last_value lead length like likelihood likely ln log log10 log2 lower "
    "ltrim max min mod nth_value ntile nullif octet_length percent_rank pi pow power quote rank replace round "
    "row_number rtrim sign sqrt string_agg substr substring sum total trim trunc typeof unicode unlikely "
    "upper".split()
)
KEYWORDS = ("select", "with", "values", "insert", "replace", "update", "delete")
_ON_TABLE = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE, sqlite3.SQLITE_READ)
_ALWAYS = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE)
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 4 * MAX_STATEMENT,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 500,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 20,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 20_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 100,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
# MemoryError: more operations than SQLITE_LIMIT_VDBE_OP
_REFUSALS = (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError)
_INTEGER, _NUMERIC = re.compile("int", re.IGNORECASE), re.compile("real|floa|doub|dec|num", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Table:
    """A table at its beginning; ``columns`` are (name, declared type) pairs. Types that are neither whole numbers nor
    numbers are text."""

    name: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Value, ...], ...]

    def check(self) -> None:
        """Raises ValueError, in one line, for a table that SQLite does not take or that is too large."""
        names: set[str] = set()
        for name, _ in self.columns:
            if name.casefold() in names:
                raise ValueError(f"two columns named {name}")
            names.add(name.casefold())
        for number, row in enumerate(self.rows, 1):
            if len(row) != len(self.columns):
                raise ValueError(f"row {number} of the table has {len(row)} values for {len(self.columns)} columns")
            if sum(len(str(value).encode("utf-8", "replace")) for value in row) > MAX_ROW:
                raise ValueError(f"row {number} of the table is longer than {MAX_ROW} bytes")
        try:
            _build(self).close()
        except _REFUSALS as err:
            raise ValueError(f"SQLite does not take the table: {_reason(err)}") from None


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave: the text to be shown, the rows it changed (None: a query), and whether it failed."""

    text: str
    changed: int | None = None
    failed: bool = False


def run(table: Table, before: Iterable[str], statement: str) -> Result:
    """The result of ``statement`` after those of ``before``, of which the failing ones change nothing."""
    with closing(_current(table, before)) as database:
        try:
            return _execute(database, statement)
        except _REFUSALS as err:
            return Result(f"error: {_reason(err)}", failed=True)


def rows(table: Table, before: Iterable[str] = ()) -> list[tuple[Any, ...]]:
    """The rows of the table after the statements of ``before``."""
    with closing(_current(table, before)) as database:
        database.set_authorizer(None)
        database.set_progress_handler(None, 0)
        return database.execute(f"SELECT * FROM {_quoted(table.name)}").fetchall()  # noqa: S608 - quoted


def digest(table: Table, before: Iterable[str] = ()) -> str:
    """A fingerprint of the rows after the statements of ``before``, in whatever order they stand."""
    texts = sorted(json.dumps([_plain(value) for value in row]) for row in rows(table, before))
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _build(table: Table) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        database.text_factory = _decoded
        database.execute("PRAGMA temp_store = MEMORY")
        database.execute(f"PRAGMA max_page_count = {MAX_PAGES}")
        database.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, max(100, len(table.columns)))
        # inside a transaction VACUUM, which no authorizer is asked about, is refused
        database.execute("BEGIN")
        columns = ", ".join(f"{_quoted(name)} {_affinity(kind)}" for name, kind in table.columns)
        database.execute(f"CREATE TABLE {_quoted(table.name)} ({columns})")
        places = ", ".join("?" * len(table.columns))
        database.executemany(f"INSERT INTO {_quoted(table.name)} VALUES ({places})", table.rows)  # noqa: S608 - quoted
        for limit, value in _LIMITS.items():
            database.setlimit(limit, value)
        database.set_authorizer(_authorizer(table.name))
    except BaseException:
        database.close()
        raise
    return database


def _current(table: Table, before: Iterable[str]) -> sqlite3.Connection:
    """The database after the statements of ``before``. One that fails may take with it what stood before it, so then
    all is built again; and what was in time once is given ten times as long, so that no state hangs on the clock."""
    done: list[str] = []
    database = _build(table)
    for statement in before:
        try:
            _execute(database, statement, 10 * MAX_SECONDS)
            done.append(statement)
        except _REFUSALS:
            database.close()
            database = _build(table)
            for earlier in done:
                _execute(database, earlier, 10 * MAX_SECONDS)
    return database


def _execute(database: sqlite3.Connection, statement: str, seconds: float | None = None) -> Result:
    if len(statement) > MAX_STATEMENT:
        raise ValueError(f"the statement is longer than {MAX_STATEMENT} characters")
    if first_word(statement) not in KEYWORDS:
        raise ValueError(f"a statement begins with one of {', '.join(KEYWORDS).upper()}")
    if copies(statement) > MAX_COPIES:
        raise ValueError("the common table expressions use each other too often")
    database.set_progress_handler(_budget(MAX_SECONDS if seconds is None else seconds), EVERY)
    before = database.total_changes
    cursor = database.execute(statement)
    if cursor.description is None:
        return _changed(database.total_changes - before)
    shown: list[str] = []
    size = 0
    for row in cursor:
        line = json.dumps([_plain(value) for value in row], ensure_ascii=False)
        if len(shown) == MAX_ROWS or (shown and size + len(line) > MAX_TEXT):
            shown.append("... more rows")
            break
        shown.append(line)
        size += len(line) + 1
    text = clip("\n".join(shown) or "no rows")
    changed = database.total_changes - before
    return Result(f"{_changed(changed).text}\n{text}", changed) if changed else Result(text)


def _changed(count: int) -> Result:
    return Result(f"{CHANGED}{count} row{'' if count == 1 else 's'} changed", count)


def _authorizer(table: str) -> Callable[..., int]:
    own = table.casefold()

    def allowed(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_FUNCTION:
            fine = (second or "").casefold() in FUNCTIONS
        elif action == sqlite3.SQLITE_READ and not second:  # no column: the rows of a common table expression counted
            fine = True
        else:
            fine = action in _ALWAYS or (action in _ON_TABLE and (first or "").casefold() == own)
        return sqlite3.SQLITE_OK if fine else sqlite3.SQLITE_DENY

    return allowed


def _budget(seconds: float) -> Callable[[], bool]:
    """True once a statement has used up its steps or its processor time."""
    looks, end = 0, time.thread_time() + seconds

    def spent() -> bool:
        nonlocal looks
        looks += 1
        return looks * EVERY > MAX_STEPS or time.thread_time() > end

    return spent


def _reason(err: BaseException) -> str:
    if isinstance(err, MemoryError):
        return "the statement is too complex"
    if str(err) == "interrupted":
        return "the statement takes too long"
    return clip(" ".join(str(err).split()), 300)


def _plain(value: Any) -> Any:
    return {"blob": value.hex()} if isinstance(value, bytes) else value


def _affinity(kind: str) -> str:
    return "INTEGER" if _INTEGER.search(kind) else "NUMERIC" if _NUMERIC.search(kind) else "TEXT"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
