"""Paired comparison of two episode logs, and its verb."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from optima_agents import EpisodeLog
from optima_envs.records import Episode, EpisodeKey, ErrorInfo, Instance, Outcome, Turn
from optima_train.analysis.comparison import compare
from optima_train.cli.main import main


def episode(instance: str, score: float, tokens: int = 10, sample: int = 0, error: str | None = None, env: str = "e"):
    return Episode(
        EpisodeKey(instance, sample), env, Instance(instance, "q", ("a",)), (Turn("Alice", "x", tokens),),
        Outcome("answered"), score, error=ErrorInfo("backend", error) if error else None,
    )  # fmt: skip


def test_pairing_finds_what_the_spread_of_instances_would_hide():
    rng = random.Random(0)
    levels = [rng.random() for _ in range(200)]
    a = [episode(f"i{n}", level * 0.9) for n, level in enumerate(levels)]
    b = [episode(f"i{n}", level * 0.9 + 0.02 * rng.random(), tokens=8) for n, level in enumerate(levels)]
    result = compare(a, reversed(b))
    score, tokens, turns = result.differences
    assert score.difference == pytest.approx(0.01, abs=0.003)
    assert 0 < score.interval[0] < score.difference < score.interval[1] < 0.02
    assert score.p < 0.001
    assert (tokens.difference, tokens.interval) == (-2, (-2, -2))
    assert (turns.difference, turns.p) == (0, 1)
    back = compare(b, a).differences[0]
    assert back.difference == -score.difference
    assert compare(a, b) == compare(a, b), "the seed fixes the resamples"


def test_equal_teams_do_not_differ():
    rng = random.Random(1)
    a, b = ([episode(f"i{n}", rng.random()) for n in range(100)] for _ in range(2))
    (score, *_) = compare(a, b).differences
    assert score.interval[0] < 0 < score.interval[1]
    assert score.p > 0.05


def test_samples_are_averaged_failures_score_nothing_and_the_rest_is_counted():
    a = [episode("x", 1.0), episode("x", 0.0, sample=1), episode("only-a", 1.0)]
    b = [episode("x", 0.9, error="503"), episode("y", 1.0), episode("z", 1.0)]
    result = compare(a, b)
    assert (result.n, result.only_a, result.only_b) == (1, 1, 2)
    assert (result.differences[0].a, result.differences[0].b) == (0.5, 0.0)


@pytest.mark.parametrize(
    ("b", "message"),
    [([episode("y", 1.0)], "no common"), ([episode("x", 1.0, env="f")], "different env"), ([], "no common")],
)
def test_what_cannot_be_compared_is_refused(b, message):
    with pytest.raises(ValueError, match=message):
        compare([episode("x", 1.0)], b)


def asking(instance: str, question: str, gold: str = "a"):
    return replace(episode(instance, 1.0), instance=Instance(instance, question, (gold,)))


def test_ids_that_mean_another_question_are_not_compared():
    a = [episode("x", 1.0), episode("y", 1.0)]
    for other in (asking("y", "another?"), asking("y", "q", "b")):
        with pytest.raises(ValueError, match="instance 'y' has different questions or golds"):
            compare(a, [episode("x", 0.5), other])
        with pytest.raises(ValueError, match="instance 'y' has different"):
            compare([*a, other], [episode("x", 0.5)])
    lost = replace(asking("y", "", ""), instance=Instance("y", "", ()), error=ErrorInfo("env", "no JSON"))
    assert compare(a, [episode("x", 0.5), lost]).n == 2, "of a record that could not be written nothing is known"


def test_a_comparison_reads_each_log_once_and_keeps_numbers():
    def stream(score: float):
        for number in range(2_000):
            yield episode(f"i{number}", score)

    assert compare(stream(0.5), stream(0.5)).n == 2_000


def test_the_verb_reads_logs_and_run_directories(tmp_path, capsys):
    places = {"a/untrained/evaluate": 0.2, "a/it000/evaluate": 0.3, "a/it001/evaluate": 0.8}
    for place, score in places.items():
        with EpisodeLog(tmp_path / place / "episodes.jsonl") as log:
            for n in range(5):
                log.append(episode(f"i{n}", score))
    run, before = str(tmp_path / "a"), str(tmp_path / "a" / "untrained")
    assert main(["compare", before, run, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["differences"][0]["difference"] == pytest.approx(0.6)
    assert main(["compare", str(tmp_path / "a/it000/evaluate/episodes.jsonl"), run]) == 0
    assert "+0.500" in capsys.readouterr().out
    assert main(["compare", run, str(tmp_path / "nowhere")]) == 2
    assert "no episode log" in capsys.readouterr().err
