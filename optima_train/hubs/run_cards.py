"""A training run as a model and a data set of the Hugging Face hub, each a folder with its card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import yaml

from optima_agents import EpisodeLog
from optima_agents.team_file import NAME as TEAM
from optima_envs import spec

from ..config import dump
from ..report.data import COLUMNS, results
from ..report.tables import Table, escaped
from ..run.files import write_lines, write_text
from ..run.layout import RunDirectory
from ..trained import trained
from ..training.hub import FILES, check_folder
from ..trajectories.frames import table_row
from .dataset import licence
from .package import TEMPLATES, ExportError, literal, write_files

if TYPE_CHECKING:
    from ..config.settings import TrainConfig
    from ..run.engines import ModelRef

PARTS = {"generate": "train", "evaluate": "test"}  # stage -> split


def run_to_hf(run_dir: Path, out: Path, iteration: int | None = None) -> str:
    """``out/model`` with weights, tokenizer and card, ``out/dialogues`` with the run's dialogues and theirs. Returns
    what to do with them. Raises ConfigError for a run that is not that far, ExportError for one that trained nothing.
    """
    config, ref = trained(run_dir, iteration)
    weights = _weights(ref, run_dir)
    write_files(out, {"model/README.md": model_card(config, run_dir, iteration)})
    for name, file in weights.items():
        (out / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, out / "model" / name)
    counts = {}
    for stage, split in PARTS.items():
        path = out / "dialogues" / f"{split}.jsonl"
        path.parent.mkdir(exist_ok=True)
        counts[split] = write_lines(path, _rows(RunDirectory(run_dir), stage))
        if not counts[split]:
            path.unlink()
    write_text(out / "dialogues" / "README.md", dialogues_card(config, counts))
    return f"hf upload NAME {out / 'model'} && hf upload --repo-type dataset NAME {out / 'dialogues'}"


def model_card(config: TrainConfig, run_dir: Path, iteration: int | None) -> str:
    """What the model was trained on and how, what it reached, and how to play with it."""
    rows = results(run_dir)
    if iteration is not None:
        rows = [row for row in rows if row.get("iteration", 0) <= iteration]
    columns = [name for name in COLUMNS if any(row.get(name) is not None for row in rows)]
    local = _local(config.model) or Path(config.model).exists() or config.model == "tiny"
    settings = {"max_turns": config.env.max_turns, **_named(config.env.args)}
    told = "".join(f"{key}={json.dumps(value)} " for key, value in settings.items() if value is not None)
    return Template((TEMPLATES / "hf" / "model.md.txt").read_text(encoding="utf-8")).substitute(
        name=escaped(config.name),
        env=spec(config.env.id).id,
        licence="other",
        base="" if local else f"base_model: {literal(config.model)}\n",
        method=config.method,
        iterations=str(config.iterations if iteration is None else iteration + 1),
        model=escaped(Path(config.model).name if local else config.model),
        results=Table(columns, rows).markdown() if rows else "It was not evaluated.",
        settings=told,
        player="--policy hf:FOLDER" if config.train.sharing == "shared" else "--team FOLDER",
        hint="" if config.condition is None else f" --hint {json.dumps(config.condition.told())}",
        config=_public(config),
    )


def dialogues_card(config: TrainConfig, counts: dict[str, int]) -> str:
    """What the rows are and how many."""
    there = {split: count for split, count in counts.items() if count}
    files = "".join(f"  - split: {split}\n    path: {split}.jsonl\n" for split in there)
    data_licence = spec(config.env.id).sheet.licence
    return Template((TEMPLATES / "hf" / "dialogues.md.txt").read_text(encoding="utf-8")).substitute(
        pretty=literal(f"dialogues of {config.name}"),
        title=f"Dialogues of {escaped(config.name)}",
        licence=licence(data_licence),
        configs=f"- config_name: default\n  data_files:\n{files}" if there else "[]\n",
        env=spec(config.env.id).id,
        counts="".join(f"- `{split}`: {count} dialogues\n" for split, count in there.items()),
        data_licence=escaped(data_licence),
    )


def _weights(ref: ModelRef, run_dir: Path) -> dict[str, Path]:
    """The files of the trained model by their names in the export; of agents with weights of their own, ``team.yaml``
    and a folder for each. Raises ExportError where nothing was trained, StageError for adapters of a local model."""
    folders = [Path(own.adapter or own.model) for own in ([own for _, own in ref.seats] or [ref])]
    if not all(folder.is_dir() and run_dir.resolve() in folder.resolve().parents for folder in folders):
        raise ExportError(f"{run_dir}: this model is {ref.model}, which the run has not trained")
    for folder in folders:
        check_folder(folder)
    whole = folders[0]
    if ref.seats:
        whole = next(parent for parent in folders[0].parents if (parent / TEAM).is_file())
    files = {TEAM: whole / TEAM} if ref.seats else {}
    for folder in dict.fromkeys(folders):
        for file in sorted(folder.resolve().iterdir()):
            if any(fnmatch(file.name, pattern) for pattern in FILES):
                place = folder.relative_to(whole)
                files[str(place / file.name)] = file
    return files


def _rows(run: RunDirectory, stage: str) -> Iterator[dict]:
    """Plain rows of every dialogue of a stage, with its iteration; without ids and what was private."""
    for iteration, folder in run.stages(stage):
        if folder.episodes.is_file():
            for episode in EpisodeLog.iterate(folder.episodes):
                row = table_row(episode)
                yield {"iteration": iteration, **{key: value for key, value in row.items() if key != "record"}}


def _public(config: TrainConfig) -> str:
    """The settings as YAML, without this machine's folders."""
    return yaml.safe_dump(_named(yaml.safe_load(dump(config))), sort_keys=False, allow_unicode=True)


def _named(value: Any) -> Any:
    """``value`` with every path that leads to a place on this machine by its last name alone."""
    if isinstance(value, dict):
        return {key: _named(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(inner) for inner in value]
    if not isinstance(value, str):
        return value
    if _local(value):
        return Path(value).name
    kind, _, place = value.partition(":")  # a policy, as in hf:FOLDER; a URL names a server
    path = _local(place) and (kind == "file" or not place.startswith("//"))
    return f"{kind}:{Path(place).name}" if path else value


def _local(text: str) -> bool:
    """Whether a setting is a path of this machine: an absolute one, or one of several parts that is there."""
    try:
        return Path(text).is_absolute() or (len(Path(text).parts) > 1 and Path(text).exists())
    except (OSError, ValueError):  # too long for a path, or a null character in it
        return False
