"""Files that are whole or absent: written under a temporary name, flushed to the disk, renamed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from optima_envs.lines import lines


def sync(path: Path) -> None:
    """Flush a file or a directory entry to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A file that takes the place of ``path`` in one step when the block has ended well; a kill at any instant leaves
    the old content or the new, never half. A lone surrogate is written as its JSON escape."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", errors="backslashreplace") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def write_text(path: Path, text: str) -> None:
    with replacing(path) as handle:
        handle.write(text)


def write_json(path: Path, value: Any) -> None:
    """``value`` as indented JSON. Raises ValueError on NaN or infinity rather than write what no reader accepts."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """JSON lines, streamed; returns how many. Raises ValueError on NaN or infinity."""
    count = 0
    with replacing(path) as handle:
        for row in rows:
            handle.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
            count += 1
    return count


def read_json(path: Path) -> Any:
    """Raises ValueError naming the file when it is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as err:
        raise ValueError(f"{path}: not JSON: {err}") from None


def read_lines(path: Path) -> Iterator[Any]:
    """The rows of a JSON-lines file. Raises ValueError naming file and line."""
    return (line.row for line in lines(path))


def fresh_directory(path: Path) -> Path:
    """An empty directory at ``path``: what an interrupted attempt left there is removed."""
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True)
    return path


def publish(temporary: Path, final: Path) -> None:
    """Make a finished directory visible under its final name, its files flushed first."""
    for file in temporary.rglob("*"):
        sync(file)
    sync(temporary)
    if final.exists():
        shutil.rmtree(final)
    temporary.rename(final)
    sync(final.parent)
