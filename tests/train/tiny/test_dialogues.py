"""Logs of scripted dialogues: written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from optima_agents import EpisodeLog
from optima_train.tiny.dialogues import dialogues, write


def test_a_log_is_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "talk.jsonl"

    def broken():
        yield from dialogues("twohop-asym", "arrows", 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, broken())
    assert not path.exists()
    write(path, dialogues("twohop-asym", "arrows", 3))  # over what the killed try left
    assert len(EpisodeLog.read(path)) == 3 and not path.with_suffix(".part").exists()
    write(path, dialogues("twohop-asym", "arrows", 2))
    assert len(EpisodeLog.read(path)) == 2
