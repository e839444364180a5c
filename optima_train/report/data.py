"""What a run's report shows, gathered from the run directory alone: results, reward terms, dialogues."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..run.files import read_json
from ..run.layout import UNTRAINED, RunDirectory, StageDirectory
from ..run.records import R, RankedRow, SelectedRow, read_marker, read_records

if TYPE_CHECKING:
    from optima_envs.records import Episode

MOST_DIALOGUES = 20_000
COLUMNS = (
    "label", "n", "score", "tokens", "turns", "nll", "guesses", "failures", "kept", "dropped", "trees",
    "sampled_share", "pairs", "skipped", "seconds", "seed",
)  # fmt: skip
Key = tuple[str, int, int]


def collect(directory: Path, *, most: int = MOST_DIALOGUES) -> dict[str, Any]:
    """Plain JSON for the page. At most ``most`` dialogues go in, held-out ones first; ``total`` counts all.

    Raises FileNotFoundError when ``directory`` is no run directory, ValueError for a damaged file in it.
    """
    run = RunDirectory(directory)
    if not run.exists():
        raise FileNotFoundError(f"{directory} is no run directory (it has no {run.resolved.name})")
    rows = results(directory)
    columns = [name for name in COLUMNS if any(row.get(name) is not None for row in rows)]
    columns += sorted({name for row in rows for name in row if name.startswith("also_")})
    page = _Page()
    total = 0
    for iteration, stage in sorted(run.stages(), key=lambda found: (found[1].path.name != "evaluate", found[0])):
        if stage.episodes.is_file():
            total += page.add(run, iteration, stage, most)
    versions = run.environment
    return {
        "name": directory.resolve().name,
        "subtitle": page.env or "no dialogues yet",
        "settings": run.resolved.read_text(encoding="utf-8")
        + (versions.read_text("utf-8") if versions.is_file() else ""),
        "columns": columns,
        "results": rows,
        "terms": terms(directory),
        "total": total,
        **page.tables(),
    }


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


@dataclass(slots=True)
class _Page:
    """Dialogues in the compact form ``browser.js`` reads: what repeats is stored once and named by number."""

    env: str = ""
    instances: dict[str, tuple[int, list[Any]]] = field(default_factory=dict)
    origins: list[list[str]] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    episodes: list[list[Any]] = field(default_factory=list)

    def tables(self) -> dict[str, Any]:
        instances = [entry for _, entry in self.instances.values()]
        return {"agents": self.agents, "origins": self.origins, "instances": instances, "episodes": self.episodes}

    def add(self, run: RunDirectory, iteration: int, stage: StageDirectory, most: int) -> int:
        """Take the dialogues of one stage; returns how many it holds, shown or not."""
        from optima_agents import EpisodeLog

        name = stage.path.name
        self.origins.append([UNTRAINED if iteration < 0 else f"iteration {iteration}", name])
        kept = _keys(run.of_iteration(iteration, "select").selected) if name == "generate" else None
        ranked = _ranks(run.of_iteration(iteration, "rank").rewards) if name == "generate" else {}
        count = 0
        for episode in EpisodeLog.iterate(stage.episodes):
            count += 1
            if len(self.episodes) < most:
                key = (episode.key.instance, episode.key.sample, episode.key.seed)
                self.episodes.append(self._row(episode, ranked.get(key), None if kept is None else int(key in kept)))
        return count

    def _row(self, episode: Episode, rank: RankedRow | None, kept: int | None) -> list[Any]:
        self.env = episode.env
        error = episode.error and f"{episode.error.kind}: {episode.error.message}"
        terms = {name: round(value, 4) for name, value in ((rank and rank.terms) or episode.terms).items()}
        reward = episode.reward if rank is None or rank.reward is None else rank.reward
        return [
            self._instance(episode),
            len(self.origins) - 1,
            episode.key.sample,
            round(episode.score, 4),
            int(episode.correct),
            round(reward, 4),
            terms,
            episode.outcome.stop,
            episode.outcome.answer,
            [[self._agent(turn.agent), turn.text, turn.tokens, turn.finish] for turn in episode.turns],
            error,
            kept,
            episode.info.get("format"),
        ]

    def _instance(self, episode: Episode) -> int:
        inst = episode.instance
        if inst.id not in self.instances:
            entry = [inst.id, inst.question, list(inst.answers), [list(item) for item in inst.private.items()]]
            self.instances[inst.id] = (len(self.instances), entry)
        return self.instances[inst.id][0]

    def _agent(self, name: str) -> int:
        if name not in self.agents:
            self.agents.append(name)
        return self.agents.index(name)


def _keys(path: Path) -> set[Key] | None:
    rows = _rows(path, SelectedRow)
    return {(row.instance, row.sample, row.seed) for row in rows} if path.is_file() else None


def _ranks(path: Path) -> dict[Key, RankedRow]:
    return {(row.instance, row.sample, row.seed): row for row in _rows(path, RankedRow)}


def _rows(path: Path, kind: type[R]) -> Iterator[R]:
    return read_records(path, kind) if path.is_file() else iter(())
