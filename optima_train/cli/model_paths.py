"""Models in a team's settings: the folders they name, and the sentence that one of them was taught to play under."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..run.layout import RESOLVED

LEVELS = 4  # of folders between a run and its model


def texts(value: Any) -> Iterator[str]:
    """All texts in a team's settings."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ():
        yield from texts(item)


def model_path(text: str, *, fetch: bool = True) -> Path | None:
    """The folder a policy's name or an adapter means, there or not; None for what is no path. ``fetch``: a named model
    that is not here is fetched."""
    from optima_agents.backends.chat.model_files import resolve

    kind, colon, model = text.partition(":")
    if not text or len(text) > 4096 or "\0" in text or "\n" in text:
        return None
    return Path(resolve(model, fetch=fetch)) if colon and kind in ("hf", "vllm") and model else Path(text)


def sentence_of(team: Mapping[str, Any]) -> str | None:
    """The sentence that a model of a run with ``condition`` plays under; None for models of other origin."""
    for text in texts(team):
        path = model_path(text, fetch=False)
        try:
            folders = list(path.resolve().parents)[:LEVELS] if path is not None and path.is_dir() else []
            run = next((folder for folder in folders if (folder / RESOLVED).is_file()), None)
        except (OSError, RuntimeError):  # too long a name, a circle of links
            continue
        if run is not None and (sentence := _sentence(run / RESOLVED)) is not None:
            return sentence
    return None


def _sentence(resolved: Path) -> str | None:
    from optima_envs.documents import load_yaml

    try:
        found = load_yaml(resolved.read_text(encoding="utf-8"))["condition"]
        return str(found["texts"][found["names"].index(found["infer"])])
    except Exception:  # a run without one, or no run of ours: whatever is in the file, it names no sentence
        return None
