"""The examples of docs/tools.md, run as they stand there; simulators that are not installed are skipped."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from optima_agents import rollout
from optima_agents.scripted import Scripted, solver
from optima_envs import WORLDS, Instance, scenario
from optima_envs.games.tool_use import ToolUse
from optima_envs.scenario import Listed, Scenario
from optima_envs.scoring.metrics import METRICS

PAGE = (Path(__file__).parents[1] / "docs" / "tools.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def run(start: str) -> dict[str, Any]:
    """What the block that defines ``start`` leaves behind."""
    (block,) = [block for block in BLOCKS if start in block]
    names: dict[str, Any] = {}
    exec(compile(block, "docs/tools.md", "exec"), names)  # noqa: S102 - our own page
    return names


def test_the_worked_example_conforms_and_can_be_solved():
    run("class Tides")
    scene = scenario("docs/tides")
    assert [episode.score for episode in rollout(scene, solver(scene.task), episodes=2)] == [1.0, 1.0]  # type: ignore[arg-type]
    (wrong,) = rollout(scene, Scripted(["tide[atlantis]", "finish[13]"]), episodes=1)
    assert wrong.turns[1].text == "error: there is no such port" and wrong.score == 0.0
    assert "tides" in WORLDS


def behind(start: Any, inst: Instance) -> Scenario:
    commands = run("class Commands")["Commands"]
    rules = ToolUse(world=commands(start), max_turns=40)
    return Scenario("docs/commands-v0", rules, Listed([inst], "commands"), METRICS["em"])


def test_a_simulator_with_a_state_is_replayed():
    started: list[str] = []

    def corridor(inst: Instance):
        started.append(inst.id)
        place = 0

        def step(command: str) -> tuple[str, bool]:
            nonlocal place
            place += {"east": 1, "west": -1}.get(command, 0)
            return f"you stand in room {place}", place == 2

        return step

    scene = behind(corridor, Instance("walk", "Go to room 2.", ("done",)))
    lines = ["do[east]", "do[west]", "do[east]", "do[east]", "Final Answer: there"]
    (episode,) = rollout(scene, Scripted(lines), episodes=1)
    assert [turn.text for turn in episode.turns[1::2]] == [f"you stand in room {n}" for n in (1, 0, 1, 2)]
    assert episode.correct and started == ["walk"]  # it stood where the dialogue had come to all along
    (short,) = rollout(scene, Scripted([lines[0], lines[-1]]), episodes=1)
    assert not short.correct and started == ["walk", "walk"]


def test_science_world():
    if importlib.util.find_spec("scienceworld") is None:
        pytest.skip("scienceworld is not installed")
    from scienceworld import ScienceWorldEnv  # type: ignore[import-not-found]

    env = ScienceWorldEnv("", envStepLimit=100)
    env.load("find-living-thing", 0, "easy", generateGoldPath=True)
    gold = env.get_gold_action_sequence()
    inst = Instance("living", env.get_task_description(), ("done",), meta={"task": "find-living-thing", "variation": 0})
    scene = behind(run("def science_world")["science_world"], inst)
    (episode,) = rollout(scene, Scripted([*(f"do[{line}]" for line in gold), "Final Answer: done"]), episodes=1)
    assert episode.correct
    (lazy,) = rollout(scene, Scripted(["do[look around]", "Final Answer: done"]), episodes=1)
    assert not lazy.correct


def test_text_world(tmp_path: Path):
    if importlib.util.find_spec("textworld") is None:
        pytest.skip("textworld is not installed")
    import textworld  # type: ignore[import-not-found]

    options = textworld.GameOptions()
    options.path, options.seeds, options.nb_rooms, options.quest_length = str(tmp_path / "game.z8"), 3, 2, 3
    file, game = textworld.make(options)
    inst = Instance("game", game.objective, ("done",), meta={"game": file})
    scene = behind(run("def text_world")["text_world"], inst)
    gold = [f"do[{command}]" for command in game.metadata["walkthrough"]]
    (episode,) = rollout(scene, Scripted([*gold, "Final Answer: done"]), episodes=1)
    assert episode.correct
