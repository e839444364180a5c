"""Files of rows, streamed: .jsonl, .json, .csv, .parquet by the file's ending; whole or absent."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from optima_envs.extras import install
from optima_envs.tasks.loading import DataError

from ..run.files import replacing

BATCH = 512


def write_file(path: str | Path, rows: Iterable[Any]) -> int:
    """Write ``rows`` and return how many. Raises DataError for an ending nobody reads, or rows that do not fit it."""
    path = Path(path)
    writers: dict[str, Callable[[Path, Iterator[Any]], int]]
    writers = {".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".parquet": _parquet}
    if path.suffix not in writers:
        raise DataError(f"{path} ends in {path.suffix or 'nothing'!r}; write to {', '.join(writers)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return writers[path.suffix](path, iter(rows))
    except (TypeError, ValueError) as err:
        raise DataError(f"{path} cannot be written: {err}") from err


def _text(row: Any) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False)


def _jsonl(path: Path, rows: Iterator[Any]) -> int:
    count = 0
    with replacing(path) as handle:
        for row in rows:
            handle.write(_text(row) + "\n")
            count += 1
    return count


def _json(path: Path, rows: Iterator[Any]) -> int:
    count = 0
    with replacing(path) as handle:
        for row in rows:
            handle.write((",\n " if count else "[\n ") + _text(row))
            count += 1
        handle.write("\n]\n" if count else "[]\n")
    return count


def _csv(path: Path, rows: Iterator[Any]) -> int:
    """Columns by the first row's keys; what is no text is written as JSON."""
    count = 0
    with replacing(path) as handle:
        first = next(rows, None)
        if first is None:
            return 0
        columns = list(_object(first))
        table = csv.writer(handle, lineterminator="\n")
        table.writerow(columns)
        for row in chain([first], rows):
            if set(_object(row)) != set(columns):
                raise ValueError(f"row {count} has the keys {', '.join(row)}, the first one {', '.join(columns)}")
            table.writerow([row[key] if isinstance(row[key], str) else _text(row[key]) for key in columns])
            count += 1
    return count


def _parquet(path: Path, rows: Iterator[Any]) -> int:
    """The first block of rows decides the types. Raises ValueError for a later row of other ones."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ValueError(f"parquet needs pyarrow: {install('data')}, or write jsonl") from None
    count, temporary = 0, path.with_name(f".{path.name}.tmp")
    table: Any = None
    try:
        while block := list(islice(rows, BATCH)):
            try:
                # (Table.from_pylist would take the first row's keys and leave out all others)
                made = pa.Table.from_struct_array(pa.array([_object(row) for row in block]))
                if table is not None:
                    # what a schema has no place for is left out by pyarrow, which says nothing
                    if new := _unheld(made.schema, table.schema, ""):
                        raise ValueError(
                            f"rows {count} to {count + len(block) - 1} have the new key {new}; write jsonl"
                        )
                    made = pa.Table.from_pylist(block, schema=table.schema)
                table = table or pq.ParquetWriter(temporary, made.schema)
                table.write_table(made)
            except (pa.ArrowException, OverflowError) as err:
                last = count + len(block) - 1
                raise ValueError(f"rows {count} to {last} hold what parquet cannot: {err}; write jsonl") from None
            count += len(block)
        if table is None:
            raise ValueError("there is no row")
        table.close()
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return count


def _unheld(found: Any, held: Any, at: str) -> str | None:
    """The first key of a schema, or of an Arrow type within it, that another one has no place for."""
    import pyarrow.types as kinds

    places = {field.name: field.type for field in held}
    for field in found:
        name = f"{at}{field.name}"
        if field.name not in places:
            return name
        kind, of = field.type, places[field.name]
        while kinds.is_list(kind) and kinds.is_list(of):
            kind, of = kind.value_type, of.value_type
        if kinds.is_struct(kind) and kinds.is_struct(of) and (new := _unheld(kind, of, f"{name}.")):
            return new
    return None


def _object(row: Any) -> Mapping[str, Any]:
    if not isinstance(row, Mapping):
        raise ValueError(f"a row is {type(row).__name__}; only objects have columns")
    return row
