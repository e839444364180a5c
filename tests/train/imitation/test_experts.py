"""Scripted experts as a source: played on the run's own instances, learned under the hints of their styles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.foreign import native
from support.runs import settings

from optima_agents import EpisodeLog
from optima_agents.formats import TALK
from optima_agents.prompts import messages
from optima_train.cli.main import main
from optima_train.config.loading import ConfigError, load
from optima_train.loop.preflight import preflight
from optima_train.trajectories.rows import HINT, Tokeniser

EXPERT = "data.shown={expert: {styles: [plain, notes], instances: 5}}"


def train(model: Path, out: Path, *overrides: str) -> int:
    chosen = ["method=imitate", "isolation=inline", "train.max_length=1024", *overrides]
    return main(["train", "quickstart", *settings(model), *chosen, "--out", str(out)])


def told(path: Path) -> dict[str, Any]:
    return json.loads((path / "DONE.json").read_text())["numbers"]


def test_experts_play_the_runs_own_instances_in_every_style(random_model: Path, tmp_path: Path) -> None:
    assert train(random_model, tmp_path / "run", EXPERT, "env.train={skip: 3}") == 0
    assert told(tmp_path / "run/it000/collect")["sources"] == {"shown": {"episodes": 10, "dropped": {}}}
    episodes = list(EpisodeLog.iterate(tmp_path / "run/it000/collect/episodes.jsonl"))
    task = load("quickstart", ["env.train={skip: 3}"]).env.scenario("train").task
    assert [e.instance.id for e in episodes] == [task[n].id for n in range(5) for _ in range(2)]
    assert [e.info.get(HINT) for e in episodes] == [None, TALK["notes"]] * 5
    assert all(e.score == 1.0 for e in episodes)
    assert len(native(tmp_path / "run/it000/mix/rows.jsonl")) == told(tmp_path / "run/it000/train")["rows"]


def test_a_hinted_dialogue_is_learned_under_its_hint_and_a_plain_one_is_not(random_model: Path, tmp_path: Path) -> None:
    assert train(random_model, tmp_path / "run", EXPERT) == 0
    tokeniser, hints = Tokeniser(str(random_model)), set[str | None]()
    rules = load("quickstart").env.scenario("train").rules
    for episode in EpisodeLog.iterate(tmp_path / "run/it000/collect/episodes.jsonl"):
        hint = episode.info.get(HINT)
        first = rules.view(episode.instance, (), episode.turns[0].agent)
        row = next(row for row in tokeniser.rows(episode) if row.agent == first.agent)
        prompt = tokeniser.chat.render(messages(first, hint))
        assert row.input_ids[: len(prompt)] == prompt
        hints.add(hint)
    assert hints == {None, TALK["notes"]}


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{expert: {styles: [sonnet]}}", "data.mine.expert: no style 'sonnet'"),
        ("{expert: {}, read: chat, files: [x]}", "either files .* or an expert, not both"),
        ("{weight: 1}", "needs read and files, or expert"),
        ("{read: chat}", "needs read and files, or expert"),
        ("{expert: {styles: []}}", "styles"),
    ],
)
def test_sources_that_cannot_be_are_named(source: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        preflight(load("quickstart", ["method=imitate", f"data.mine={source}"]))


def test_a_game_without_an_expert_is_refused_before_anything_is_sampled() -> None:
    with pytest.raises(ConfigError, match=r"data\.mine\.expert: .*there is no scripted expert"):
        preflight(load("quickstart", ["method=imitate", "env.id=arith-debate", "data.mine={expert: {}}"]))


@pytest.mark.parametrize(
    ("part", "told"),
    [("{skip: 999999999}", "leave none"), ("{ids: /nowhere.txt}", "cannot be read as a list of ids")],
)
def test_instances_that_are_not_there_are_refused(part: str, told: str) -> None:
    with pytest.raises(ConfigError, match=rf"env \(train instances\): .*{told}"):
        preflight(load("quickstart", [f"env.train={part}"]))


def test_instances_by_a_file_of_ids(tmp_path: Path) -> None:
    task = load("quickstart").env.scenario("test").task
    path = tmp_path / "ids.txt"
    path.write_text(f"{task[4].id}\n{task[1].id}\n")
    chosen = load("quickstart", [f"env.test={{ids: {path}}}"]).env.scenario("test").task
    assert [inst.id for inst in (chosen[0], chosen[1])] == [task[4].id, task[1].id]
    assert len(chosen) == 2
