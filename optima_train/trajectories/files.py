"""Rows of data files, one at a time and bounded: .jsonl, .json, .csv, .parquet. Rows count from 0.

A file of any size is read in the memory of its largest row (of a parquet file: of some dozens of rows). A row that
cannot be read is a ``Broken`` with its reason and the rows after it are still read, except in a .json file, which is
one value: there the file is at fault and the error names file and byte.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from optima_envs.extras import install
from optima_envs.tasks.loading import DataError

ROW_LIMIT = 32 * 2**20
"""Bytes of a row; a longer one is not held in memory but dropped."""
CHUNK = 2**20
NEAR = 16  # characters: within so many of the window's end a value may look broken, or whole, only because it is cut
PARQUET_ROWS = 32
SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a file: its number, its value, and its key where the file is one object of rows."""

    row: int
    value: Any
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that could not be read."""

    row: int
    reason: str


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


_decoder = json.JSONDecoder(parse_constant=_no_number)


def parse(text: str) -> Any:
    """JSON without NaN and infinity. Raises ValueError, also for values nested too deeply."""
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def entries(path: Path, *, keyed: bool = False) -> Iterator[Entry | Broken]:
    """The rows of a file. In a .json file these are the items of its list; an object is one row, or with ``keyed`` each
    of its values is one. Raises DataError naming the file."""
    read = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}.get(path.suffix)
    if path.suffix == ".json":
        return _json(path, keyed)
    if read is None:
        raise DataError(f"{path} ends in {path.suffix or 'nothing'!r}; data is read from {', '.join(SUFFIXES)} only")
    return read(path)


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as err:
        raise DataError(f"{path} cannot be opened: {err.strerror}") from None


def _jsonl(path: Path) -> Iterator[Entry | Broken]:
    with _open(path) as lines:
        row = -1
        while line := lines.readline(ROW_LIMIT):
            row += 1
            if len(line) == ROW_LIMIT and not line.endswith(b"\n"):
                while (rest := lines.readline(ROW_LIMIT)) and not rest.endswith(b"\n"):
                    pass
                yield Broken(row, f"longer than {ROW_LIMIT:,} bytes")
                continue
            if row == 0:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            try:
                yield Entry(row, parse(line.decode("utf-8")))
            except UnicodeDecodeError as err:
                yield Broken(row, f"not UTF-8 (byte {err.start} of the line)")
            except ValueError as err:
                yield Broken(row, f"not JSON: {err}")


class _Text:
    """A text file read from front to back through a window that is only as long as the value looked at."""

    def __init__(self, path: Path, source: IO[bytes]) -> None:
        self.path, self._source = path, source
        self.text, self.at, self._ended = "", 0, False
        self._before = 0  # bytes of what was read and let go
        self._tail = b""
        self.more()
        self.text = self.text.removeprefix("\ufeff")

    def more(self) -> bool:
        """Read on; False at the end. Raises DataError where the bytes are not UTF-8."""
        if self._ended:
            return False
        raw = self._source.read(max(CHUNK, len(self.text) - self.at))
        self._ended = not raw
        block, self._tail = self._tail + raw, b""
        try:
            text = block.decode("utf-8")
        except UnicodeDecodeError as err:
            if self._ended or len(block) - err.start > 3:
                start = self.byte(len(self.text)) + err.start
                raise DataError(f"{self.path} is not UTF-8 text (byte {start})") from None
            text, self._tail = block[: err.start].decode("utf-8"), block[err.start :]
        self.text += text
        return True

    def byte(self, at: int) -> int:
        return self._before + len(self.text[:at].encode("utf-8", "surrogatepass"))

    def let_go(self) -> None:
        """Forget what lies before the place looked at."""
        self._before = self.byte(self.at)
        self.text, self.at = self.text[self.at :], 0

    def peek(self) -> str:
        """The next character that is no white space; "" at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in " \t\n\r":
                self.at += 1
            if self.at < len(self.text):
                return self.text[self.at]
            self.let_go()
            if not self.more():
                return ""

    def value(self) -> Any:
        """The JSON value that begins here. Raises DataError naming the byte."""
        if self.at > CHUNK:
            self.let_go()
        while True:
            try:
                found, end = _decoder.raw_decode(self.text, self.at)
            except json.JSONDecodeError as err:
                # a value cut off by the window fails at the window's end, or is a string that does not end in it
                if err.pos < len(self.text) - NEAR and not err.msg.startswith("Unterminated string"):
                    self.fail(err.msg, err.pos)
                if len(self.text) - self.at > ROW_LIMIT:
                    self.fail(f"a value longer than {ROW_LIMIT:,} characters", self.at)
                if not self.more():
                    self.fail(err.msg, err.pos)
            except (ValueError, RecursionError) as err:
                self.fail("nested too deeply" if isinstance(err, RecursionError) else str(err), self.at)
            else:
                if end > len(self.text) - NEAR and self.more():
                    continue  # a number may go on beyond what was read
                self.at = end
                return found

    def fail(self, why: str, at: int) -> NoReturn:
        hint = "; one object a line belongs in a .jsonl file" if why == "text after the value" else ""
        raise DataError(f"{self.path} is not JSON: {why} (byte {self.byte(at)}){hint}")


