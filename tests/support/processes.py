"""Waiting for processes of other processes, by what the kernel says of them; and what reaches the disk when."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from pathlib import Path

import pytest


def ended(pid: int, within: float = 30.0) -> bool:
    """Whether a process that is no child of ours ends within so many seconds."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], within)[0])
    finally:
        os.close(handle)


def mentioning(text: str) -> dict[int, str]:
    """Processes with ``text`` in their command line or environment, but this one, by number."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            environment = (folder / "environ").read_bytes().decode("utf-8", "replace")
            if int(folder.name) != os.getpid() and text in command + environment and command:
                found[int(folder.name)] = command
    return found


def flushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all files and folders that are flushed to the disk from now on, in order."""
    names: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        names.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return names
