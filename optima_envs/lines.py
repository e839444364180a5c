"""JSON lines on disk: how every log and list of rows is read, and what a kill may leave at its end."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

log = logging.getLogger(__name__)
LONGEST = 1 << 28  # bytes of one line: a file without line ends must not fill memory
STEP = 1 << 16


class Line(NamedTuple):
    """One row: its line number from 1, the byte it begins at, and its JSON."""

    number: int
    offset: int
    row: Any


def lines(path: str | os.PathLike[str], *, torn: bool = False) -> Iterator[Line]:
    """The rows of a file, one at a time; blank lines are passed over.

    ``torn``: a last line without its end is left out with a warning, as a kill leaves one, instead of being read.
    Raises ValueError naming file and line for what is no JSON, or longer than 256 MiB.
    """
    number = offset = 0
    with Path(path).open("rb") as handle:
        while raw := handle.readline(LONGEST):
            number += 1
            if len(raw) == LONGEST and not raw.endswith(b"\n"):
                raise ValueError(f"{path}, line {number}: longer than {LONGEST >> 20} MiB")
            if torn and not raw.endswith(b"\n"):
                log.warning("%s, line %d: half-written, skipped", path, number)
                return
            if raw.strip():
                yield Line(number, offset, parsed(raw, f"{path}, line {number}"))
            offset += len(raw)


def parsed(raw: bytes, where: str) -> Any:
    """The JSON of one line. Raises ValueError that begins with ``where``."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as err:
        cut = "" if raw.endswith(b"\n") else "; the file is cut off there"
        raise ValueError(f"{where}: not JSON: {err}{cut}") from None


def whole_bytes(fd: int) -> int:
    """Length of an open file up to and including its last line end; what follows is half-written."""
    end = os.fstat(fd).st_size
    while end > 0:
        start = max(0, end - STEP)
        cut = os.pread(fd, end - start, start).rfind(b"\n")
        if cut >= 0:
            return start + cut + 1
        end = start
    return 0


def is_torn(path: str | os.PathLike[str]) -> bool:
    """Whether a file ends in the middle of a line."""
    with Path(path).open("rb") as handle:
        return whole_bytes(handle.fileno()) != os.fstat(handle.fileno()).st_size
