"""The line that says why the reward may fall while the score rises, on the page and on the terminal."""

from __future__ import annotations

from pathlib import Path

from support.runs import write_run

from optima_train.config.loading import load
from optima_train.report.data import collect, weights
from optima_train.report.reward_note import reward_note
from optima_train.run.layout import RunDirectory

FALLING = {
    "task": [(0, 0.5), (1, 0.9)],
    "tokens": [(0, -0.5), (1, -0.6)],
    "readability": [(1, 0.1), (0, 0.6)],
    "total": [(0, 0.8), (1, 0.64)],
}
WEIGHTS = {"task": 1.0, "tokens": 0.6, "readability": 1.0}


def test_a_falling_reward_is_taken_apart():
    note = reward_note(WEIGHTS, FALLING)
    assert note.startswith("The reward is 1 x task + 0.6 x tokens + 1 x readability, not the score alone; it may fall")
    assert "longest dialogue on the same question" in note and "reads worse to the untrained model" in note
    assert note.endswith(
        "fell from 0.80 to 0.64 while the score of the sampled dialogues rose from 0.50 to 0.90: task +0.40, "
        "tokens -0.06, readability -0.50."
    )


def test_nothing_is_claimed_that_did_not_happen():
    assert "Here it fell" not in reward_note(WEIGHTS, {**FALLING, "total": [(0, 0.8), (1, 1.1)]})
    assert "Here it fell" not in reward_note(WEIGHTS, {name: points[:1] for name, points in FALLING.items()})
    assert reward_note({"task": 1.0, "tokens": 0.0}, FALLING) == "" == reward_note({}, FALLING)
    own = reward_note({"task": 1.0, "politeness": 0.5}, {})
    assert own == "The reward is 1 x task + 0.5 x politeness, not the score alone; it may fall while the score rises."


def test_the_page_is_told(tmp_path: Path):
    run = RunDirectory(write_run(tmp_path / "run"))
    assert weights(run) == {} and collect(run.path)[0]["reward_note"] == ""
    run.resolved.write_text("reward: {weights: {task: 1.0, tokens: 0.6}}\n", encoding="utf-8")
    assert "0.6 x tokens" in collect(run.path)[0]["reward_note"]
    for damage in ("reward: 3\n", "reward: {weights: [1]}\n", "reward: {weights: {task: much}}\n", "{"):
        run.resolved.write_text(damage, encoding="utf-8")
        assert weights(run) == {}


def test_the_quick_start_is_one_iteration_of_the_whole_loop(tmp_path: Path, monkeypatch, capsys):
    from optima_train.cli.main import main

    quick, whole = load("quickstart", parts=["quick"]), load("quickstart")
    assert (quick.iterations, quick.generate.samples, quick.train) == (1, whole.generate.samples, whole.train)
    assert quick.generate.instances * 3 <= whole.generate.instances
    monkeypatch.chdir(tmp_path)
    fewer = ["generate.instances=6", "evaluate.instances=4", "select.threshold=-5", "isolation=inline", "dtype=null"]
    assert main(["quickstart", "--quick", *fewer]) == 0
    told = capsys.readouterr().out
    assert (tmp_path / "runs/quick/report.html").is_file() and (tmp_path / "runs/quick/it000").is_dir()
    assert not (tmp_path / "runs/quick/it001").exists()
    assert "it may fall while the score rises" in told
