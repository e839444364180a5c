"""What a run's report shows, gathered from the run directory alone: results, reward terms, dialogues."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yaml import YAMLError

from optima_envs.documents import load_yaml

from ..run.files import read_json
from ..run.layout import UNTRAINED, RunDirectory, StageDirectory
from ..run.records import R, RankedRow, SelectedRow, read_marker, read_records
from .dialogues import MOST, Dialogues, Packer
from .reward_note import reward_note

COLUMNS = (
    "label", "n", "score", "tokens", "turns", "nll", "guesses", "failures", "kept", "dropped", "trees",
    "sampled_share", "pairs", "skipped", "seconds", "seed",
)  # fmt: skip
Key = tuple[str, int, int]


def collect(directory: Path, *, most: int = MOST) -> tuple[dict[str, Any], Dialogues]:
    """What the page is told, as plain JSON, and its dialogues: at most ``most``, held-out ones first; all are counted.
    An origin is [iteration, stage].

    Raises FileNotFoundError when ``directory`` is no run directory, ValueError for a damaged file in it.
    """
    run = RunDirectory(directory)
    if not run.exists():
        raise FileNotFoundError(f"{directory} is no run directory (it has no {run.resolved.name})")
    rows = results(directory)
    columns = [name for name in COLUMNS if any(row.get(name) is not None for row in rows)]
    columns += sorted({name for row in rows for name in row if name.startswith("also_")})
    packer = Packer()
    total = 0
    env = ""
    for iteration, stage in sorted(run.stages(), key=lambda found: (found[1].path.name != "evaluate", found[0])):
        if stage.episodes.is_file():
            count, env = _pack(packer, run, iteration, stage, most, env)
            total += count
    versions, means = run.environment, terms(directory)
    told = {
        "name": directory.resolve().name,
        "subtitle": env or "no dialogues yet",
        "settings": run.resolved.read_text(encoding="utf-8")
        + (versions.read_text("utf-8") if versions.is_file() else ""),
        "columns": columns,
        "results": rows,
        "terms": means,
        "reward_note": reward_note(weights(run), means),
    }
    return told, packer.finish(total)


def results(directory: Path) -> list[dict[str, Any]]:
    """The rows of ``results.json``; none before the first evaluation is done."""
    path = RunDirectory(directory).results
    return read_json(path) if path.is_file() else []


def terms(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """Means of every reward term and of the total over an iteration's dialogues: name -> [(iteration, mean)].

    Of an iteration on trees the total alone is known without reading them.
    """
    means: dict[str, list[tuple[int, float]]] = {}
    run = RunDirectory(directory)
    for iteration, stage in run.stages("rank"):
        sums: dict[str, float] = {}
        count = 0
        for row in _rows(stage.rewards, RankedRow):
            if row.reward is None:
                continue
            count += 1
            for name, value in {**row.terms, "total": row.reward}.items():
                sums[name] = sums.get(name, 0.0) + value
        for name, value in sums.items():
            means.setdefault(name, []).append((iteration, round(value / count, 5)))
    for iteration, stage in run.stages("grow"):
        reward = read_marker(stage.marker).numbers.get("reward") if stage.marker.is_file() else None
        if reward is not None:
            means.setdefault("total", []).append((iteration, round(reward, 5)))
    return {name: sorted(points) for name, points in means.items()}


def weights(run: RunDirectory) -> dict[str, float]:
    """The weights of the reward's terms by the run's settings; none where those do not tell."""
    try:
        found = load_yaml(run.resolved.read_text(encoding="utf-8"))["reward"]["weights"]
        return {str(name): float(weight) for name, weight in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, YAMLError):
        return {}


def _pack(
    packer: Packer, run: RunDirectory, iteration: int, stage: StageDirectory, most: int, env: str
) -> tuple[int, str]:
    """Take the dialogues of one stage; returns how many it holds, shown or not, and the environment last met."""
    from optima_agents import EpisodeLog

    name = stage.path.name
    packer.origin(UNTRAINED if iteration < 0 else f"iteration {iteration}", name)
    kept = _keys(run.of_iteration(iteration, "select").selected) if name == "generate" else None
    ranked = _ranks(run.of_iteration(iteration, "rank").rewards) if name == "generate" else {}
    count = 0
    for episode in EpisodeLog.iterate(stage.episodes):
        count += 1
        if packer.shown < most:
            env = episode.env
            key = (episode.key.instance, episode.key.sample, episode.key.seed)
            packer.add(episode, ranked=ranked.get(key), kept=None if kept is None else int(key in kept))
    return count, env


def _keys(path: Path) -> set[Key] | None:
    rows = _rows(path, SelectedRow)
    return {(row.instance, row.sample, row.seed) for row in rows} if path.is_file() else None


def _ranks(path: Path) -> dict[Key, RankedRow]:
    return {(row.instance, row.sample, row.seed): row for row in _rows(path, RankedRow)}


def _rows(path: Path, kind: type[R]) -> Iterator[R]:
    return read_records(path, kind) if path.is_file() else iter(())
