"""Recipes and suite of the real small model, played through with the embedded one: oracle, control, transfer."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.lookalikes import write_lookalike

from optima_train.cli.main import main
from optima_train.config.loading import RECIPES, load
from optima_train.loop.experiment import Experiment
from optima_train.methods import plan
from optima_train.run.files import read_json
from optima_train.run.records import SelectedRow, TrainingRow, read_records

NAMES = sorted(path.stem for path in RECIPES.glob("smollm2-*.yaml"))
FEW = ["isolation=inline", "iterations=1", "dtype=null", "evaluate.instances=3", "evaluate.max_tokens=24"]
FEW += ["generate.instances=4", "generate.max_tokens=24", "train.batch_size=4", "train.epochs=1", "evaluate.nll=false"]


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_follows_from_another_one(name: str):
    config = load(name)
    assert config.name == name and plan(config)
    assert config.env.args == {"paragraphs": "supporting"}
    first = config.method == "imitate"
    assert config.model == "smollm2" if first else config.model.startswith("runs/smollm2-")
    if not first:
        assert Path(config.model).parent.name in NAMES, "the recipe that makes its model is packaged"
        assert load(Path(config.model).parent.name).env.id == config.env.id
    solo = config.env.id.endswith("-solo")
    assert (config.env.max_turns == 1) == solo
    assert config.dtype is None, "backends choose float32 on a CPU by themselves"


def run(name: str, data: str, *overrides: str) -> Path:
    places = [f"env.train.data={data}", f"env.test.data={data}"]
    directory = Path("runs") / name
    Experiment(load(name, [*FEW, *places, *overrides]), directory).run()
    return directory


@pytest.mark.slow
def test_oracle_and_control_run_and_the_suite_compares_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    data = str(write_lookalike(tmp_path, "hotpotqa-asym", rows=8))
    shown, skip = "data.shown.expert.instances=3", "env.train.skip=3"
    for name in ("smollm2-hotpotqa-imitate", "smollm2-hotpotqa-solo-imitate"):
        run(name, data, "model=tiny", shown)
    alone = list(read_records(Path("runs/smollm2-hotpotqa-solo-imitate/it000/mix/rows.jsonl"), TrainingRow))
    assert {row.agent for row in alone} == {"Alice"} and len(alone) == 3, "a row for each question shown, of one agent"

    control = run("smollm2-hotpotqa-unselected", data, skip)
    kept = list(read_records(control / "it000/select/selected.jsonl", SelectedRow))
    assert len(kept) == 4 and {row.reward for row in kept} == {0.0}, "every dialogue, whatever it is worth"
    assert (control / "it000/train/model").is_dir()
    run("smollm2-hotpotqa-isft", data, skip, "generate.samples=2", "select.threshold=-5")

    places = [f"envs.{label}.data={data}" for label in ("home", "transfer", "alone")]
    splits = [f"envs.{label}.split=test" for label in ("home", "transfer", "alone")]
    less = ["sampling.max_tokens=24", *(f"methods.{n}.sampling.max_tokens=24" for n in range(4))]
    assert main(["bench", "smollm2", *places, *splits, *less, "-n", "2", "--out", "suite"]) == 0
    rows = read_json(Path("suite/summary.json"))
    assert "oracle voting" in str(rows) and "transfer" in str(rows)
