"""Draws in exact shares: every prefix, every process, repeats counted; and what plain ways of mixing give instead."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optima_train.config.data_settings import MixConfig, SourceConfig, shares
from optima_train.trajectories import Mixture
from optima_train.trajectories.mixture import Lines


def worst(sources: list[str], wanted: dict[str, Fraction]) -> Fraction:
    """How far the counts of any prefix are from their shares."""
    counts: Counter[str] = Counter()
    found = Fraction(0)
    for number, source in enumerate(sources, 1):
        counts[source] += 1
        found = max(found, *(abs(counts[name] - number * share) for name, share in wanted.items()))
    return found


def test_agenttuning_shares_are_exact_in_every_prefix() -> None:
    mixture = Mixture({"agent": 1_866, "general": 5_000}, {"agent": 0.2, "general": 0.8})
    sources = [draw.source for draw in mixture.draws(2_000)]
    assert Counter(sources) == {"agent": 400, "general": 1_600}
    for start in range(0, 2_000, 100):
        assert abs(sources[: start + 100].count("agent") - (start + 100) * 0.2) < 1
    assert worst(sources, {"agent": Fraction(1, 5), "general": Fraction(4, 5)}) < 1


def test_concatenation_and_coin_flips_miss_the_shares() -> None:
    wanted = {"agent": Fraction(1, 5), "general": Fraction(4, 5)}
    joined = (["agent"] * 1_866 + ["general"] * 5_000)[:2_000]
    rng = random.Random(0)
    flipped = ["agent" if rng.random() < 0.2 else "general" for _ in range(2_000)]
    assert worst(joined, wanted) > 1_000 and worst(flipped, wanted) > 5


@given(
    st.lists(st.integers(1, 10_000), min_size=1, max_size=60),
    st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_no_prefix_is_off_by_one_row(parts: list[int], seed: int) -> None:
    weights = {f"s{k}": part for k, part in enumerate(parts)}
    mixture = Mixture(dict.fromkeys(weights, 3), weights, seed)
    drawn = [draw.source for draw in mixture.draws(400)]
    assert worst(drawn, {name: Fraction(part, sum(parts)) for name, part in weights.items()}) < 1


def test_a_row_comes_again_only_when_all_have_come() -> None:
    mixture = Mixture({"a": 5, "b": 40}, {"a": 0.5, "b": 0.5}, seed=3)
    draws = list(mixture.draws(60))
    of_a = [draw for draw in draws if draw.source == "a"]
    rounds = [[draw.row for draw in of_a[start : start + 5]] for start in range(0, 30, 5)]
    assert all(sorted(rows) == [0, 1, 2, 3, 4] for rows in rounds)
    assert len({tuple(rows) for rows in rounds}) > 1, "another order each time round"
    assert [draw.again for draw in of_a] == [k // 5 for k in range(30)]
    assert mixture.repeats(60) == {"a": 25, "b": 0}
    assert draws == list(mixture.draws(60)) == list(islice(mixture.draws(), 60))
    other = [draw.row for draw in Mixture({"a": 5, "b": 40}, {"a": 1, "b": 1}, seed=4).draws(60) if draw.source == "b"]
    assert other != [draw.row for draw in draws if draw.source == "b"]


@pytest.mark.parametrize("world", [2, 3, 7])
def test_processes_share_the_one_stream(world: int) -> None:
    mixture = Mixture({"a": 54, "b": 55, "c": 64}, {"a": 0.5, "b": 0.3, "c": 0.2})
    whole = list(mixture.draws(5_000))
    parts = [list(mixture.draws(5_000, rank=rank, world=world)) for rank in range(world)]
    marked = [(draw, rank) for rank, part in enumerate(parts) for draw in part]
    assert len({draw for draw, _ in marked}) == len(marked) == 5_000 and {draw for draw, _ in marked} == set(whole)
    for part in parts:
        counts = Counter(draw.source for draw in part)
        for name, share in (("a", 0.5), ("b", 0.3), ("c", 0.2)):
            assert abs(counts[name] - 5_000 * share / world) <= 1
    with pytest.raises(ValueError, match="rank 2 is none of 2 processes"):
        next(mixture.draws(rank=2, world=2))


@pytest.mark.parametrize(
    ("sizes", "weights", "message"),
    [
        ({"a": 1, "b": 1}, {"a": 1, "b": -0.5}, "the weight of b is -0.5"),
        ({"a": 1}, {"a": 0}, "no source has a weight above 0"),
        ({"a": 1}, {}, "no source has a weight above 0"),
        ({}, {}, "no source has a weight above 0"),
        ({"a": 0, "b": 1}, {"a": 1, "b": 1}, "source a has no rows"),
        ({"a": 1}, {"a": float("nan")}, "the weight of a is nan"),
        ({"a": 1}, {"a": float("inf")}, "the weight of a is inf"),
    ],
)
def test_weights_that_are_none(sizes: dict[str, int], weights: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Mixture(sizes, weights)


def test_an_empty_source_of_weight_zero_is_left_out() -> None:
    mixture = Mixture({"a": 0, "b": 3}, {"a": 0, "b": 0.1})
    assert mixture.names == ["b"] and mixture.share("a") == 0 and mixture.share("b") == 1


def source(weight: float, *, general: bool = False, iterations: tuple[int, ...] | None = None) -> SourceConfig:
    return SourceConfig(read="chat", files=("x.jsonl",), weight=weight, general=general, iterations=iterations)


def test_eta_divides_between_agent_data_and_the_rest() -> None:
    data = {"db": source(3), "web": source(1), "talk": source(2, general=True), "code": source(2, general=True)}
    found = shares(data, MixConfig(eta=0.2), 0)
    assert found == {
        "db": Fraction(3, 20),
        "web": Fraction(1, 20),
        "talk": Fraction(2, 5),
        "code": Fraction(2, 5),
    }
    assert list(shares(data, MixConfig(eta=1), 0)) == ["db", "web"]
    assert list(shares(data, MixConfig(eta=0), 0)) == ["talk", "code"]
    assert shares({"db": source(3)}, MixConfig(eta=0.2), 0) == {"db": 3}, "without general data there is no share"


def test_a_source_has_its_iterations() -> None:
    data = {"old": source(1, iterations=(0,)), "new": source(1, iterations=(1, 2)), "both": source(0.5)}
    found = [list(shares(data, MixConfig(), iteration)) for iteration in range(3)]
    assert found == [["old", "both"], ["new", "both"], ["new", "both"]]


def test_lines_are_found_by_number(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes("one\n\n  \nzwei \u00fc\r\nlast without an end".encode())
    lines = Lines(path)
    assert [lines[k].decode() for k in (2, 0, 1)] == ["last without an end\n", "one\n", "zwei \u00fc\r\n"]
    assert len(lines) == 3
    lines.close()
