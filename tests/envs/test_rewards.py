"""Reward terms over groups: the paper's formula, lifting of functions, finite or failed."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import optima_envs
from optima_envs.records import Episode, EpisodeKey, ErrorInfo, Instance, Outcome, Turn
from optima_envs.registry import UnknownName
from optima_envs.rewards import TERMS, Reward, Term, budget_share, lift, term

INST = Instance("i", "q", ("a",))


def episode(tokens: int = 1, score: float = 0.0, error: ErrorInfo | None = None, texts=("hi",)) -> Episode:
    talk = tuple(Turn(("Alice", "Bob")[i % 2], text, tokens if i == 0 else 0) for i, text in enumerate(texts))
    return Episode(EpisodeKey("i"), "e", INST, talk, Outcome("answered", "a"), score, error=error)


def test_the_papers_formula_with_positive_weights():
    group = [episode(10, 1.0), episode(40, 0.5), episode(20, 0.0)]
    rows = Reward({"task": 1, "tokens": 0.6}).now(group)
    assert [row.total for row in rows] == pytest.approx([1 - 0.6 * 0.25, 0.5 - 0.6, -0.6 * 0.5])
    assert rows[0].terms == {"task": 1.0, "tokens": -0.25}


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=12))
def test_the_token_share_is_finite_and_the_longest_pays_all(counts):
    rows = Reward({"tokens": 1}).now([episode(count) for count in counts])
    shares = [row.total for row in rows]
    assert all(-1 <= share <= 0 for share in shares)
    assert min(shares) == (-1 if max(counts) else 0)


def test_failed_episodes_are_neither_rewarded_nor_siblings():
    lost = ErrorInfo("backend", "gone")
    rows = Reward({"tokens": 1}).now([episode(10), episode(1000, error=lost)])
    assert rows[0].total == -1.0
    assert (rows[1].error, rows[1].total) == (lost, 0.0)
    assert Reward({"task": 1}).now([]) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_term_that_is_not_finite_fails_that_episode_alone(value):
    odd = lift(lambda episode: value if episode.tokens == 2 else 1.0)
    rows = Reward({"odd": 1.0, "task": 1.0}, {"odd": odd}).now([episode(1), episode(2)])
    assert rows[0].error is None
    assert rows[1].error is not None
    assert "odd is not finite" in rows[1].error.message
    assert math.isfinite(rows[1].total)


def test_functions_become_terms_by_their_argument():
    @term("tests-each")
    def each(episode):
        return float(episode.tokens)

    @term("tests-ranked")
    async def ranked(group):
        await asyncio.sleep(0)
        return [float(i) for i, _ in enumerate(group)]

    assert isinstance(TERMS["tests-each"], Term)
    rows = asyncio.run(Reward({"tests-each": 1, "tests-ranked": 10})([episode(3), episode(4)]))
    assert [row.total for row in rows] == [3.0, 14.0]
    with pytest.raises(RuntimeError, match=r"tests-ranked.*await"):
        Reward({"tests-ranked": 1}).now([episode()])


ODD = {
    "none": (lambda episode: None, "term odd gave NoneType None, which is no number"),
    "text": (lambda episode: "0.5", "term odd gave str '0.5', which is no number"),
    "nan": (lambda episode: math.nan, "term odd is not finite"),
    "huge": (lambda episode: 10**400, "term odd is too large for a float"),
    "raises": (lambda episode: {}["zz"], "term odd raised KeyError: 'zz'"),
    "divides": (lambda episode: 1 / 0, "term odd raised ZeroDivisionError"),
    "escapes": (lambda episode: int("\x1b[2J"), "term odd raised ValueError"),
    "group": (lambda group: [None for _ in group], "term odd gave NoneType None"),
    "group raises": (lambda group: group[9], "term odd raised IndexError"),
    "not a list": (lambda group: 3, "term odd raised TypeError"),
}


@pytest.mark.parametrize(("function", "named"), ODD.values(), ids=ODD)
def test_a_term_that_gives_no_number_fails_its_episodes_by_name(function, named):
    rows = Reward({"odd": 1.0, "task": 1.0}, {"odd": lift(function)}).now([episode(), episode()])
    for row in rows:
        assert row.error is not None
        assert (row.error.kind, row.total, row.terms) == ("reward", 0.0, {"task": 0.0})
        assert named in row.error.message
        assert row.error.message.isprintable()


def test_one_episode_that_a_term_cannot_take_fails_alone():
    fussy = lift(lambda episode: 1 / (episode.tokens - 2))
    sound, failed, last = Reward({"fussy": 1}, {"fussy": fussy}).now([episode(3), episode(2), episode(4)])
    assert (sound.total, last.total) == (1.0, 0.5)
    assert failed.error is not None
    assert "term fussy raised ZeroDivisionError" in failed.error.message


def test_what_a_term_that_is_no_function_raises_is_let_through_with_its_name():
    class Dead(RuntimeError):
        pass

    class Model:
        async def __call__(self, group):
            raise Dead("the engine is gone")

    with pytest.raises(Dead) as caught:
        Reward({"model": 1}, {"model": Model()}).now([episode()])
    assert caught.value.__notes__ == ["in the reward term 'model'"]


def test_an_environment_names_the_term_at_its_end():
    TERMS.register("tests-odd", lift(lambda episode: {}["zz"]))
    env = optima_envs.make("twohop-asym", max_turns=1, reward={"tests-odd": 1})
    env.reset(seed=0)
    with pytest.raises(ValueError, match="term tests-odd raised KeyError: 'zz'"):
        env.step({"Alice": "hi"})


@pytest.mark.parametrize("weights", [["task"], "task", 3, {"task"}])
def test_weights_that_are_no_mapping_are_refused_by_name(weights):
    with pytest.raises(TypeError, match="reward must map term names to weights"):
        optima_envs.make("twohop-asym", reward=weights)


@pytest.mark.parametrize(("weight", "named"), [("1", "gave str '1'"), (None, "gave NoneType"), (10**400, "too large")])
def test_a_weight_that_is_no_number_is_named(weight, named):
    with pytest.raises(ValueError, match=f"reward weight of 'task' .*{named}"):
        Reward({"task": weight})


def test_a_term_that_miscounts_is_named():
    with pytest.raises(ValueError, match="'short' gave 1 values for 2 episodes"):
        Reward({"short": 1}, {"short": lift(lambda group: [1.0])}).now([episode(), episode()])


@pytest.mark.parametrize("weight", [-0.6, math.nan, math.inf])
def test_bad_weights_are_refused(weight):
    with pytest.raises(ValueError, match=r"'tokens'.*the term carries the sign"):
        Reward({"tokens": weight})


def test_an_unknown_term_suggests_known_ones():
    with pytest.raises(UnknownName, match="did you mean tokens"):
        Reward({"token": 1})
    with pytest.raises(UnknownName, match="unknown reward term 3"):
        Reward({3: 1})  # type: ignore[dict-item]


def test_the_absolute_share_for_dialogues_without_siblings():
    rows = Reward({"tokens": 1}, {"tokens": budget_share(20)}).now([episode(5), episode(50)])
    assert [row.total for row in rows] == [-0.25, -1.0]


def test_the_format_term():
    texts = ("fine", "", "I say\nBob: and I say", "ok")
    assert Reward({"format": 1}).now([episode(texts=texts)])[0].total == -0.5
    assert Reward({"format": 1}).now([episode(texts=())])[0].total == 0.0
