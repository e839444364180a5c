"""Selection: best of each group, threshold and top share in either order, every drop with its reason."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.rows import ranked_row

from optima_train.config.settings import SelectConfig
from optima_train.run.records import RankedRow
from optima_train.stages.selection import BELOW, FAILED, OUTSIDE, select


def ranked(**rewards: list[float | None]) -> list[RankedRow]:
    return [ranked_row(name, sample, value) for name, values in rewards.items() for sample, value in enumerate(values)]


def reasons(chosen) -> dict[str, str]:
    return {drop.instance: drop.reason for drop in chosen.dropped}


def test_best_of_each_group_with_ties_to_the_earlier_sample() -> None:
    chosen = select(ranked(a=[0.1, 0.9, 0.9], b=[None, 0.6]), SelectConfig(threshold=0.5, top_share=1.0))
    assert [(d.instance, d.sample) for d in chosen.kept] == [("a", 1), ("b", 1)]
    assert chosen.dropped == ()


def test_the_two_orders_differ_as_paper_and_code_do() -> None:
    groups = ranked(a=[0.9], b=[0.8], c=[0.7], d=[0.1], e=[None])
    paper = select(groups, SelectConfig(threshold=0.5, top_share=0.67))
    assert [d.instance for d in paper.kept] == ["a", "b"]  # two of the three over the threshold
    assert reasons(paper) == {"c": OUTSIDE, "d": BELOW, "e": FAILED}
    code = select(groups, SelectConfig(threshold=0.5, top_share=0.75, order="share-first"))
    assert [d.instance for d in code.kept] == ["a", "b", "c"]  # three of the four, all over the threshold
    assert reasons(code) == {"d": OUTSIDE, "e": FAILED}


def test_degenerate_groups() -> None:
    assert select([], SelectConfig()).kept == ()
    assert reasons(select(ranked(a=[None, None]), SelectConfig())) == {"a": FAILED}
    equal = select(ranked(a=[0.7] * 3, b=[0.7] * 3), SelectConfig(top_share=0.5))
    assert [d.instance for d in equal.kept] == ["a"]
    assert len(select(ranked(a=[1.0]), SelectConfig(top_share=0.1)).kept) == 1


@given(
    st.dictionaries(st.text(max_size=3), st.lists(st.none() | st.floats(-3, 3), min_size=1, max_size=4), max_size=12),
    st.floats(-3, 3),
    st.floats(0.01, 1),
    st.sampled_from(["threshold-first", "share-first"]),
)
def test_every_instance_is_kept_once_or_dropped_once(groups, threshold, share, order) -> None:
    config = SelectConfig(threshold=threshold, top_share=share, order=order)
    dialogues = ranked(**groups)
    chosen = select(dialogues, config)
    assert sorted([d.instance for d in chosen.kept] + [d.instance for d in chosen.dropped]) == sorted(groups)
    assert all(d.reward is not None and d.reward >= threshold for d in chosen.kept)
    assert chosen == select(list(reversed(dialogues)), config)
