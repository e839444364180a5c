"""An environment as a data set of the Hugging Face hub: its card, and of a generated world its instances."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from optima_envs import Instance, UnknownName, scenario

from .package import ExportError, Package, write_files

SPLITS = ("train", "validation", "test")
# licences as the hub writes them; anything else is "other", with the sheet's words in the card
KNOWN = {"apache-2.0": "apache-2.0", "mit": "mit", "cc by-sa 4.0": "cc-by-sa-4.0", "gfdl 1.3": "gfdl"}

THERE = """The first {rows} instances of each split are in `data/`, one JSON object a line: `id`, `question`, `answers`,
`private` (what each agent alone is told), `meta` as JSON. The world has no end:
the environment makes as many as are asked for."""


def to_hf(package: Package, out: Path, rows: int = 1_000) -> str:
    """``README.md``, and of a generated world ``data/SPLIT.jsonl`` with the first ``rows`` instances of each split.
    Other people's data stay where they are. Returns what to do with the folder."""
    made = package.spec.sheet.source.startswith("generated")
    data: dict[str, str] = {}
    for split in SPLITS if made and rows else ():
        try:
            task = scenario(package.spec.id, **{**package.settings, "split": split}).task
        except (ValueError, UnknownName):  # a world without such a split
            continue
        data[split] = lines(task[index] for index in range(min(rows, len(task))))
    if made and rows and not data:
        raise ExportError(f"{package.spec.id} has none of the splits {', '.join(SPLITS)}")
    files = [f"- split: {split}\n      path: data/{split}.jsonl" for split in data]
    configs = "configs:\n- config_name: default\n  data_files:\n    " + "\n    ".join(files) + "\n" if data else ""
    told = THERE.format(rows=rows) if data else "No data are in this folder: they are read where they are published."
    card = package.fill(
        "hf/environment.md.txt", licence=licence(package.spec.sheet.licence), configs=configs, rows=told
    )
    write_files(out, {"README.md": card, **{f"data/{split}.jsonl": text for split, text in data.items()}})
    return f"hf upload --repo-type dataset NAME {out}"


def lines(instances: Iterable[Instance]) -> str:
    """Instances as JSON lines."""
    return "".join(json.dumps(row_of(inst), ensure_ascii=False) + "\n" for inst in instances)


def row_of(inst: Instance) -> dict[str, Any]:
    """An instance as a row: plain columns, ``meta`` as JSON since its keys differ."""
    meta = json.dumps(dict(inst.meta), ensure_ascii=False, sort_keys=True)
    private = [{"agent": agent, "text": text} for agent, text in inst.private.items()]
    return {"id": inst.id, "question": inst.question, "answers": list(inst.answers), "private": private, "meta": meta}


def licence(text: str) -> str:
    """A licence as the hub's cards name it."""
    return KNOWN.get(re.split(r" \(|,|;", text.strip().lower())[0], "other")
