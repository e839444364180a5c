"""DyLAN, MacNet and mixture of agents step by step: who is called, after what, with what, and when it stops."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recording import Played, debate, exchange, play

from benchmarks.methods import dylan, graph
from optima_envs.records import Turn

TEAM = {"Alice", "Bob", "Alice2", "Bob2"}


def text(done: Played, call: int) -> str:
    return "\n".join(message["content"] for message in done.requests[call].messages)


class Cast:
    """Each agent replies by name and round, ``Alice in round 1``, with its own answer; the ranker says ``ranks``."""

    def __init__(self, ranks: str = "[1, 2]", scores: str = "[[1, 2, 3, 4]]", answers: dict[int, str] | None = None):
        self.ranks, self.scores, self.answers = ranks, scores, answers or {}
        self.calls: dict[str, int] = {}

    def __call__(self, request) -> str:
        system = request.messages[0]["content"]
        if not system.startswith("You are "):
            return self.ranks
        name = system.removeprefix("You are ").partition(".")[0]
        number = self.calls[name] = self.calls.get(name, 0) + 1
        return f"{name} in round {number}. <A> {self.answers.get(number, name)} </A> {self.scores}"


# dylan


def test_dylan_stops_as_soon_as_more_than_two_thirds_agree():
    done = play("dylan", exchange(), ["<A> teal </A>"])
    assert len(done.requests) == 3 and set(done.agents) < TEAM
    assert {request.sampling.temperature for request in done.requests} == {1.0}
    assert done.episode.correct
    late = play("dylan", exchange(), Cast(answers={2: "teal"}))
    assert len(late.requests) == 4 + 3 and set(late.agents[:4]) == TEAM


def test_dylan_calls_one_more_at_a_time_once_an_agreement_is_possible():
    done = play("dylan", exchange(), ["<A> teal </A>", "<A> red </A>", "<A> teal </A>", "<A> teal </A>"])
    assert len(done.requests) == 4 and done.episode.correct


def test_dylan_shows_the_round_before_and_nothing_else():
    done = play("dylan", exchange(), Cast("[4, 2]"))
    assert len(done.requests) == 4 + 4 + 1 + 2
    for call, name in enumerate(done.agents):
        said = [f"{peer} in round {number}." for number in (1, 2) for peer in TEAM]
        seen = {line for line in said if line in text(done, call)}
        wanted = {0: 0, 1: 1, 2: 2}[0 if call < 4 else 1 if call < 8 else 2]
        assert seen == {line for line in said if wanted and line.endswith(f" {wanted}.")}, name
        assert len(done.requests[call].messages) == 2, "nothing is remembered but the round before"
        assert ("[[1, 5, ...]]" in text(done, call)) == (call >= 4 and name != "Ranker")


@pytest.mark.parametrize("sample", range(6))
@pytest.mark.parametrize("ranks", [(1, 2), (4, 1), (3, 4)])
def test_dylan_activates_the_ranked_agents(ranks: tuple[int, int], sample: int):
    done = play("dylan", exchange(), Cast(f"Best are [{ranks[0]}, {ranks[1]}]"), sample=sample)
    assert done.agents[8] == "Ranker" and "SECRET" not in text(done, 8)
    shown = [part.partition(" in round")[0] for part in text(done, 8).split("Solution ")[1:]]
    named = {entry.partition(": ")[0]: entry.partition(": ")[2] for entry in shown}
    assert set(done.agents[9:]) == {named[str(rank)] for rank in ranks}, "agents, not positions of a shuffled list"


def test_dylan_ranks_once_and_two_agents_must_both_agree():
    done = play("dylan", exchange(), Cast(answers={5: "teal"}), rounds=7)
    assert len(done.requests) == 4 + 4 + 1 + 3 * 2
    assert done.agents.count("Ranker") == 1 and done.episode.correct


def test_dylan_lets_no_missing_answers_agree():
    done = play("dylan", debate(), ["I cannot tell."])
    assert len(done.requests) == 4 + 4 + 1 + 2, "four times nothing is no agreement"
    assert (done.episode.outcome.answer, done.episode.score) == (None, 0.0)
    assert done.episode.info["unparsed"] == 11
    assert set(done.episode.info["importance"].values()) == {0.0}


@pytest.mark.parametrize("ranks", ["", "[1]", "[1, 1]", "[0, 2]", "[2, 5]", "[1, 2, 3]", "[9999999999999, 1]"])
def test_dylan_takes_a_seeded_pair_where_the_ranking_cannot_be_read(ranks: str):
    done = play("dylan", exchange(), Cast(ranks))
    assert len(set(done.agents[9:])) == 2 and set(done.agents[9:]) < TEAM
    assert done.episode.info["unparsed"] == 1
    assert play("dylan", exchange(), Cast(ranks)).agents == done.agents
    assert len({tuple(play("dylan", exchange(), Cast(ranks), sample=n).agents) for n in range(5)}) > 1


def test_dylan_counts_ratings_that_do_not_fit_and_shares_alike():
    done = play("dylan", exchange(), Cast(scores="[[5, 5]]"))
    assert done.episode.info["unrated"] == 4 + 2
    assert sum(done.episode.info["importance"].values()) == pytest.approx(3.0)
    fair = play("dylan", exchange(), Cast(scores="[[3, 3, 3, 3]]"))
    assert fair.episode.info["unrated"] == 0
    assert fair.episode.info["importance"] == done.episode.info["importance"]


def test_dylans_importance_is_passed_back_along_the_ratings():
    def node(**weights: float) -> dylan.Node:
        return dylan.Node(Turn("x", ""), None, {int(seat[1:]): weight for seat, weight in weights.items()})

    rounds = [
        {0: node(), 1: node(), 2: node()},
        {1: node(s0=0.5, s1=0.5, s2=0.0), 0: node(s0=0.2, s1=0.3, s2=0.5), 2: node(s0=1.0)},
        {0: node(s0=0.25, s1=0.75), 1: node(s2=1.0)},
    ]
    # last round: 0 alone, 1.  Before: 0 has 0.25, 1 has 0.75.  First: 0.25 x (.2, .3, .5) + 0.75 x (.5, .5, 0)
    assert dylan.importance(rounds, [0]) == pytest.approx({0: 1 + 0.25 + 0.425, 1: 0.75 + 0.45, 2: 0.125})
    assert dylan.importance(rounds, [0, 1])[2] == pytest.approx(0.5 + 0.5 * 0.125)
    assert dylan.importance(rounds, []) == {}


def test_dylans_ratings_belong_to_those_who_were_shown():
    """Replies are shown in random order; the only one rated above 0 is Bob's, wherever it stands."""

    def rate(request) -> str:
        content = request.messages[-1]["content"]
        solutions = content.split("Solution ")[1:]
        scores = ", ".join("5" if "Bob in" in part.partition("[[")[0] else "0" for part in solutions)
        return f"{cast(request)} [[{scores}]]"

    cast = Cast(scores="")
    done = play("dylan", exchange(), rate, rounds=2)
    info = done.episode.info["importance"]
    winner = done.episode.outcome.answer
    wanted = dict.fromkeys(TEAM, 0.0)
    wanted["Bob"] += 1.0
    wanted[str(winner)] += 1.0
    assert info == wanted


