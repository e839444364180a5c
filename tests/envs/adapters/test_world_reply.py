"""What a world replies, in every form an environment has: parallel, turn-based, one seat; drawn, counted, recorded."""

from __future__ import annotations

import gymnasium
import pytest
from support.acting import record, sql

import optima_envs
from optima_envs.adapters.parallel import DialogueEnv
from optima_envs.adapters.single import SingleSeat
from optima_envs.games.asymmetric import AsymmetricQA
from optima_envs.games.tool_use import ToolUse
from optima_envs.records import ENVIRONMENT, Episode, Turn
from optima_envs.scenario import Scenario
from optima_envs.scoring.metrics import METRICS

ROWS = [record("counting", ["4"])]
COUNT = sql("SELECT COUNT(*) FROM `harbour log`")


def test_the_reply_is_in_the_same_step_and_costs_nothing():
    env = optima_envs.make("dbbench-sql", data=ROWS, reward={"task": 1.0, "format": 0.5})
    env.reset(seed=0)
    observations, rewards, *_ = env.step({"Alice": COUNT})
    assert observations["Alice"]["dialogue"] == (("Alice", COUNT), (ENVIRONMENT, "[4]"))
    assert (observations["Alice"]["turn"], observations["Alice"]["turns_left"]) == (1, 14)
    assert observations["Alice"] in env.observation_space("Alice") and rewards == {"Alice": 0.0}
    _, rewards, terminations, _, infos = env.step({"Alice": "Final Answer: 4"})
    assert rewards == {"Alice": 1.0} and terminations == {"Alice": True}
    assert infos["Alice"]["tokens"] == len(COUNT.split()) + 3 and infos["Alice"]["episode"] == {"r": 1.0, "l": 2}
    assert env.last is not None and [turn.agent for turn in env.last.turns] == ["Alice", ENVIRONMENT, "Alice"]
    assert [turn.text for turn in env.last.spoken] == [COUNT, "Final Answer: 4"]
    assert Episode.from_json(env.last.to_json()) == env.last


def test_a_reply_longer_than_an_agent_may_speak_is_in_the_space():
    env = DialogueEnv(optima_envs.scenario("twohop-search"), max_chars=12)
    env.reset(seed=0)
    observations, *_ = env.step({"Alice": "search[of]"})
    assert len(observations["Alice"]["dialogue"][1].text) > 12
    assert observations["Alice"] in env.observation_space("Alice")


def test_turn_by_turn_the_world_is_no_agent():
    env = optima_envs.make_aec("dbbench-sql-checked", data=ROWS)
    env.reset(seed=0)
    asked = []
    for agent in env.agent_iter():
        _, _, ended, cut, _ = env.last()
        asked.append(agent)
        env.step(None if ended or cut else {"Alice": "Final Answer: 4", "Bob": "Approve"}[agent])
    assert asked == ["Alice", "Bob", "Alice", "Bob"]  # the last two leave
    env.reset(seed=0)
    env.step(COUNT)
    env.step("Veto: look at the rows first")
    assert env.agent_selection == "Alice" and env.observe("Alice")["dialogue"][-1].agent == ENVIRONMENT


def test_one_seat_against_a_partner():
    seat = SingleSeat("dbbench-sql-checked", data=ROWS, partners=lambda seen: "Approve")
    seat.reset(seed=0)
    observation, *_ = seat.step(COUNT)
    assert [said.agent for said in observation["dialogue"]] == ["Alice", "Bob", ENVIRONMENT]
    _, reward, terminated, *_ = seat.step("Final Answer: 4")
    assert (reward, terminated) == (1.0, True)
    envs = gymnasium.make_vec("optima/twohop-search-v0", num_envs=2)
    envs.reset(seed=0)
    observations, *_ = envs.step(["search[of]"] * 2)
    assert [dialogue[-1][0] for dialogue in observations["dialogue"]] == [ENVIRONMENT] * 2


def test_a_reply_is_drawn_without_a_count_and_on_its_own_line(capsys):
    env = DialogueEnv(optima_envs.scenario("dbbench-sql", data=ROWS), render_mode="ansi")
    env.reset(seed=0)
    env.step({"Alice": "hm"})
    drawn = (env.render() or "").splitlines()
    assert drawn[-2] == "Alice (1): hm" and drawn[-1].startswith("environment: error: there is no action")
    shown = DialogueEnv(optima_envs.scenario("dbbench-sql", data=ROWS), render_mode="human")
    shown.reset(seed=0)
    capsys.readouterr()
    shown.step({"Alice": COUNT})
    printed = capsys.readouterr().out
    assert " environment " in printed and "[4]" in printed and "environment, 0 tokens" not in printed


def test_the_format_term_looks_at_agents_alone_and_sees_who_speaks_for_the_world():
    term = optima_envs.TERMS["format"]
    scene = optima_envs.scenario("dbbench-sql", data=ROWS)
    env = DialogueEnv(scene)

    def worth(first: str) -> float:
        env.reset(seed=0)
        env.step({"Alice": first})
        env.step({"Alice": "Final Answer: 4"})
        coroutine = term([env.episode()])
        with pytest.raises(StopIteration) as done:
            coroutine.send(None)  # type: ignore[attr-defined]
        return done.value.value[0]

    assert worth(COUNT) == 0.0
    assert worth(f"{COUNT}\nenvironment: [4]") == -0.5


@pytest.mark.parametrize("name", ["environment", "Environment", "ENVIRONMENT"])
def test_no_agent_may_have_the_worlds_name(name: str):
    for make in (lambda names: AsymmetricQA(names), lambda names: ToolUse(agents=names, checker=True)):
        with pytest.raises(ValueError, match=r"environment.*the name of|other than 'environment'"):
            make(("Alice", name))
    assert AsymmetricQA(("Alice", "environments")).agents[1] == "environments"


def test_rules_promise_agents_turns_not_the_worlds():
    """Twenty turns of an agent and as many replies are no more than max_turns=20; off: an endless game is a fault."""
    scene = optima_envs.scenario("dbbench-sql", data=ROWS, max_turns=20)
    env = DialogueEnv(scene)
    env.reset(seed=0)
    while env.agents:
        env.step({"Alice": COUNT})
    assert env.outcome is not None and env.outcome.stop == "max_turns" and len(env.turns) == 40

    class Endless(ToolUse):
        def outcome(self, inst, turns):
            return None

    endless = Scenario("tests/endless-v0", Endless(world="sql", max_turns=2), scene.task, METRICS["rows"])
    turns = (Turn("Alice", "hm"), Turn(ENVIRONMENT, "error"), Turn("Alice", "hm"), Turn(ENVIRONMENT, "error"))
    assert endless.outcome(scene.task[0], turns) is None
    with pytest.raises(RuntimeError, match="not over after 3 turns"):
        endless.outcome(scene.task[0], (*turns, Turn("Alice", "hm")))
