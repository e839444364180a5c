"""Logs: one JSON object per line, append-only; a torn last line is cut off on reopening. EpisodeLog holds episodes."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from optima_envs.codec import adapter, strict_json
from optima_envs.records import Episode, EpisodeKey, ErrorInfo, Instance, Outcome

log = logging.getLogger(__name__)


class LineLog:
    """An open log of JSON objects. A kill at any instant loses at most the line being written.

    ``torn`` is the number of bytes of a half-written last line that opening cut off (0: the file was whole).
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        whole = _whole_bytes(self._fd)
        self.torn = os.fstat(self._fd).st_size - whole
        if self.torn:
            log.warning("%s: cut a half-written last line of %d bytes", self.path, self.torn)
            os.ftruncate(self._fd, whole)

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one line. Raises OSError (the file keeps its last whole line) or ValueError for non-finite numbers."""
        self._append(strict_json(row) + b"\n")

    def _append(self, line: bytes) -> None:
        size = os.fstat(self._fd).st_size
        try:
            written = os.write(self._fd, line)
            if written < len(line):
                raise OSError(f"{self.path}: only {written} of {len(line)} bytes written; is the disk full?")
        except OSError:
            os.ftruncate(self._fd, size)
            raise

    def close(self) -> None:
        if self._fd >= 0:
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class EpisodeLog(LineLog):
    """An open log of finished episodes; see ``LineLog``."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        adapter(Episode)  # now, not while dialogues wait for the first of them to be logged

    def append(self, episode: Episode) -> Episode:
        """Write one line, and return what it holds: ``episode``, or where JSON cannot hold that, a failed one of the
        same key that says why. Raises OSError (the file keeps its last whole line)."""
        try:
            line = episode.to_line()
        except (TypeError, ValueError, RecursionError) as err:
            text = f"meta, info and turns must be plain JSON: {type(err).__name__}: {err}"
            why = ErrorInfo("env", text[:2000])
            unknown = Instance(episode.key.instance, "", ())  # any part of the record may be at fault
            episode = Episode(episode.key, episode.env, unknown, (), Outcome("error"), error=why)
            line = episode.to_line()
        self._append(line + b"\n")
        return episode

    def keys(self) -> set[EpisodeKey]:
        """The keys of all logged episodes."""
        return {EpisodeKey(**row["key"]) for row in _rows(self.path)}

    @staticmethod
    def iterate(path: str | os.PathLike[str]) -> Iterator[Episode]:
        """Episodes of a log in file order, one at a time; a torn last line is skipped with a warning.

        Raises ValueError naming file and line for anything else that is no episode.
        """
        for number, row in enumerate(_rows(Path(path)), 1):
            try:
                yield Episode.from_json(row)
            except ValueError as err:
                raise ValueError(f"{path}, line {number}: {err}") from None

    @staticmethod
    def read(path: str | os.PathLike[str]) -> list[Episode]:
        """All episodes of a log; see ``iterate``."""
        return list(EpisodeLog.iterate(path))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                log.warning("%s, line %d: half-written, skipped", path, number)
                return
            try:
                row = json.loads(line)
                row["key"]["instance"]
            except (ValueError, KeyError, TypeError) as err:
                raise ValueError(f"{path}, line {number}: no episode record: {err}") from None
            yield row


def _whole_bytes(fd: int) -> int:
    """Length of the file up to and including its last newline."""
    end = os.fstat(fd).st_size
    while end > 0:
        start = max(0, end - 65_536)
        cut = os.pread(fd, end - start, start).rfind(b"\n")
        if cut >= 0:
            return start + cut + 1
        end = start
    return 0
