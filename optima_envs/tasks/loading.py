"""Rows of a dataset, from the hub or from the user: ``data=`` may be

| value | meaning |
|---|---|
| None | the source's hub files at its revision |
| ``"owner/name@revision"`` | the same files of a mirror or another revision |
| ``"hf://datasets/owner/name@revision/file.parquet"`` | one hub file (parquet, json or jsonl) |
| a path ending in .parquet, .json or .jsonl | a local file, in the hub's or the authors' layout |
| a folder | its ``<split>.parquet|json|jsonl``, or all ``<split>/**/*.json``, one row each, sorted |
| a list of dicts | the rows themselves; numpy arrays in them (pandas records) are read as lists |

Nothing here runs a loading script: hub files are read as data by the ``parquet`` and ``json`` builders only.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard, cast

from ..extras import install
from ..text import printable

Row = Mapping[str, Any]
Rows = Sequence[Any]  # of Row, or Broken where a line could not be read
Data = str | Path | Sequence[Row] | None

SUFFIXES = (".parquet", ".json", ".jsonl")
_MIRROR = re.compile(r"([\w.-]+/[\w.-]+)@([\w./-]+)")
_PINNED = re.compile(r"[0-9a-f]{40}")
_STANDARD = ("train", "validation", "test")
_ALIAS = {"dev": "validation", "val": "validation", "valid": "validation"}
_NAMED = re.compile(rf"({'|'.join([*_STANDARD, *_ALIAS])})(?![a-zA-Z])")

log = logging.getLogger(__name__)


def is_row(value: object) -> TypeGuard[Row]:
    """Whether ``value`` is a mapping, as JSON objects and structs are."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether ``value`` is a list."""
    return isinstance(value, list)


class DataError(ValueError):
    """Data that cannot be loaded; one printable line that names the environment, the file or row, and the way out."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message[:1_000], lines=False))


@dataclass(frozen=True)
class Broken:
    """Stands for a row that could not be read."""

    reason: str


@dataclass(frozen=True)
class Source:
    """Where an environment's records live on the hub. ``files`` maps our split names to path patterns in the
    repository."""

    repo: str
    revision: str
    files: Mapping[str, tuple[str, ...]]

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit; a branch may change under us."""
        return _PINNED.fullmatch(self.revision) is not None

    def split(self, env: str, name: str, *, local: bool = False) -> str:
        """The split's own name; ``dev``, ``val`` and ``valid`` mean validation where the source has no such split.

        A local file may hold any split of a usual name. Raises DataError for an unknown one.
        """
        own = [*self.files, *(_STANDARD if local else ())]
        found = name if name in own else _ALIAS.get(name, name)
        if found not in own:
            raise DataError(f"{env} has no split {name!r} with answers; choose from {', '.join(self.files)}")
        return found


def local_path(data: object) -> Path | None:
    """The local file or folder that ``data`` names; None for anything else."""
    if not isinstance(data, (str, Path)):
        return None
    try:
        path = Path(data).expanduser()
        return path if path.exists() else None
    except (OSError, ValueError, RuntimeError):  # a name no file can have, a home nobody has
        return None


def split_named_by(path: Path) -> str | None:
    """The split a file's name tells of (``test.parquet``, ``dev-v1.json``, ``train-00000-of-00002.parquet``)."""
    match = _NAMED.match(path.name)
    return None if match is None else match[1]


def load_rows(env: str, source: Source, split: str, data: Data) -> tuple[Rows, str]:
    """The rows of ``split`` and a name for where they came from. Raises DataError."""
    if data is None:
        return _hub(env, source, split), f"{source.repo}@{source.revision[:12]}"
    if not isinstance(data, (str, Path)):
        if isinstance(data, (Mapping, bytes)) or not isinstance(cast("object", data), Sequence):
            raise DataError(
                f"{env}: data must be a file name or a list of rows, not {type(data).__name__}; "
                "pass list(dataset), or frame.to_dict('records')"
            )
        return _Given(data), "data"
    text = str(data)
    if text.startswith("hf://"):
        return _builder(env, text, {split: [text]}, split), text
    if (path := local_path(data)) is not None:
        return (_folder(env, path, split), str(path)) if path.is_dir() else (_file(env, path), path.name)
    if (mirror := _MIRROR.fullmatch(text)) is None:
        raise DataError(f"{env}: no data file {text[:200]!r}")
    repo, revision = mirror.groups()
    return _hub(env, replace(source, repo=repo, revision=revision), split), text


