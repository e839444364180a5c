# ruff: noqa: S608 - the statements are what is tested
"""The fenced table: what may be run, what is refused, and what must end by itself, with the table as it was."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.acting import BOATS, COLUMNS

from optima_envs.records import Instance
from optima_envs.tools import sql as fence
from optima_envs.tools.sql import MAX_ROWS, Table, digest, rows, run
from optima_envs.tools.sql_tokens import copies
from optima_envs.tools.sql_world import WORLD, fingerprint
from optima_envs.tools.world import MAX_TEXT, Call, Done

BOATS_TABLE = Table("harbour log", tuple(COLUMNS), tuple(tuple(row) for row in BOATS))
WIDE = Table("t", (("a", "INT"), ("b", "TEXT")), tuple((n, f"row {n}") for n in range(100)))


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ('SELECT Boat FROM "harbour log" WHERE Crates > 10', '["Wren"]\n["Tern"]'),
        ("SELECT SUM(Crates), MAX(Boat) FROM `harbour log`", '[50, "Wren"]'),
        ("SELECT COUNT(*) FROM [harbour log];", "[4]"),
        ("SELECT * FROM \"harbour log\" WHERE Boat LIKE 'x%'", "no rows"),
        ('WITH big AS (SELECT * FROM "harbour log" WHERE Crates > 10) SELECT COUNT(*) FROM big', "[2]"),
        ("VALUES (1, NULL, 1.5, 'a\nb', X'ff')", '[1, null, 1.5, "a\\nb", {"blob": "ff"}]'),
        ("-- how many\nSELECT 1 /* one */", "[1]"),
        ("UPDATE \"harbour log\" SET Crates = Crates + 1 WHERE Catch = 'cod'", "ok, 2 rows changed"),
        ("DELETE FROM \"harbour log\" WHERE Boat = 'nobody'", "ok, 0 rows changed"),
        ("INSERT INTO \"harbour log\" VALUES ('Skua', 'eel', 3) RETURNING Boat", 'ok, 1 row changed\n["Skua"]'),
        ('SELECT ROW_NUMBER() OVER (ORDER BY Crates) FROM "harbour log" LIMIT 1', "[1]"),
        ('SELECT colour FROM "harbour log"', "error: no such column: colour"),
        ("SELECT 1; SELECT 2", "error: You can only execute one statement at a time."),
        ("SELECT \x00", "error: the query contains a null character"),
    ],
)
def test_statements(statement: str, text: str):
    assert run(BOATS_TABLE, (), statement).text == text


def long(times: int) -> str:
    """An expression whose value has 150 times that many letters."""
    return f"replace('{'a' * times}', 'a', '{'a' * 150}')"


HOSTILE = {
    "attach": "ATTACH ':memory:' AS other",
    "pragma": "PRAGMA writable_schema = 1",
    "pragma as a table": "SELECT * FROM pragma_table_info('t')",
    "json as a table": "SELECT * FROM json_each('[1]')",
    "schema": "SELECT sql FROM sqlite_master",
    "statistics": "SELECT * FROM dbstat",
    "extension": "SELECT load_extension('evil')",
    "chance": "SELECT random()",
    "clock": "SELECT CURRENT_TIMESTAMP",
    "date": "SELECT date('now')",
    "version": "SELECT sqlite_version()",
    "drop": "DROP TABLE t",
    "create": "CREATE TABLE u (a)",
    "trigger": "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t; END",
    "alter": "ALTER TABLE t ADD c",
    "vacuum": "VACUUM",
    "vacuum into": "VACUUM INTO 'copy.db'",
    "begin": "BEGIN",
    "commit": "/* now */ COMMIT",
    "rollback": "ROLLBACK",
    "savepoint": "SAVEPOINT s",
    "explain": "EXPLAIN SELECT 1",
    "reindex": "REINDEX",
    "nothing": "-- SELECT 1",
    "parameters": "SELECT ?",
    "not utf-8": "SELECT '\ud800'",
    "too long": "SELECT " + " " * 5_000 + "1",
    "deep": "SELECT " + "(" * 900 + "1" + ")" * 900,
    "wide": "SELECT " + ",".join("b" * 900) + " FROM t",
    "a gigabyte of zeros": "SELECT zeroblob(1000000000)",
    "a gigabyte of text": "SELECT printf('%1000000000d', 1)",
    "doubled text": "SELECT " + "hex(" * 20 + "b" + ")" * 20 + " FROM t",
    "joined text": "SELECT group_concat(x.b) FROM t x, t y",
    "endless": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n",
    "endless and large": "WITH RECURSIVE n(i, x) AS (SELECT 1, 'a' UNION SELECT i + 1, "
    "replace('" + "a" * 100 + "', 'a', '" + "b" * 190 + "') || i FROM n) SELECT COUNT(*) FROM n",
    "endless and sorted": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n ORDER BY -i",
    "cross join": "SELECT COUNT(*) FROM t a, t b, t c, t d, t e, t f",
    "cross insert": "INSERT INTO t SELECT a.a, c.b FROM t a, t b, t c, t d, t e, t f",
    "cross delete": "DELETE FROM t WHERE (SELECT COUNT(*) FROM t a, t b, t c, t d, t e) > 1",
    "dear function": "SELECT COUNT(*) FROM t a, t b, t c WHERE "
    f"instr({long(90)}, {long(45)} || a.a || b.a || c.a)",
    "doubling": "WITH a0 AS (SELECT 1 AS k), "
    + ", ".join(f"a{n} AS (SELECT 1 AS k FROM a{n - 1} x, a{n - 1} y)" for n in range(1, 40))
    + " SELECT COUNT(*) FROM a39",
    # to SQLite a name, to most readers a space
    "hidden doubling": "WITH \u00a0 AS (SELECT 1 AS k), "
    + ", ".join("{0}\u00a0 AS (SELECT 1 AS k FROM {0} x, {0} y)".format("\u00a0" * n) for n in range(1, 30))
    + " SELECT COUNT(*) FROM "
    + "\u00a0" * 30,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_would_get_out_or_not_end_is_an_error_of_one_line(name: str):
    result = run(WIDE, (), HOSTILE[name])
    assert result.failed and result.text.startswith("error: ") and "\n" not in result.text and len(result.text) < 400


@pytest.mark.parametrize("name", ["drop", "commit", "cross insert", "endless", "joined text", "doubled text"])
def test_the_table_is_as_it_was_before_and_after(name: str):
    change = "DELETE FROM t WHERE a >= 50"
    assert digest(WIDE, [change, HOSTILE[name]]) == digest(WIDE, [HOSTILE[name], change]) == digest(WIDE, [change])
    assert run(WIDE, [change, HOSTILE[name]], "SELECT COUNT(*) FROM t").text == "[50]"


def test_each_fence_stands_alone(monkeypatch: pytest.MonkeyPatch):
    """Take one away, and what it is there for gets further: none of them is idle behind another."""
    endless, large = HOSTILE["endless"], "SELECT length(" + "hex(" * 20 + "b" + ")" * 20 + ") FROM t LIMIT 1"
    monkeypatch.setattr(fence, "_LIMITS", {})
    assert run(WIDE, (), large).text == f"[{5 * 2**20}]"
    monkeypatch.undo()
    monkeypatch.setattr(fence, "MAX_STEPS", 10**12)
    assert run(WIDE, (), endless).failed  # processor time
    monkeypatch.setattr(fence, "MAX_SECONDS", 10.0)
    monkeypatch.setattr(fence, "MAX_STEPS", 1_000)
    assert run(WIDE, (), endless).failed  # steps
    assert run(WIDE, (), "SELECT COUNT(*) FROM t").text == "[100]"
    monkeypatch.setattr(fence, "_authorizer", lambda table: lambda *asked: 0)
    assert not run(WIDE, (), "SELECT random()").failed
    monkeypatch.setattr(fence, "MAX_COPIES", 10**12)
    assert not run(WIDE, (), "WITH a AS (SELECT 1), b AS (SELECT 1 FROM " + ",".join(["a"] * 60) + "), "
                   "c AS (SELECT 1 FROM " + ",".join(["b"] * 20) + ") SELECT 1 FROM c").failed  # fmt: skip


def test_a_long_text_or_table_is_cut_to_its_bounds():
    many = run(WIDE, (), "SELECT a FROM t")
    assert len(many.text.splitlines()) == MAX_ROWS + 1 and many.text.endswith("\n... more rows")
    wide = run(WIDE, (), "SELECT hex(hex(hex(hex(hex(b))))), b FROM t")
    assert len(wide.text) <= MAX_TEXT and len(wide.text.splitlines()) < 20 and wide.text.endswith("... more rows")
    assert len(run(WIDE, (), f"SELECT '{'x' * 3_000}'").text) == MAX_TEXT


def test_a_statement_that_fails_half_way_changes_nothing():
    # fifty new rows, then one whose number is taken: SQLite itself would keep the fifty
    half = "INSERT OR FAIL INTO t (rowid, a) SELECT CASE WHEN a < 50 THEN a + 1000 ELSE 1 END, a FROM t"
    assert run(WIDE, (), half).failed
    assert rows(WIDE, [half]) == rows(WIDE)
    assert run(WIDE, [half], "SELECT COUNT(*) FROM t").text == "[100]"


def test_changes_add_up_and_the_fingerprint_is_that_of_the_rows():
    changes = [
        "UPDATE \"harbour log\" SET Crates = 8 WHERE Boat = 'Heron'",
        "DELETE FROM \"harbour log\" WHERE Boat = 'Gull'",
    ]
    assert run(BOATS_TABLE, changes, 'SELECT SUM(Crates) FROM "harbour log"').text == "[51]"
    same = Table("another", BOATS_TABLE.columns, (("Tern", "cod", 31), ("Heron", "crab", "8"), ("Wren", "cod", "12")))
    assert digest(BOATS_TABLE, changes) == digest(same)  # whatever the order, and 8 is '8' in a column of numbers
    for other in (("Wren", "cod", None), ("Wren", "cod,12", ""), ("Wren", "", "cod"), ("wren", "cod", "12")):
        assert digest(Table("t", BOATS_TABLE.columns, (other,))) != digest(
            Table("t", BOATS_TABLE.columns, (("Wren", "cod", "12"),))
        )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (Table("t", (("Score", "INT"), ("Name", ""), ("score", "")), ()), "two columns named score"),
        (Table("t", (("a", ""),), ((1, 2),)), "row 1 of the table has 2 values for 1 columns"),
        (Table("t", (("a", ""),), (("x" * 20_000,),)), "row 1 of the table is longer than"),
        (Table("sqlite_x", (("a", ""),), ()), "SQLite does not take the table"),
        (Table("a\x00b", (("a", ""),), ()), "SQLite does not take the table"),
        (Table("t", (), ()), "SQLite does not take the table"),
        (Table("t", (("a", ""),), (({"a": 1},),)), "SQLite does not take the table"),  # type: ignore[dict-item]
        (Table("t", (("a", ""),), ((2**70,),)), "SQLite does not take the table"),
        (Table("t", tuple((f"c{n}", "") for n in range(3_000)), ()), "SQLite does not take the table"),
    ],
)
def test_tables_that_cannot_be(table: Table, message: str):
    with pytest.raises(ValueError, match=message):
        table.check()


def test_names_and_types_are_never_read_as_sql():
    evil = Table(
        'x"; DROP TABLE y; --', (('a") ; --', "INT); DROP TABLE x; --"), ("line\nbreak #/-", "")), (("1", "2"),)
    )
    evil.check()
    assert run(evil, (), 'SELECT "line\nbreak #/-" FROM "x""; DROP TABLE y; --"').text == '["2"]'
    assert rows(evil) == [(1, "2")]


WORDS = "select with as ( ) a , ' \" ` [ ] -- /* */ \n from t . \u00a0 recursive union all".split(" ")


@given(st.text(max_size=200) | st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join))
@settings(max_examples=200)
def test_any_text_is_a_result(text: str):
    result = run(WIDE, (), text)
    assert result.text and len(result.text) <= MAX_TEXT + 100
    assert copies(text) >= 1


def test_the_world_runs_only_again_what_changed_something():
    table = {"name": BOATS_TABLE.name, "columns": [list(column) for column in COLUMNS], "rows": BOATS}
    gold = fingerprint(BOATS_TABLE, ['DELETE FROM "harbour log" WHERE Crates = 0'])
    inst = Instance("i", "?", (gold,), meta={"table": table, "change": True})
    done: list[Done] = []
    for statement, seen in (
        ('SELECT COUNT(*) FROM "harbour log"', "[4]"),
        ('DELETE FROM "harbour log" WHERE Crates = 0', "ok, 1 row changed"),
        ("DELETE FROM nowhere", "error: no such table: nowhere"),
        ('SELECT COUNT(*) FROM "harbour log"', "[3]"),
    ):
        call = Call("sql", (("statement", statement),))
        done.append(Done(call, WORLD.observe(inst, done, call)))
        assert done[-1].observation == seen
    # whatever the agent says, the table is the answer; and replaying gives the same
    assert WORLD.solved(inst, WORLD.answer(inst, done, "nonsense")) and not WORLD.solved(
        inst, WORLD.answer(inst, (), None)
    )
    assert WORLD.observe(inst, done[:3], done[3].call) == "[3]"
