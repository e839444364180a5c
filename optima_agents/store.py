"""Logs: one JSON object per line, append-only, written by one process at a time. EpisodeLog holds episodes.

``docs/logs.md`` describes the files for readers without this code.
"""

from __future__ import annotations

import fcntl
import logging
import os
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Self

from optima_envs.codec import adapter, strict_json
from optima_envs.lines import Line, lines, parsed, whole_bytes
from optima_envs.records import SCHEMA, Episode, EpisodeKey, ErrorInfo, Instance, Outcome

log = logging.getLogger(__name__)
FIRST = 1 << 20  # bytes of a first line that are looked at before a file is taken for a log


class LineLog:
    """An open log of JSON objects. A kill at any instant loses at most the line being written.

    While it is open no other process can open it. ``torn`` is the number of bytes of a half-written last line that
    opening cut off (0: the file was whole). Raises ValueError for what is no log (it is left as it is), OSError for a
    log that another process writes.
    """

    begins: ClassVar[tuple[bytes, ...]] = (b"{",)  # how a line begins that may be cut off as half-written
    keys_of_first: ClassVar[tuple[str, ...]] = ()  # one of these is in the first line, if any is named

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and not stat.S_ISREG(self.path.stat().st_mode):
            raise ValueError(f"{self.path} is no regular file; name another for the log")
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            _lock(self._fd, self.path)
            self.first = self._first()
            whole = whole_bytes(self._fd)
            self.torn = os.fstat(self._fd).st_size - whole
            if self.torn:
                log.warning("%s: cut a half-written last line of %d bytes", self.path, self.torn)
                os.ftruncate(self._fd, whole)
        except BaseException:
            os.close(self._fd)
            raise

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one line. Raises OSError (the file keeps its last whole line) or ValueError for non-finite numbers."""
        self._append(strict_json(row) + b"\n")

    def close(self) -> None:
        if self._fd >= 0:
            os.fsync(self._fd)
            fcntl.flock(self._fd, fcntl.LOCK_UN)  # a child that was forked meanwhile may hold the file open
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _append(self, line: bytes) -> int:
        """Write one line; returns the byte it begins at."""
        size = os.fstat(self._fd).st_size
        try:
            written = os.write(self._fd, line)
            if written < len(line):
                raise OSError(f"{self.path}: only {written} of {len(line)} bytes written; is the disk full?")
        except OSError:
            os.ftruncate(self._fd, size)
            raise
        return size

    def _first(self) -> dict[str, Any] | None:
        """The first whole line, None where there is none. Raises ValueError for a file that is no log of ours."""
        head = os.pread(self._fd, FIRST, 0).lstrip()
        line, end, _ = head.partition(b"\n")
        if not head:
            return None
        row, keys = None, self.keys_of_first
        if end:
            with suppress(ValueError):
                row = parsed(line + end, str(self.path))
            ours = isinstance(row, dict) and (not keys or any(key in row for key in keys))
        else:  # half-written, or too long to be looked at: known by its beginning
            ours = any(head.startswith(start) or start.startswith(head) for start in self.begins)
        if not ours:
            raise ValueError(f"{self.path} is no such log (line 1 is none of its rows); name another file")
        return row


def _copy(source: int, target: int, begin: int, end: int) -> None:
    while begin < end:
        part = os.pread(source, min(end - begin, FIRST), begin)
        if os.write(target, part) < len(part):
            raise OSError("a log could not be written anew; is the disk full?")
        begin += len(part)


def _lock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError(f"{path} is being written by another process; wait for it, or name another file") from None
    except OSError as err:  # a file system without locks
        log.warning("%s cannot be locked (%s): let no second process write it", path, err.strerror)
    if not path.exists() or os.fstat(fd).st_ino != path.stat().st_ino:
        raise OSError(f"{path} was replaced just now by another process; wait for it, or name another file")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a log knows about one of its episodes: ``asked`` is ``asked()`` of its instance, ``line`` the byte at which
    it begins."""

    key: EpisodeKey
    env: str
    asked: int
    error: ErrorInfo | None
    line: int


