"""One agent with all the facts: the oracle of an exchange, on the same questions."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.lookalikes import write_lookalike
from support.worlds import turns

import optima_envs
from optima_agents.prompts import messages
from optima_envs import check_env
from optima_envs.games.alone import Alone
from optima_envs.records import Instance

INST = Instance("i", "Who?", ("Ann",), {"Alice": "Ann did it."})


@pytest.mark.parametrize("name", ["hotpotqa", "2wmh"])
def test_it_holds_what_the_team_holds_together(name: str, tmp_path: Path):
    data = write_lookalike(tmp_path, f"{name}-asym")
    for excerpt in ("full", "supporting"):
        team = optima_envs.scenario(f"{name}-asym", data=str(data), paragraphs=excerpt)
        alone = optima_envs.scenario(f"{name}-solo", data=str(data), paragraphs=excerpt)
        assert (alone.rules.agents, alone.rules.max_turns, alone.metric) == (("Alice",), 1, team.metric)
        assert len(alone.task) == len(team.task) == 8
        for index in range(8):
            ours, theirs = alone.task[index], team.task[index]
            assert (ours.id, ours.question, ours.answers) == (theirs.id, theirs.question, theirs.answers)
            held = sorted(part for text in theirs.private.values() for part in text.split("\n\n") if part)
            assert sorted(ours.private["Alice"].split("\n\n")) == held


def test_it_speaks_once_and_what_it_states_counts():
    rules = Alone()
    assert rules.outcome(INST, ()) is None
    ended = rules.outcome(INST, turns(("Alice", "Ann did it. <A> Ann </A>")))
    assert ended is not None and (ended.stop, ended.answer) == ("answered", "Ann")
    silent = rules.outcome(INST, turns(("Alice", "I wonder.")))
    assert silent is not None and (silent.stop, silent.answer) == ("max_turns", None)
    prompt = messages(rules.view(INST, (), "Alice"))
    assert "You answer a question from the facts you are given" in prompt[0]["content"]
    assert prompt[1]["content"] == "Facts:\nAnn did it.\nQuestion: Who?"


def test_company_and_further_turns_are_refused():
    with pytest.raises(ValueError, match="agents must be one name, since nobody else plays"):
        Alone(agents=("Alice", "Bob"))
    with pytest.raises(ValueError, match="agents must be one name, got"):
        Alone(agents=())
    with pytest.raises(ValueError, match="max_turns is 1 for an agent that nobody replies to, got 6"):
        Alone(max_turns=6)
    with pytest.raises(ValueError, match="agents must be two or more distinct names"):
        optima_envs.scenario("twohop-asym", agents=1)


def test_it_passes_the_conformance_kit(tmp_path: Path):
    data = str(write_lookalike(tmp_path, "hotpotqa-asym"))
    assert "canary" in " ".join(check_env("hotpotqa-solo", data=data))