# macnet


def test_macnet_walks_a_chain_and_passes_artifacts_alone():
    lines = ["DRAFT-0", "NOTE-1", "DRAFT-1", "NOTE-2", "DRAFT-2", "NOTE-3", "DRAFT-3 <A> teal </A>"]
    done = play("macnet", exchange(), lines, topology="chain")
    assert done.agents == ["Alice", "Bob-critic", "Bob", "Alice2-critic", "Alice2", "Bob2-critic", "Bob2"]
    assert "DRAFT" not in text(done, 0)
    for node in (1, 2, 3):
        critic, actor = 2 * node - 1, 2 * node
        assert [line for line in lines if line in text(done, critic)] == [f"DRAFT-{node - 1}"]
        assert [line for line in lines if line in text(done, actor)] == [f"DRAFT-{node - 1}", f"NOTE-{node}"]
        holder = "Bob" if node % 2 else "Alice"
        assert f"SECRET-{holder}" in text(done, critic) and f"SECRET-{holder}" in text(done, actor)
    heats = [request.sampling.temperature for request in done.requests]
    assert heats == pytest.approx([0.8, 0.6, 0.6, 0.4, 0.4, 0.2, 0.2])
    assert done.episode.info["edges"] == [[0, 1], [1, 2], [2, 3]]
    assert done.episode.correct


