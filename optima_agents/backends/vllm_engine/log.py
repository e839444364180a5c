"""EngineLog: where vLLM's processes write; the terminal stays readable, and a dead engine can tell its last words."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

LAST_LINES = 20
READ_BYTES = 16_384


class EngineLog:
    """A log file in a folder of its own, removed by ``close``."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="optima-vllm-"))
        self.path = self._folder / "engine.log"

    def config(self) -> Any:
        """vLLM's LoggingConfig that sends everything there; it reaches the engine's child processes too."""
        from vllm.config.logging import LoggingConfig

        plain = {"()": "vllm.logging_utils.NewLineFormatter", "format": "%(levelname)s %(asctime)s %(message)s"}
        file = {"class": "logging.FileHandler", "filename": str(self.path), "formatter": "plain", "encoding": "utf-8"}
        settings = {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"plain": plain},
            "handlers": {"file": file},
            "loggers": {"vllm": {"handlers": ["file"], "level": "INFO", "propagate": False}},
        }
        path = self._folder / "logging.json"
        path.write_text(json.dumps(settings), encoding="utf-8")
        return LoggingConfig(pylogging_config_file=str(path))

    def tail(self) -> str:
        """The last lines, as the end of an error message."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - READ_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
        return "\nlast lines of its log:\n" + "\n".join(lines[-LAST_LINES:])

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
