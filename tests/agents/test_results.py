"""What episodes come to: one summary for all, whichever ended first; and evaluation in one call."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest

import optima_agents
from optima_agents import EpisodeLog, LLMPolicy, Sampling, evaluate, rollout, summarise
from optima_agents.backends.base import BackendError, Completion
from optima_agents.backends.fake import FakeBackend
from optima_agents.results.episodes import COLUMNS
from optima_agents.results.intervals import bootstrap
from optima_agents.results.summary import by_instance, measure
from optima_agents.scripted import Oracle, Random
from optima_envs import Episode, EpisodeKey, ErrorInfo, Instance, Outcome, Turn, Usage, scenario


def episode(
    name: str, sample: int = 0, score: float = 1.0, tokens: int = 4, error: str | None = None, **info
) -> Episode:
    turns = (Turn("Alice", "hi", tokens - 1, usage=Usage(10, tokens - 1, 4)), Turn("Bob", "so", 1, finish="length"))
    fate: dict[str, Any] = (
        {"error": ErrorInfo(*error.split(": "))} if error else {"score": score, "correct": score == 1.0}
    )
    key, inst = EpisodeKey(name, sample), Instance(name, "q?", ("a",))
    return Episode(key, "optima/x-v0", inst, turns, Outcome("answered", "a"), seconds=0.1 * tokens, info=info, **fate)


ROWS = [
    episode("b", 0, 1.0, 4),
    episode("b", 1, 0.0, 8),
    episode("a", 0, 0.3, 101, calls=5, unparsed=2),
    episode("c", 0, 1.0, 7, "backend: HTTP 500"),
    episode("a", 1, 1.0, 3, "timeout: no progress for 5 s"),
    episode("c", 1, 1.0, 9, "backend: HTTP 501"),
]


def test_the_numbers():
    found = summarise(ROWS)
    assert (found.n, found.episodes, found.failures) == (3, 6, 3)
    assert found.score == pytest.approx((0.15 + 0.5 + 0.0) / 3)
    assert found.tokens == pytest.approx((52 + 6 + 8) / 3)
    assert found.score_ci == tuple(bootstrap([0.15, 0.5, 0.0]))
    assert found.correct == pytest.approx(1 / 6)
    assert (found.turns, found.cut_turns) == (2, 6)
    assert found.calls == pytest.approx((5 * 2 + 5) / 6)
    assert found.unparsed == pytest.approx(2 / 6)
    assert found.unanswered == 0.5, "a failed episode has no answer"
    assert found.cached_share == pytest.approx(24 / 60)
    assert found.causes == {"backend": 2, "timeout": 1}
    assert found.reasons == {"backend": "HTTP 500", "timeout": "no progress for 5 s"}
    assert found.failed() == "3 of 6 failed: 2 backend (HTTP 500); 1 timeout (no progress for 5 s)"
    assert list(found.by_instance) == ["a", "b", "c"]
    assert found.by_instance["b"] == (0.5, 6, 2)


def test_equal_episodes_give_equal_summaries_whatever_ended_first():
    """With numbers whose sum depends on the order of adding, and 40 instances of 3 samples."""
    rng = random.Random(1)
    rows = [episode(f"q{n}", s, rng.random() ** 3, rng.randrange(2, 500)) for n in range(40) for s in range(3)]
    rows += [episode("q1", 9, error="policy: second"), episode("q0", 9, error="policy: first")]
    first = summarise(rows, seed=3)
    for _ in range(5):
        rng.shuffle(rows)
        assert summarise(iter(rows), seed=3) == first
    assert first.reasons == {"policy": "first"}
    assert summarise(rows, seed=4).score_ci != first.score_ci


@pytest.mark.parametrize("info", [{"calls": "x"}, {"calls": -1}, {"calls": None, "unparsed": math.inf}, {"calls": [1]}])
def test_odd_notes_of_others_count_as_none(info):
    found = summarise([episode("a", **info)])
    assert (found.calls, found.unparsed) == (2, 0)


def test_nothing_to_sum_up():
    with pytest.raises(ValueError, match="no episodes"):
        summarise([])
    assert by_instance([]) == {}
    assert summarise([replace(ROWS[0], turns=())]).cached_share is None


def test_only_numbers_are_kept():
    """A reader that counts who is still alive."""
    import weakref

    alive = []

    def stream():
        for number in range(50):
            made = measure(episode(f"q{number}"))
            yield made
            alive.append(number)

    class Held(str):
        pass

    refs = []

    def episodes():
        for number in range(50):
            made = replace(episode(f"q{number}"), env=(env := Held("x")))
            refs.append(weakref.ref(env))
            del env
            yield made
            del made
            assert sum(ref() is not None for ref in refs) <= 2

    assert summarise(episodes()).episodes == 50
    assert by_instance(stream()).keys() == {f"q{n}" for n in range(50)}


def test_evaluate_gives_score_interval_and_episodes():
    found = evaluate("twohop-asym", "random", episodes=12, seed=2)
    played = rollout("twohop-asym", Random(), episodes=12, seed=2)
    assert [e.turns for e in found.episodes] == [e.turns for e in played]
    assert (found.score, found.score_ci) == ((told := summarise(played, seed=2)).score, told.score_ci)
    low, high = found.tokens_ci
    assert low <= found.tokens <= high
    line = repr(found)
    assert "optima/twohop-asym-v0: score" in line
    assert "12 instances" in line
    assert len(line) < 160
    world = scenario("twohop-asym")
    right = evaluate(world, lambda job: Oracle(world.task[job.index].answers[0]), episodes=3, samples=2)
    assert (right.score, right.score_ci, right.summary.episodes) == (1.0, (1.0, 1.0), 6)
    assert "3 instances in 6 episodes" in repr(right)


def test_evaluate_tells_what_failed_and_refuses_what_is_nothing():
    backend = FakeBackend("x", faults={0: BackendError("503 \x1b[31m")})
    found = evaluate("twohop-asym", LLMPolicy(backend), episodes=3, concurrency=1)
    assert "1 of 3 failed: 1 backend (BackendError: 503" in repr(found)
    with pytest.raises(ValueError, match="no episodes"):
        evaluate("twohop-asym", "random", episodes=0)


def test_a_backend_named_in_a_seat_decodes_greedily(monkeypatch):
    seen = []

    class Noted(FakeBackend):
        def __init__(self, model, **options):
            super().__init__()

        async def complete(self, request):
            seen.append(request.sampling.temperature)
            return Completion("<A> 7 </A>", 3)

    from optima_agents.making import BACKENDS

    monkeypatch.setitem(BACKENDS._items, "noted", Noted)
    evaluate("twohop-asym", "noted:m", episodes=1)
    evaluate("twohop-asym", {"Alice": "noted:m", "Bob": "random"}, episodes=1, sampling=Sampling(0.4))
    assert set(seen[:2]) == {0.0}
    assert seen[-1] == 0.4


def test_frames(tmp_path):
    pandas = pytest.importorskip("pandas")
    with EpisodeLog(tmp_path / "e.jsonl") as log:
        found = evaluate("twohop-asym", "random", episodes=4, log=log)
    table = found.episodes.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert tuple(table.columns) == COLUMNS
    assert list(table["score"]) == [e.score for e in found.episodes]
    assert table["tokens"].mean() == found.tokens
    assert table["dialogue"][0].startswith("Alice: ")
    row = found.to_pandas()
    assert (len(row), row["score"][0], row["env"][0]) == (1, found.score, "optima/twohop-asym-v0")
    assert found.episodes[:0].to_pandas().shape == (0, len(COLUMNS))


def test_the_names_are_where_users_look():
    assert {"evaluate", "Results", "Episodes", "summarise", "Summary"} <= set(optima_agents.__all__)
    assert optima_agents.evaluate is evaluate