def test_macnet_merges_the_ends_of_a_star():
    lines = ["DRAFT-0", "NOTE-1", "NOTE-2", "NOTE-3", "DRAFT-1", "DRAFT-2", "DRAFT-3", "<A> teal </A>"]
    done = play("macnet", exchange(), lines, topology="star")
    critics, actors = ["Bob-critic", "Alice2-critic", "Bob2-critic"], ["Bob", "Alice2", "Bob2"]
    assert done.agents == ["Alice", *critics, *actors, "Alice3"]
    for node in (1, 2, 3):
        assert [line for line in lines if line in text(done, 3 + node)] == ["DRAFT-0", f"NOTE-{node}"]
    assert [line for line in lines if line in text(done, 7)] == ["DRAFT-1", "DRAFT-2", "DRAFT-3"]
    assert done.requests[7].sampling.temperature == 0.0
    assert done.episode.correct


def test_macnet_merges_at_a_node_with_several_edges_into_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(graph.TOPOLOGIES, "random", lambda nodes, rng: [(0, 2), (1, 2)])
    lines = ["DRAFT-0", "DRAFT-1", "NOTE-02", "NOTE-12", "VIA-0", "VIA-1", "<A> teal </A>"]
    done = play("macnet", exchange(), lines, nodes=3)
    assert done.agents == ["Alice", "Bob", *["Alice2-critic"] * 2, *["Alice2"] * 3]
    assert [line for line in lines if line in text(done, 4)] == ["DRAFT-0", "NOTE-02"]
    assert [line for line in lines if line in text(done, 6)] == ["VIA-0", "VIA-1"]
    assert done.episode.correct


def test_macnets_random_graph_is_one_for_a_run_and_its_calls_follow_from_it():
    graphs = []
    for sample in range(4):
        done = play("macnet", debate(), ["\\boxed{7}"], sample=sample)
        edges = [tuple(edge) for edge in done.episode.info["edges"]]
        into = [len(graph.sources(node, edges)) for node in range(4)]
        merges = sum(count > 1 for count in into) + (len(graph.sinks(4, edges)) > 1)
        assert len(done.requests) == into.count(0) + 2 * len(edges) + merges
        assert done.episode.correct
        graphs.append(edges)
    assert all(edges == graphs[0] for edges in graphs)


def test_macnets_prompts_do_not_grow_along_the_chain():
    done = play("macnet", exchange(), ["as long as any other reply"], topology="chain", nodes=12)
    assert len(repr(done.requests[-1].messages)) <= len(repr(done.requests[2].messages)) + 10


def test_macnet_names_the_topologies_it_knows():
    with pytest.raises(ValueError, match="option topology must be one of chain, star, random, got 'ring'"):
        play("macnet", exchange(), ["x"], topology="ring")


@given(st.integers(1, 12), st.integers())
def test_graphs_are_acyclic_and_layered_in_topological_order(nodes: int, seed: int):
    for draw in graph.TOPOLOGIES.values():
        edges = draw(nodes, random.Random(seed))
        assert draw(nodes, random.Random(seed)) == edges
        assert len(set(edges)) == len(edges) >= nodes - 1
        assert all(0 <= low < high < nodes for low, high in edges)
        levels = graph.layers(nodes, edges)
        assert sorted(node for level in levels for node in level) == list(range(nodes))
        level_of = {node: depth for depth, level in enumerate(levels) for node in level}
        assert all(level_of[low] < level_of[high] for low, high in edges)
        assert graph.sinks(nodes, edges)


# mixture-of-agents


def test_mixture_shows_every_proposer_the_whole_layer_before():
    lines = ["ONE-a", "ONE-b", "ONE-c", "TWO-a", "TWO-b", "TWO-c", "<A> teal </A>"]
    done = play("mixture-of-agents", exchange(), lines, proposers=3)
    team = ["Alice", "Bob", "Alice2"]
    assert done.agents == [*team, *team, "Alice-aggregator"]
    assert {request.sampling.temperature for request in done.requests} == {0.7}
    for call in range(7):
        before = (call // 3) * 3
        assert [line for line in lines if line in text(done, call)] == lines[max(0, before - 3) : before]
        assert len(done.requests[call].messages) == 2, "nothing is remembered but the layer before"
        system = done.requests[call].messages[0]
        assert system == done.requests[0 if call == 6 else call % 3].messages[0], "no model text in a system message"
    assert done.episode.correct


def test_mixture_has_the_papers_numbers_by_default():
    done = play("mixture-of-agents", debate(), ["\\boxed{7}"])
    assert len(done.requests) == 6 * 2 + 1
    assert len(play("mixture-of-agents", debate(), ["\\boxed{7}"], layers=1).requests) == 1
