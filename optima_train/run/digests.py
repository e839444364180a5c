"""Digests of what a run or a log depends on and of what it has committed: data, weights, files of a stage."""

from __future__ import annotations

import hashlib
from pathlib import Path

STEP = 1 << 20
WHOLE = 256 << 20  # bytes of a file that are all read; of a larger one, parts spread over it
PARTS = 64


def digest(path: Path) -> str:
    """Of a file's content, or of the names and contents of all files of a folder. Of a file above 256 MiB its size
    and 64 parts spread over it are read."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    found = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        found.update(f"{'' if file == path else file.relative_to(path).as_posix()}\0{size}\0".encode())
        with file.open("rb") as handle:
            if size <= WHOLE:
                while part := handle.read(STEP):
                    found.update(part)
                continue
            for number in range(PARTS):
                handle.seek((size - STEP) * number // (PARTS - 1))
                found.update(handle.read(STEP))
    return f"sha256:{found.hexdigest()[:32]}"
