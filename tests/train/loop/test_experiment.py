"""The whole loop on a model that knows nothing: what it leaves behind, resuming, and every refusal."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import optima_envs
import optima_train
from optima_agents import EpisodeLog
from optima_train.config.loading import ConfigError, load
from optima_train.loop.experiment import Experiment
from optima_train.loop.results import LoopState
from optima_train.run.progress import Progress
from optima_train.run.stage import StageError

pytestmark = pytest.mark.xdist_group("experiment")  # one worker, so that what its tests share is made once
Run = Callable[..., tuple[LoopState, list[Progress]]]


@pytest.fixture
def run(small: list[str]) -> Run:
    def go(directory: Path, *overrides: str) -> tuple[LoopState, list[Progress]]:
        events: list[Progress] = []
        config = load("quickstart", [*small, "isolation=inline", *overrides])
        return Experiment(config, directory).run(events.append), events

    return go


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, random_model: Path) -> Path:
    from support.runs import settings

    directory = tmp_path_factory.mktemp("runs") / "finished"
    config = load("quickstart", [*settings(random_model), "isolation=inline", "iterations=2", "dtype=float64"])
    Experiment(config, directory).run()
    return directory


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_leaves_everything_behind(finished: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    rows = json.loads((finished / "results.json").read_text())
    assert [row["label"] for row in rows] == ["untrained", "iteration 0", "final"]
    wanted = {"label", "iteration", "n", "score", "score_ci", "tokens", "turns", "seconds", "seed", "nll", "guesses"}
    assert all(wanted - {"guesses"} <= row.keys() and row["n"] == 4 for row in rows)
    assert (rows[1]["kept"], rows[1]["dropped"]) == (3, 0)
    stages = ["evaluate", *["generate", "rank", "select", "rows", "train", "evaluate"] * 2]
    assert [row["stage"] for row in lines(finished / "metrics.jsonl")] == stages
    assert json.loads((finished / "state.json").read_text())["next_step"] is None
    assert AutoTokenizer.from_pretrained(finished / "model").chat_template
    trained = AutoModelForCausalLM.from_pretrained(finished / "model", use_safetensors=True)
    assert all(p.isfinite().all() for p in trained.parameters())
    assert not list(finished.rglob("*.tmp")) and not list(finished.rglob("*.partial"))


def test_iteration_0_alone_is_hinted_and_its_training_rows_are_not(finished: Path) -> None:
    formats = load("quickstart").generate.formats
    first = EpisodeLog.read(finished / "it000/generate/episodes.jsonl")
    drawn = {episode.info.get("format", "plain") for episode in first}
    assert len(drawn) > 1 and drawn <= set(formats or ())
    assert all("format" not in e.info for e in EpisodeLog.read(finished / "it001/generate/episodes.jsonl"))
    hinted = {tuple(turn.prompt_ids or ()) for e in first if "format" in e.info for turn in e.turns}
    for row in lines(finished / "it000/rows/rows.jsonl"):
        start = row["completion_mask"].index(1)
        assert tuple(row["input_ids"][:start]) not in hinted


def test_train_and_test_questions_are_disjoint_and_iterations_see_new_ones(finished: Path) -> None:
    seen = [
        {episode.instance.question for episode in EpisodeLog.read(finished / where / "episodes.jsonl")}
        for where in ("untrained/evaluate", "it000/generate", "it001/generate", "it001/evaluate")
    ]
    assert not seen[0] & (seen[1] | seen[2]) and not seen[1] & seen[2]
    assert seen[0] == seen[3]


def test_the_same_seed_gives_the_same_run_at_any_concurrency(finished: Path, tmp_path: Path, run: Run) -> None:
    run(tmp_path / "again", "iterations=2", "dtype=float64")
    for log in ("it000/generate/episodes.jsonl", "it001/evaluate/episodes.jsonl"):
        one, two = (
            {str(e.key): [t.ids for t in e.turns] for e in EpisodeLog.read(p / log)}
            for p in (finished, tmp_path / "again")
        )
        assert one == two
    weights = "it001/train/model/model.safetensors"
    assert (finished / weights).read_bytes() == (tmp_path / "again" / weights).read_bytes()
    tables = [json.loads((p / "results.json").read_text()) for p in (finished, tmp_path / "again")]
    for table in tables:
        for row in table:
            del row["seconds"]
            row["nll"] = round(row["nll"], 9)
    assert tables[0] == tables[1]


def test_running_again_only_reports(finished: Path, run: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("DONE.json")}
    _, events = run(finished, "iterations=2", "dtype=float64", "isolation=per-stage")
    assert {event.kind for event in events} == {"skipped"}
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("DONE.json")} == before


def test_a_copy_that_followed_links_is_told_what_to_remove(finished: Path, tmp_path: Path, run: Run) -> None:
    copy = shutil.copytree(finished, tmp_path / "run")
    with pytest.raises(StageError, match="run/model is a folder in the place of a link to it001/train/model"):
        run(copy, "iterations=2", "dtype=float64")
    shutil.rmtree(copy / "model")
    run(copy, "iterations=2", "dtype=float64")
    assert (copy / "model").is_symlink()


def test_another_configuration_is_refused_and_nothing_is_touched(finished: Path, run: Run) -> None:
    before = {path: path.read_bytes() for path in finished.rglob("*.json*")}
    with pytest.raises(ConfigError, match=r"another configuration: seed was 0 and is now 3, train.epochs was 1"):
        run(finished, "iterations=2", "dtype=float64", "seed=3", "train.epochs=2")
    assert {path: path.read_bytes() for path in finished.rglob("*.json*")} == before


def test_a_directory_of_something_else_is_refused(tmp_path: Path, run: Run) -> None:
    (tmp_path / "thesis.tex").write_text("important")
    with pytest.raises(ConfigError, match=r"no run directory .it holds thesis.tex"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_start_that_was_killed_before_its_config_was_written_starts_again(tmp_path: Path, run: Run) -> None:
    run(tmp_path / "run", "evaluate.nll=false")
    for path in (tmp_path / "run").iterdir():
        if path.name not in ("env.json", "inputs.json"):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    state, _ = run(tmp_path / "run", "evaluate.nll=false")
    assert state.next_step is None


def test_a_directory_in_use_names_its_holder(tmp_path: Path, run: Run) -> None:
    import os

    from optima_train.loop.experiment import RunLock

    with RunLock(tmp_path), pytest.raises(StageError, match=f"in use by process {os.getpid()} on "):
        run(tmp_path)


def test_a_committed_file_that_changed_is_noticed(tmp_path: Path, run: Run) -> None:
    run(tmp_path / "run", "evaluate.nll=false")
    (tmp_path / "run/it000/rows/rows.jsonl").write_text("")
    with pytest.raises(StageError, match=r"rows.jsonl is missing or changed since it was committed"):
        run(tmp_path / "run", "evaluate.nll=false")


def test_a_flipped_bit_of_the_weights_or_a_reward_of_equal_length_is_noticed(tmp_path: Path, run: Run) -> None:
    run(tmp_path / "run", "evaluate.nll=false")
    for name in ("it000/train/model/model.safetensors", "it000/rank/rewards.jsonl"):
        path = tmp_path / "run" / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
        with pytest.raises(StageError, match=rf"{path.name} is missing or changed since it was committed"):
            run(tmp_path / "run", "evaluate.nll=false")
        path.write_bytes(whole)
    run(tmp_path / "run", "evaluate.nll=false")


def test_weights_replaced_under_the_same_name_are_noticed(tmp_path: Path, random_model: Path, run: Run) -> None:
    model = tmp_path / "model"
    shutil.copytree(random_model, model)
    run(tmp_path / "run", f"model={model}", "evaluate.nll=false")
    weights = model / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ConfigError, match=r"model: .*/model is not what this run was begun with"):
        run(tmp_path / "run", f"model={model}", "evaluate.nll=false")
    weights.write_bytes(whole)
    run(tmp_path / "run", f"model={model}", "evaluate.nll=false")


def test_nothing_selected_is_one_clear_line(tmp_path: Path, run: Run) -> None:
    with pytest.raises(StageError) as caught:
        run(tmp_path / "run", "select.threshold=1.4")
    assert "nothing selected (3 below the threshold; the best reward is" in str(caught.value)
    assert "lower the threshold" in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "run/it000/select/DONE.json").exists()


def test_a_reward_term_that_fails_everywhere_is_named(tmp_path: Path, run: Run) -> None:
    @optima_envs.term("tests-broken")
    def broken(episode: optima_envs.Episode) -> float:
        return {}["zz"]

    with pytest.raises(StageError, match=r"dialogues failed by reward: term tests-broken raised KeyError: 'zz'"):
        run(tmp_path / "run", "reward.weights={task: 1.0, tests-broken: 1.0}", "evaluate.nll=false")


def test_dialogues_that_all_fail_end_the_stage(tmp_path: Path, run: Run) -> None:
    with pytest.raises(StageError, match="untrained/evaluate: all 4 dialogues failed; the last one with timeout"):
        run(tmp_path / "run", "evaluate.episode_timeout=1e-9")


def test_a_diverging_loss_ends_the_stage(tmp_path: Path, run: Run) -> None:
    with pytest.raises(StageError, match=r"it000/train: (loss|grad_norm) is (nan|inf) at step \d+; lower"):
        run(tmp_path / "run", "train.learning_rate=1e30", "train.epochs=4", "evaluate.instances=1", "train.warmup=0")
    assert not (tmp_path / "run/it000/train/model").exists()


def test_one_sample_and_equal_rewards_are_fine(tmp_path: Path, run: Run) -> None:
    state, _ = run(tmp_path / "run", "generate.samples=1", "reward.weights={task: 1.0}", "evaluate.nll=false")
    assert state.finished and state.results[-1]["kept"] == 3


def test_train_takes_overrides_by_keyword(tmp_path: Path, small: list[str]) -> None:
    state = optima_train.train(
        load("quickstart", [*small, "evaluate.nll=false"]),
        tmp_path / "run",
        isolation="inline",
        **{"generate.samples": 1, "train": {"epochs": 2}},
    )
    assert state.finished
    assert len(EpisodeLog.read(tmp_path / "run/it000/generate/episodes.jsonl")) == 3


def test_a_run_is_resumed_from_another_folder(
    tmp_path: Path, run: Run, random_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(random_model.parent)
    short = [f"model={random_model.name}", "evaluate.nll=false", "generate.samples=1"]
    run(tmp_path / "run", *short)
    assert f"model: {random_model}\n" in (tmp_path / "run/config.resolved.yaml").read_text()
    monkeypatch.chdir(tmp_path / "elsewhere")
    saved = load(tmp_path / "run/config.resolved.yaml")
    assert Experiment(saved, tmp_path / "run").run().finished
    # a directory of an earlier version holds the path as it was given
    (tmp_path / "run/config.resolved.yaml").write_text(
        (tmp_path / "run/config.resolved.yaml").read_text().replace(str(random_model), random_model.name)
    )
    monkeypatch.chdir(random_model.parent)
    _, events = run(tmp_path / "run", *short)
    assert {event.kind for event in events} == {"skipped"}


def test_a_trained_model_is_gone_before_the_next_engine_opens(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gc
    import weakref

    from optima_train.run import engines
    from optima_train.training import sft

    trained: list[Any] = []
    left: list[int] = []
    loads, opens = sft.load_trainable, engines.open_engine

    def load_trainable(*given: Any) -> Any:
        model = loads(*given)
        trained.append(weakref.ref(model))
        return model

    def open_engine(*given: Any, **options: Any) -> Any:
        left.append(sum(ref() is not None for ref in trained))
        return opens(*given, **options)

    monkeypatch.setattr(sft, "load_trainable", load_trainable)
    monkeypatch.setattr(engines, "open_engine", open_engine)
    gc.disable()  # what frees it must not be a collection that happens to run
    try:
        Experiment(load("quickstart", [*small, "isolation=inline"]), tmp_path / "run").run()
    finally:
        gc.enable()
    assert trained and len(left) > 1 and not any(left)


def test_what_may_differ_on_resuming_is_what_processes_of_stages_read(run: Run, tmp_path: Path) -> None:
    run(tmp_path / "run", "iterations=1")
    for change in ("name=other", "rollout.workers=null", "isolation=one"):
        run(tmp_path / "run", "iterations=1", change)
    kept = load(tmp_path / "run" / "config.resolved.yaml")
    assert (kept.isolation, kept.name) == ("one", load("quickstart").name)
