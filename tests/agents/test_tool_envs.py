"""The seven environments with tools, by their ids and through the engine: a perfect team is worth 1, a lazy one 0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.acting import record
from support.lookalikes import hop, sums
from support.worlds import DATA, TOOL_FILES, TOOL_WORLDS

import optima_envs
from optima_agents import Act, rollout
from optima_agents.scripted import Scripted, Solver, solver
from optima_envs.records import ENVIRONMENT, Episode
from optima_envs.tools.sql_world import fingerprint, table_of

CHANGE = "UPDATE `harbour log` SET Crates = '8' WHERE Boat = 'Heron'"
TABLES = [
    record("UPDATE", [CHANGE]),
    record("INSERT", ["INSERT INTO `harbour log` (Boat, Catch, Crates) VALUES ('Skua', 'eel', '3')"]),
    record("counting", ["4"], sql={"query": "SELECT COUNT(*) FROM `harbour log`"}),
    record("other", ["none"], sql={"query": "SELECT Boat FROM `harbour log` WHERE Catch = 'eel'"}),
]
LOOKALIKES = {
    "dbbench-sql": TABLES,
    "dbbench-sql-checked": TABLES,
    "hotpotqa-search": [hop(k) for k in range(4)],
    "gsm8k-calc": [sums(k) for k in range(4)],
    "gsm8k-plan": [sums(k) for k in range(4)],
}
LAZY = {
    "actor": ["Final Answer: I do not know"],
    "planner": ["Subgoal 1: Nothing.", "stop planning"],
    "grounder": ["R1 = Calculator(0 - 1)"],
}
# records on which the rules of thumb fail, with the reason
EXCEPT: dict[str, str] = {}


def both(scene: optima_envs.Scenario, count: int) -> list[Episode]:
    """Perfect and lazy dialogues on the first instances; the perfect ones are returned."""
    played = list(rollout(scene, solver(scene.task), episodes=count))  # type: ignore[arg-type]
    assert len(played) == min(count, len(scene.task))
    for episode in played:
        assert episode.score == 1.0 or episode.key.instance in EXCEPT, (episode.key, episode.outcome)
        assert "faults" not in episode.info
    for episode in rollout(scene, Solver(LAZY), episodes=count):
        assert episode.score == 0.0, (episode.key, episode.outcome)
    return played


@pytest.mark.parametrize("env", LOOKALIKES)
def test_lookalikes(env: str):
    both(optima_envs.scenario(env, data=LOOKALIKES[env]), 4)


@pytest.mark.parametrize("env", TOOL_WORLDS)
def test_worlds(env: str):
    played = both(optima_envs.scenario(env, split="train"), 100)
    assert all(any(turn.agent == ENVIRONMENT for turn in episode.turns) for episode in played)


@pytest.mark.parametrize("env", TOOL_FILES)
def test_records(env: str):
    path: Path = DATA / TOOL_FILES[env]
    if not path.exists():
        pytest.skip(f"no real records at {path}")
    scene = optima_envs.scenario(env, data=str(path))
    assert len(both(scene, len(scene.task))) >= 50


def test_without_any_action_a_table_stays_as_it_was():
    scene = optima_envs.scenario("dbbench-sql", data=TABLES[:2])
    for episode in rollout(scene, Scripted(["Let me think about it."]), episodes=2):
        assert (episode.outcome.stop, episode.score) == ("max_turns", 0.0)
        assert episode.outcome.answer == fingerprint(table_of(episode.instance.meta))
        assert episode.info["faults"] == {"no action": 15} == {"no action": len(episode.spoken)}


def test_a_veto_keeps_a_statement_from_the_table_and_its_reason_is_in_the_next_prompt():
    prompts: list[str] = []

    class Actor:
        async def act(self, view, *, seed):
            prompts.append(str(view.dialogue))
            lines = ["```sql\nDELETE FROM `harbour log`\n```", f"```sql\n{CHANGE}\n```", "Final Answer: done"]
            return Act(lines[sum(said.agent == "Alice" for said in view.dialogue)])

    scene = optima_envs.scenario("dbbench-sql-checked", data=TABLES[:1])
    for reply, score in (("Veto: that empties the table", 1.0), ("Approve", 0.0), ("Hm", 0.0)):
        prompts.clear()
        team = {"Alice": Actor(), "Bob": Scripted([reply, "Approve"])}
        (episode,) = rollout(scene, team, episodes=1)
        assert episode.score == score and "Bob" in prompts[1] and reply in prompts[1]
        # a reply that is neither lets the statement pass, and is counted
        assert episode.info.get("faults") == ({"no verdict": 1} if reply == "Hm" else None)


def test_an_attempt_that_failed_teaches_the_next_and_off_without_memory():
    class Actor:
        async def act(self, view, *, seed):
            last = view.dialogue[-1].text if view.dialogue else ""
            if last.endswith("do otherwise."):
                return Act("Keep to the one boat that is named.")
            if "Keep to the one boat" in view.private:
                wanted = CHANGE
            else:
                wanted = CHANGE.partition(" WHERE")[0]
            done = any(said.agent == "Alice" for said in view.dialogue)
            return Act("Final Answer: done" if done else f"```sql\n{wanted}\n```")

    cases: list[tuple[dict[str, Any], float]] = [({}, 0.0), ({"attempts": 2}, 1.0), ({"attempts": 2, "memory": 0}, 0.0)]
    for settings, score in cases:
        scene = optima_envs.scenario("dbbench-sql", data=TABLES[:1], **settings)
        (episode,) = rollout(scene, Actor(), episodes=1)
        assert episode.score == score, settings