class EpisodeLog(LineLog):
    """An open log of finished episodes; see ``LineLog``.

    ``holds``: what its episodes are of, plain JSON, for example ``{"env": ..., "team": ...}``. It becomes the first
    line of a new log; a log that says something else there is refused with ValueError, one that says nothing (of a
    version before 0.2) is taken with a RuntimeWarning.
    """

    begins = (b'{"schema":', b'{"log":')
    keys_of_first = ("key", "log")

    def __init__(self, path: str | os.PathLike[str], *, holds: Mapping[str, Any] | None = None) -> None:
        super().__init__(path)
        try:
            self._claim(holds)
        except BaseException:
            self.close()
            raise
        adapter(Episode)  # now, not while dialogues wait for the first of them to be logged

    def _claim(self, holds: Mapping[str, Any] | None) -> None:
        if holds is None:
            return
        if os.fstat(self._fd).st_size == 0:
            self.write({"log": "episodes", "holds": holds})
            return
        then = None if self.first is None else self.first.get("holds")
        now = parsed(strict_json(holds), str(self.path))
        if not isinstance(then, dict):
            unsaid = f"{self.path} does not say what it holds; its dialogues are taken for the ones asked for"
            warnings.warn(unsaid, RuntimeWarning, stacklevel=4)
            return
        for key in (key for key in now if then.get(key) != now[key]):
            old, new = (f"{value!r:.300}" for value in (then.get(key), now[key]))
            raise ValueError(
                f"{self.path} holds dialogues of another {key}: {old}, not {new}; name another file, or ask as before"
            )

    def append(self, episode: Episode) -> Episode:
        """Write one line, and return what it holds: ``episode``, or where JSON cannot hold that, a failed one of the
        same key that says why. Raises OSError (the file keeps its last whole line)."""
        return self.put(episode)[0]

    def put(self, episode: Episode) -> tuple[Episode, int]:
        """As ``append``, with the byte at which the line begins."""
        episode, line = recorded(episode)
        return episode, self._append(line + b"\n")

    def keys(self) -> set[EpisodeKey]:
        """The keys of all logged episodes."""
        return {entry.key for entry in self.entries()}

    def entries(self) -> Iterator[Entry]:
        """What is logged, in file order. Raises ValueError naming file and line for what is no episode."""
        return entries(self.path)

    def forget(self, unwanted: Callable[[Entry], bool]) -> int:
        """Take episodes out of the log, so that they may be played again; returns how many.

        The file is replaced in one step: a kill leaves the old one or the new one.
        """
        mode, size = stat.S_IMODE(os.fstat(self._fd).st_mode), os.fstat(self._fd).st_size
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, mode)
        dropped = begin = 0
        wanted = True  # what stands before the first episode
        try:
            _lock(fd, temporary)
            for found in chain(self.entries(), [None]):
                end = size if found is None else found.line
                if wanted:
                    _copy(self._fd, fd, begin, end)
                begin, wanted = end, found is None or not unwanted(found)
                dropped += not wanted
            os.fsync(fd)
            temporary.replace(self.path)
        except BaseException:
            os.close(fd)
            temporary.unlink(missing_ok=True)
            raise
        os.close(self._fd)
        self._fd = fd
        return dropped

    @staticmethod
    def iterate(path: str | os.PathLike[str]) -> Iterator[Episode]:
        """Episodes of a log in file order, one at a time; a torn last line is skipped with a warning.

        Raises ValueError naming file and line for anything else that is no episode.
        """
        for line in _episodes(path):
            yield _read(line, path)

    @staticmethod
    def read(path: str | os.PathLike[str]) -> list[Episode]:
        """All episodes of a log; see ``iterate``."""
        return list(EpisodeLog.iterate(path))


def recorded(episode: Episode) -> tuple[Episode, bytes]:
    """What a log holds of an episode, and its line without the newline; see ``EpisodeLog.append``."""
    try:
        return episode, episode.to_line()
    except (TypeError, ValueError, RecursionError) as err:
        text = f"meta, info and turns must be plain JSON: {type(err).__name__}: {err}"
        why = ErrorInfo("env", text[:2000])
        unknown = Instance(episode.key.instance, "", ())  # any part of the record may be at fault
        episode = Episode(episode.key, episode.env, unknown, (), Outcome("error"), error=why)
        return episode, episode.to_line()


def entries(path: str | os.PathLike[str]) -> Iterator[Entry]:
    """What a log holds, in file order; see ``EpisodeLog.entries``."""
    return (entry(line, path) for line in _episodes(path))


def _episodes(path: str | os.PathLike[str]) -> Iterator[Line]:
    for line in lines(path, torn=True):
        if not is_header(line):
            yield line


def is_header(line: Line) -> bool:
    """Whether a line says what its log holds, and is no episode."""
    return line.number == 1 and isinstance(line.row, dict) and "log" in line.row and "key" not in line.row


def _read(line: Line, path: str | os.PathLike[str]) -> Episode:
    try:
        return Episode.from_json(line.row)
    except (ValueError, AttributeError, TypeError) as err:
        raise ValueError(f"{path}, line {line.number}: no episode record: {err}") from None


def entry(line: Line, path: str | os.PathLike[str]) -> Entry:
    """The entry of a line. Raises ValueError naming file and line."""
    try:
        row = line.row
        if row["schema"] != SCHEMA:
            raise TypeError(f"schema {row['schema']!r} is not {SCHEMA}")
        key, error, inst = EpisodeKey(**row["key"]), row["error"] and ErrorInfo(**row["error"]), row["instance"]
        if (type(key.instance), type(key.sample), type(key.seed)) != (str, int, int):
            raise TypeError(f"key {row['key']!r:.80}")
        return Entry(key, row["env"], asked(inst["question"], inst["answers"]), error or None, line.offset)
    except (KeyError, TypeError) as err:
        why = f"no episode record: {type(err).__name__}: {err}; delete that line, or name another file"
        raise ValueError(f"{path}, line {line.number}: {why}") from None


def asked(question: str, answers: Iterable[str]) -> int:
    """A number, the same within this process for the same question and golds; 0 for none, as of an unknown instance."""
    golds = tuple(answers)
    return hash((question, golds)) if question or golds else 0


def episode_at(handle: Any, offset: int, path: str | os.PathLike[str]) -> Episode:
    """The episode whose line begins at ``offset`` of a file open in binary mode. Raises ValueError without one."""
    handle.seek(offset)
    where = f"{path}, byte {offset}"
    try:
        return Episode.from_json(parsed(handle.readline(), where))
    except (ValueError, AttributeError, TypeError) as err:
        raise ValueError(f"{where}: no episode record any more: {err}") from None
