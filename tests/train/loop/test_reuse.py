"""Taking over what another run has done alike, from the command line; what depends on other settings is done again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.runs import settings

from optima_train.cli.main import main
from optima_train.config.loading import load
from optima_train.loop.reuse import _shared_steps
from optima_train.run.stage import Step
from optima_train.stages.evaluate import Evaluate
from optima_train.stages.generate import Generate

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


LIVE = ("method=grpo-live", "generate.temperature=[1.0]", "generate.formats=null", "generate.instances=2",
        "grpo.rounds=1", "grpo.updates=1")  # fmt: skip


@pytest.fixture(scope="module")
def live(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("reuse") / "live"
    assert run(random_model, directory, *LIVE) == 0
    return directory


@pytest.mark.parametrize(
    "changed",
    ["reward.weights.tokens=0", "generate.formats=[plain,arrows]", "grpo.estimator=agent", "grpo.learning_rate=1e-2",
     "train.max_length=512"],
)  # fmt: skip
def test_live_rounds_under_other_settings_are_played_again(
    random_model: Path, live: Path, tmp_path: Path, changed: str
) -> None:
    """The stage is called ``train`` as that of SFT is, and reads more."""
    assert run(random_model, tmp_path / "other", *LIVE, changed, "--reuse", str(live)) == 0
    assert taken(tmp_path / "other") == ["untrained/evaluate"]


def test_live_rounds_are_taken_over_where_only_what_comes_later_differs(
    random_model: Path, live: Path, tmp_path: Path
) -> None:
    assert run(random_model, tmp_path / "other", *LIVE, "select.top_share=0.9", "--reuse", str(live)) == 0
    assert taken(tmp_path / "other") == ["it000/evaluate", "it000/train", "untrained/evaluate"]


def test_a_stage_that_does_not_say_what_it_reads_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sharper(Generate):
        """Named and built as the stage it is derived from; it might read anything."""

    steps = [Step(-1, Evaluate()), Step(0, Sharper())]
    monkeypatch.setattr("optima_train.loop.reuse.plan", lambda theirs: steps)
    ours, theirs = load("quickstart", ["select.top_share=0.9"]), load("quickstart")
    assert [step.path for step in _shared_steps(steps, ours, theirs)] == ["untrained/evaluate"]


def test_stages_that_were_given_something_else_are_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(Generate):
        reads = Generate.reads

        def __init__(self, count: int) -> None:
            self.count = count

    ours, theirs = load("quickstart", ["select.top_share=0.9"]), load("quickstart")
    for count, shared in ((2, ["it000/generate"]), (3, [])):
        monkeypatch.setattr("optima_train.loop.reuse.plan", lambda theirs, count=count: [Step(0, Counted(count))])
        assert [step.path for step in _shared_steps([Step(0, Counted(2))], ours, theirs)] == shared


def test_a_source_that_is_no_run_is_named(random_model: Path, tmp_path: Path, capsys) -> None:
    assert run(random_model, tmp_path / "run", "--reuse", str(tmp_path / "nowhere")) == 2
    assert "nowhere is no run directory" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_former_name_of_the_place_is_understood(random_model: Path, first: Path, capsys) -> None:
    assert main(["train", "quickstart", *settings(random_model), "isolation=inline", "--dir", str(first)]) == 0
    assert "--dir" not in capsys.readouterr().out
