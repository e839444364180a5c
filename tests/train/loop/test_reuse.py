"""Taking over what another run has done alike, from the command line; what depends on other settings is done again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.runs import settings

from optima_train.cli.main import main

MADE_ALIKE = ["it000/generate", "it000/rank", "untrained/evaluate"]


def run(model: Path, directory: Path, *more: str) -> int:
    return main(["train", "quickstart", *settings(model), "isolation=inline", "--out", str(directory), *more])


def taken(directory: Path) -> list[str]:
    return sorted(
        str(path.parent.relative_to(directory))
        for path in directory.rglob("DONE.json")
        if json.loads(path.read_text()).get("copied_from")
    )


@pytest.fixture(scope="module")
def first(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("reuse") / "first"
    assert run(random_model, directory) == 0
    return directory


def test_another_selection_samples_nothing_again(random_model: Path, first: Path, tmp_path: Path) -> None:
    changed = ["select.top_share=0.9", "train.learning_rate=1e-4"]
    assert run(random_model, tmp_path / "reused", *changed, "--reuse", str(first)) == 0
    assert taken(tmp_path / "reused") == MADE_ALIKE
    assert run(random_model, tmp_path / "afresh", *changed) == 0
    for name in ("it000/train/model/model.safetensors", "it000/select/selected.jsonl"):
        assert (tmp_path / "reused" / name).read_bytes() == (tmp_path / "afresh" / name).read_bytes()


def test_other_sampling_is_sampled_again(random_model: Path, first: Path, tmp_path: Path) -> None:
    assert run(random_model, tmp_path / "other", "generate.temperature=[0.9]", "--reuse", str(first)) == 0
    assert taken(tmp_path / "other") == ["untrained/evaluate"]


def test_a_source_that_is_no_run_is_named(random_model: Path, tmp_path: Path, capsys) -> None:
    assert run(random_model, tmp_path / "run", "--reuse", str(tmp_path / "nowhere")) == 2
    assert "nowhere is no run directory" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_former_name_of_the_place_is_understood(random_model: Path, first: Path, capsys) -> None:
    assert main(["train", "quickstart", *settings(random_model), "isolation=inline", "--dir", str(first)]) == 0
    assert "--dir" not in capsys.readouterr().out