def _file(env: str, path: Path) -> Rows:
    if path.suffix == ".parquet":
        return _parquet(env, path)
    try:
        if path.suffix == ".jsonl":
            with path.open(encoding="utf-8-sig", newline="\n") as lines:
                return list(_lines(lines))
        if path.suffix == ".json":
            return _json(env, path)
    except UnicodeDecodeError as err:
        raise DataError(f"{env}: {path} is not UTF-8 text (byte {err.start})") from None
    except OSError as err:
        raise DataError(f"{env}: {path} cannot be read ({err.strerror})") from None
    raise DataError(f"{env}: {path} ends in {path.suffix or 'nothing'!r}; use one of {', '.join(SUFFIXES)}")


def _lines(lines: Iterator[str]) -> Iterator[Any]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as err:
                yield Broken(f"line {number} is not JSON ({err})")


def _json(env: str, path: Path) -> Rows:
    try:
        rows: object = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise
    except (ValueError, RecursionError) as err:
        hint = "; one object a line belongs in a .jsonl file" if "Extra data" in str(err) else ""
        raise DataError(f"{env}: {path} is not JSON ({err}){hint}") from None
    if is_row(rows):  # TriviaQA's and SQuAD's layout
        rows = rows.get("Data", rows.get("data", rows))
    if not is_list(rows):
        raise DataError(f"{env}: {path} holds a JSON {type(rows).__name__}, not a list of rows")
    return rows


def _folder(env: str, path: Path, split: str) -> Rows:
    names = [split, *(["dev", "valid", "val"] if split == "validation" else [])]
    for name in names:
        for suffix in SUFFIXES:
            if (path / f"{name}{suffix}").is_file():
                return _file(env, path / f"{name}{suffix}")
        # directory order differs by machine, so sort
        if tree := sorted((path / name).rglob("*.json")):
            return [_json_row(item, item.relative_to(path)) for item in tree]
    raise DataError(
        f"{env}: {path} has no {split}.parquet, {split}.json, {split}.jsonl and no folder {split}/ of .json files"
    )


def _json_row(path: Path, name: Path) -> Any:
    try:
        row: object = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as err:
        return Broken(f"{name} is not JSON ({err})")
    return {"id": name.with_suffix("").as_posix(), **row} if is_row(row) else Broken(f"{name} holds no object")


class _Given(Sequence[Any]):
    """Rows somebody made in Python, as JSON would give them."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return _plain(self.rows[index])


def _plain(value: Any) -> Any:
    """numpy's arrays and numbers as Python's, and pandas' sign of a missing value as None."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("Sequence[Any]", value)]
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return _plain(value.tolist())
    return None if isinstance(value, float) and value != value else value


class _Table(Sequence[Row]):
    """Rows of an Arrow table, decoded a block at a time (one by one costs several times as much)."""

    BLOCK = 64

    def __init__(self, table: Any) -> None:
        self.table = table
        self._block: tuple[int, list[Row]] = (-1, [])

    def __len__(self) -> int:
        return self.table.num_rows

    def __getitem__(self, index: Any) -> Any:
        number, place = divmod(cast("int", range(len(self))[index]), self.BLOCK)
        start, rows = self._block
        if start != number:
            rows = self.table.slice(number * self.BLOCK, self.BLOCK).to_pylist()
            self._block = number, rows
        return rows[place]


def _parquet(env: str, path: Path) -> Rows:
    try:
        from pyarrow import ArrowException, parquet  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
    except ImportError:
        raise DataError(f"{env}: reading {path.name} needs pyarrow: {install('data')}, or pass jsonl") from None
    failures: tuple[type[Exception], ...] = (cast("Any", ArrowException), OSError)
    try:
        return _Table(cast("Any", parquet).read_table(path, memory_map=True))
    except failures as err:
        raise DataError(f"{env}: {path} is not a readable parquet file ({_first_line(err)})") from None


def _hub(env: str, source: Source, split: str) -> Rows:
    base = f"hf://datasets/{source.repo}@{source.revision}"
    if not source.pinned:
        log.warning(
            "%s: %s is read at %s, which may change under you; name a commit by data='%s@COMMIT'",
            *(env, source.repo, source.revision, source.repo),
        )
    return _builder(env, base, {split: [f"{base}/{name}" for name in source.files[split]]}, split)


def _builder(env: str, name: str, files: dict[str, list[str]], split: str) -> Rows:
    try:
        from datasets import load_dataset  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
    except ImportError:
        raise DataError(f"{env}: {name} needs the hub client: {install('data')}, or pass data=FILE") from None
    kind = "parquet" if files[split][0].endswith(".parquet") else "json"
    try:
        loaded: Any = cast("Any", load_dataset)(kind, data_files=files, split=split)
    except Exception as err:  # the hub client raises many kinds; all mean that the data is not to be had
        reason = f"{type(err).__name__}: {_first_line(err)}"
        raise DataError(
            f"{env}: cannot load {name} ({reason}); offline, pass data=FILE (parquet, json or jsonl)"
        ) from None
    return _Table(loaded.data.table)


def _first_line(err: Exception) -> str:
    return (str(err).strip().splitlines() or ["no message"])[0][:200]