def _json(path: Path, keyed: bool) -> Iterator[Entry | Broken]:
    with _open(path) as source:
        text = _Text(path, source)
        opening = text.peek()
        if opening == "[" or (opening == "{" and keyed):
            yield from _items(text, opening)
        else:
            yield Entry(0, text.value())
        if text.peek():
            text.fail("text after the value", text.at)


def _items(text: _Text, opening: str) -> Iterator[Entry]:
    closing = "]" if opening == "[" else "}"
    text.at += 1
    row = 0
    while (sign := text.peek()) != closing:
        if row:
            if sign != ",":
                text.fail(f"expected ',' or '{closing}'" if sign else "the file ends too early", text.at)
            text.at += 1
            text.peek()
        key = None
        if opening == "{":
            key = text.value() if text.peek() == '"' else text.fail("expected a key in quotes", text.at)
            if text.peek() != ":":
                text.fail("expected ':'", text.at)
            text.at += 1
            text.peek()
        yield Entry(row, text.value(), key)
        row += 1
    text.at += 1


def _csv(path: Path) -> Iterator[Entry | Broken]:
    """Rows as mappings by the header's names. A quotation mark that is never closed would take in all that follows:
    such a field ends at the limit, with an error that names the line."""
    csv.field_size_limit(ROW_LIMIT)
    with _open(path) as raw:
        rows = csv.reader(_text_lines(raw))
        number = 0
        try:
            header = next(rows, [])
            if len(set(header)) < len(header):
                raise DataError(f"{path}: two columns have one name ({', '.join(header)})")
            for row, values in enumerate(rows):
                number = row
                if any(not value.isascii() and _escaped(value) for value in values):
                    yield Broken(row, "not UTF-8")
                elif len(values) == len(header):
                    yield Entry(row, dict(zip(header, values, strict=True)))
                elif values:
                    yield Broken(row, f"{len(values)} fields, the header has {len(header)}")
        except csv.Error as err:
            raise DataError(f"{path} is not CSV after row {number}: {err}") from None


def _text_lines(raw: IO[bytes]) -> Iterator[str]:
    """Lines as text; a byte that is no UTF-8 becomes a lone surrogate, which text cannot hold otherwise."""
    first = True
    while line := raw.readline(ROW_LIMIT):
        text = line.decode("utf-8", "surrogateescape")
        yield text.removeprefix("\ufeff") if first else text
        first = False


def _escaped(text: str) -> bool:
    return any("\udc80" <= char <= "\udcff" for char in text)


def _parquet(path: Path) -> Iterator[Entry | Broken]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise DataError(f"reading {path.name} needs pyarrow: {install('data')}, or give jsonl") from None
    with _open(path) as source:
        try:
            table = pq.ParquetFile(source, buffer_size=CHUNK, pre_buffer=False)
            row = 0
            for batch in table.iter_batches(batch_size=PARQUET_ROWS, use_threads=False):
                for value in batch.to_pylist():
                    yield Entry(row, {str(name): plain(item) for name, item in value.items()})
                    row += 1
        except (pa.ArrowException, OSError) as err:
            why = (str(err).splitlines() or ["no reason given"])[0][:200]
            raise DataError(f"{path} is not a readable parquet file: {why}") from None


ATOMS: Mapping[type, Callable[[Any], Any]] = {
    str: lambda value: value,
    int: lambda value: value,
    bool: lambda value: value,
    type(None): lambda value: value,
    float: lambda value: value if value - value == 0 else str(value),
}


def plain(value: Any) -> Any:
    """``value`` as JSON can hold it: what JSON has no form for (dates, bytes, NaN) becomes its text."""
    atom = ATOMS.get(type(value))
    if atom is not None:
        return atom(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [plain(item) for item in value]
    return str(value)
