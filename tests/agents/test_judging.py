"""Judging in the rollout engine: metrics that may wait do so in threads, instant ones cost no thread."""

from __future__ import annotations

import math
import threading
from dataclasses import replace

import numpy as np
import pytest

from optima_agents import rollout
from optima_agents.scripted import Oracle
from optima_envs import scenario
from optima_envs.scoring.maths import mathcheck, mathpool
from optima_envs.scoring.metrics import METRICS, Measure


def judged_by(metric: Measure, episodes: int):
    world = replace(scenario("twohop-asym"), metric=metric)
    return rollout(world, Oracle("here"), episodes=episodes)


def test_metrics_that_wait_do_not_hold_up_each_other():
    together = threading.Barrier(3, timeout=30)

    def rate(answer, golds):
        together.wait()  # goes on only when three dialogues are being judged
        return 1.0

    assert [e.score for e in judged_by(Measure("waits", rate), 3)] == [1.0] * 3


def test_an_instant_metric_is_called_where_the_dialogues_run():
    seen = set()

    def rate(answer, golds):
        seen.add(threading.get_ident())
        return 0.5

    assert [e.score for e in judged_by(Measure("quick", rate, instant=True), 3)] == [0.5] * 3
    assert seen == {threading.get_ident()}


@pytest.mark.parametrize("instant", [True, False])
def test_a_metric_that_raises_fails_the_episode(instant):
    def rate(answer, golds):
        raise ZeroDivisionError("no golds")

    (episode,) = judged_by(Measure("broken", rate, instant=instant), 1)
    assert episode.error is not None
    assert (episode.error.kind, "ZeroDivisionError: no golds" in episode.error.message) == ("env", True)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, None, "much", 1.5, -0.1, 10**400, 1 + 1e-9, [1.0], 2])
@pytest.mark.parametrize("instant", [True, False])
def test_a_score_that_is_no_number_from_0_to_1_fails_the_episode_by_the_metrics_name(instant, score):
    (episode,) = judged_by(Measure("odd", lambda answer, golds: score, instant=instant), 1)
    assert episode.error is not None
    assert (episode.error.kind, episode.score) == ("env", 0.0)
    assert "metric 'odd'" in episode.error.message and len(episode.error.message) < 300


@pytest.mark.parametrize("score", [0, 1, 0.25, True, np.float32(0.5)])
def test_a_score_from_0_to_1_is_taken(score):
    (episode,) = judged_by(Measure("plain", lambda answer, golds: score, instant=True), 1)
    assert episode.error is None
    assert episode.score == float(score)


def test_a_score_of_0_that_says_nothing_about_the_answer_is_recorded_with_its_reason():
    refused = Measure("math", mathcheck.rate, why=mathcheck.why)
    world = replace(scenario("twohop-asym"), metric=refused)
    hostile, wrong = (rollout(world, Oracle(answer), episodes=1)[0] for answer in ("9^{9^{9^{9}}}", "7"))
    assert (hostile.score, hostile.error) == (0.0, None)
    assert "exponents" in hostile.info["score_reason"]
    assert wrong.score == 0.0 and "score_reason" not in wrong.info


def test_an_answer_that_could_not_be_judged_fails_the_episode_and_is_not_called_wrong():
    def rate(answer, golds):
        raise mathpool.MathError("the math worker was ended by signal 9 while comparing, 2 times in a row")

    (episode,) = judged_by(Measure("math", rate), 1)
    assert episode.error is not None
    assert (episode.error.kind, "signal 9" in episode.error.message) == ("env", True)


def test_only_the_metric_with_child_processes_waits():
    built_in = {name: getattr(METRICS[name], "instant", False) for name in ("em", "f1", "token-f1", "choice", "number")}
    assert all(built_in.values())
    assert not getattr(METRICS["math"], "instant", False)
