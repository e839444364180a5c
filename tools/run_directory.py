"""The page ``docs/run_directory.md``, made from the docstrings of ``optima_train.run.layout``."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "run_directory.md"
HEAD = """# What a run leaves behind

`optima train RECIPE` writes everything into one folder, `runs/NAME` unless `--out` says otherwise. This page is written
from `optima_train/run/layout.py` by `python tools/run_directory.py`.

JSON files are UTF-8 and either whole or absent: they are written under another name, flushed, and renamed. JSON lines
(`.jsonl`) of dialogues and trees are appended to as the work is done; a line that a kill cut short is removed when the
run is resumed. Every file can be read with any JSON reader, without this package.

## The folder

| path | what it is |
|---|---|
"""
STAGES = """
## A stage

Each iteration has a folder, `it000`, `it001`, ..., in which each stage has one; the untrained team is evaluated
in `untrained/evaluate`. A folder with `DONE.json` is complete; one without is an interrupted attempt, which the next
run resumes or clears.

| path | what it is |
|---|---|
"""


def page() -> str:
    """The whole page."""
    from optima_train.run.layout import RunDirectory, StageDirectory, iteration_folder

    stage = f"{iteration_folder(0)}/STAGE"
    return HEAD + table(RunDirectory(Path())) + STAGES + table(StageDirectory(Path(stage)))


def table(directory: object) -> str:
    """A row for each property of ``directory`` that is a path: the path, and the property's docstring."""
    rows = []
    for name, member in vars(type(directory)).items():
        if isinstance(member, property):
            meaning = " ".join((member.__doc__ or "").split())
            rows.append(f"| `{getattr(directory, name)}` | {meaning} |\n")
    return "".join(rows)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
