"""The table of the ten systems: what is made before it is played, and which worlds real records add."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.suite.settings import CONFIGS, load_suite, suite_of
from benchmarks.training.agent_tuning import RECORDS, SUITE, main, with_records
from optima_train.config.loading import load, read

SYSTEMS = "AgentTuning FireAct NAT Agent-FLAN AgentOhana Lumos STE ETO DebateGPT CMAT".split()
METHODS = "agenttuning fireact nat flan imitate lumos ste eto debategpt cmat".split()


def test_all_ten_systems_are_trained_by_their_method_and_stand_beside_prompting() -> None:
    suite = load_suite(SUITE)
    rows = {method.called: method for method in suite.methods}
    assert set(SYSTEMS) <= set(rows) and {"react", "cot", "reflexion", "untrained"} <= set(rows)
    trained = {model.label: model.train for model in suite.models}
    for system, method in zip(SYSTEMS, METHODS, strict=True):
        training = trained[rows[system].models[0]]  # type: ignore[index]
        assert training is not None
        assert load(training.recipe, training.overrides).method == method


def test_real_records_are_played_by_whoever_plays_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    given = []
    for env in RECORDS:
        (tmp_path / env).touch()
        given.append(f"{env}={tmp_path / env}")
    suite = suite_of(with_records(read(CONFIGS / f"{SUITE}.yaml"), given))
    assert {"dbbench-sql", "hotpotqa-search"} <= {env.called for env in suite.envs}
    played = {model.label: model.envs for model in suite.models if model.envs}
    assert set(RECORDS) <= set(played["eto"]) and played["lumos"] == ("plan",)
    monkeypatch.chdir(tmp_path)
    for wrong, told in (("dbbench-sql=none", "there is no file none"), ("dbbench-sql", "ENV=FILE"),
                        ("dbench-sql=x", "did you mean dbbench-sql")):  # fmt: skip
        assert main(["--records", wrong, "--dry-run"]) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
