"""Each layout's rows as records and back, on rows written for this test: exact, and with the masks its authors mean."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from support.foreign import ADP, CHAT, ROWS, STE, STEPS, TOOLBENCH, native, save
from support.foreign_runs import AGENTINSTRUCT, ALPACA, NAT, QUESTIONS, TRAJS

import optima_envs
from optima_agents import make_policy, rollout
from optima_envs import Episode
from optima_envs.scoring.metrics import METRICS
from optima_envs.tasks.loading import DataError
from optima_train.tiny.dialogues import dialogues
from optima_train.trajectories import READERS, WRITERS, Dropped, read, write, write_file
from optima_train.trajectories.layouts.ste import grade, report
from optima_train.trajectories.transcript import trained

FILES = [(layout, name, rows) for layout, files in ROWS.items() for name, rows in files]


def options(layout: str, folder: Path) -> dict:
    return {"questions": str(save(folder / "questions.jsonl", QUESTIONS))} if layout == "nat" else {}


def kept(layout: str, path: Path, **given) -> list[Episode]:
    found = list(read(layout, [path], **given))
    assert not [item for item in found if isinstance(item, Dropped)]
    return found  # type: ignore[return-value]


@pytest.mark.parametrize(("layout", "name", "rows"), FILES, ids=[f"{layout}-{name}" for layout, name, _ in FILES])
def test_a_row_comes_back_exactly(layout: str, name: str, rows, tmp_path: Path) -> None:
    path = save(tmp_path / name, rows)
    episodes = kept(layout, path, **options(layout, tmp_path))
    back = list(write(layout, episodes))
    assert json.dumps(back, sort_keys=True) == json.dumps(native(path), sort_keys=True)
    stored = Episode.from_json(json.loads(episodes[0].to_line()))
    assert list(write(layout, [stored])) == back[:1], "a log in between changes nothing"


@pytest.mark.parametrize(("layout", "name", "rows"), FILES, ids=[f"{layout}-{name}" for layout, name, _ in FILES])
def test_no_text_is_stored_twice(layout: str, name: str, rows, tmp_path: Path) -> None:
    for item in kept(layout, save(tmp_path / name, rows), **options(layout, tmp_path)):
        kept_apart = json.dumps(item.info["native"])
        long = [turn.text for turn in item.turns if len(turn.text) > 30 and turn.agent == "assistant"]
        assert not [text for text in long if json.dumps(text)[1:-1] in kept_apart]


@pytest.mark.parametrize(("layout", "name", "rows"), FILES, ids=[f"{layout}-{name}" for layout, name, _ in FILES])
def test_a_changed_record_is_written_as_it_is_now(layout: str, name: str, rows, tmp_path: Path) -> None:
    (first, *_) = kept(layout, save(tmp_path / name, rows), **options(layout, tmp_path))
    place = trained(first)[0]
    turns = [*first.turns]
    turns[place] = replace(turns[place], text="Action: changed\nAction Input: {}")
    (row,) = write(layout, [replace(first, turns=tuple(turns))])
    text = json.dumps(row)
    assert "changed" in text and json.dumps(first.turns[place].text)[1:-1] not in text


def test_agentinstruct_masks_and_speakers(tmp_path: Path) -> None:
    first, second = kept("agentinstruct", save(tmp_path / "db.jsonl", AGENTINSTRUCT))
    assert [turn.agent for turn in first.turns] == ["assistant", "user", "assistant", "environment", "assistant"]
    assert (first.info["masked"], trained(first)) == ([0], [2, 4])
    assert first.info["unscored"] and first.score == 0.0
    assert second.turns[1].text == "Delete the caf\u00e9 \u2028 row."


def test_a_parquet_file_gives_equal_records(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(AGENTINSTRUCT), tmp_path / "db.parquet")
    assert kept("agentinstruct", tmp_path / "db.parquet") == kept(
        "agentinstruct", save(tmp_path / "db.jsonl", AGENTINSTRUCT)
    )


def test_nat_joins_questions_and_says_what_it_drops(tmp_path: Path) -> None:
    path, given = save(tmp_path / "nat.json", NAT), options("nat", tmp_path)
    found = list(read("nat", [path], **given))
    assert [item.reason for item in found if isinstance(item, Dropped)] == ["no turns", "no question"]
    first, second, third = (item for item in found if isinstance(item, Episode))
    assert (first.instance.question, first.instance.answers, first.score) == ("Is there a moon?", ("Yes",), 1.0)
    assert [first.key.instance, second.key.instance, third.key.instance] == ["q1", "q1#2", "q2"]
    assert [item.info["finished"] for item in (first, second, third)] == [True, True, False]
    reasons = [item.reason for item in read("nat", [path], finished=True, **given) if isinstance(item, Dropped)]
    assert reasons == ["unfinished", "no turns", "no question"]
    assert {item.reason for item in read("nat", [path]) if isinstance(item, Dropped)} == {"no turns", "no question"}


def test_nat_begins_with_the_prompt_asked_for(tmp_path: Path) -> None:
    prompts = {
        "aware": {
            "conversations": [
                {"role": "user", "content": "Solve it."},
                {"role": "assistant", "content": "Understood."},
            ],
            "correct_question_prompt": "{question} Rightly: {x}",
            "incorrect_question_prompt": "{question} Wrongly",
        },
        "list": [{"role": "user", "content": "x"}],
    }
    path, given = save(tmp_path / "nat.json", NAT[:2]), options("nat", tmp_path)
    given["prompts"] = str(save(tmp_path / "prompts.json", prompts))
    right, wrong = kept("nat", path, prompt="aware", **given)
    assert right.instance.question == "Solve it."
    assert [turn.text for turn in right.turns[:2]] == ["Understood.", "Is there a moon? Rightly: {x}"]
    assert wrong.turns[1].text == "Is there a moon? Wrongly"
    assert 0 in right.info["masked"] and list(write("nat", [right])) == NAT[:1]
    for name in ("list", "none"):
        with pytest.raises(DataError, match=f"has no prompt '{name}'"):
            list(read("nat", [path], prompt=name, **given))


def test_fireact_runs_are_taken_apart(tmp_path: Path) -> None:
    first, second, third, fourth = kept("fireact", save(tmp_path / "alpaca.json", ALPACA))
    assert [turn.agent for turn in first.turns] == ["assistant", "environment", "assistant", "environment"]
    assert first.turns[1].text == "Ann Lee wrote\nmuch of it."
    assert [item.score for item in (first, second, third, fourth)] == [1.0, 0.0, 1.0, 1.0]
    assert second.instance.question == "Question: Which is red?\nA. grass\nB. blood"
    assert second.turns[0].text == "Thought: Blood.\nAction: finish[B]"
    assert fourth.turns[0].text == "Thought: first"
    scored = kept("fireact", save(tmp_path / "trajs.json", TRAJS))
    for item in scored:
        for name, stated in item.info["stated"].items():
            assert METRICS[name].score(item.outcome.answer, item.instance.answers) == pytest.approx(stated, abs=0.2)
    assert [item.key.instance for item in scored] == ["trajs-77", "trajs-78"]


def test_toolbench_gives_its_longest_chat(tmp_path: Path) -> None:
    (item,) = kept("flan", save(tmp_path / "10_answer.json", TOOLBENCH))
    assert [turn.agent for turn in item.turns] == ["assistant", "environment", "assistant"]
    assert item.turns[0].text == "Action: look\nAction Input: {}"
    assert (item.outcome.answer, item.score) == ("It is here.", 1.0)
    assert [tool["name"] for tool in item.instance.meta["tools"]] == ["look", "Finish"]


def test_chat_keeps_system_tools_and_masks(tmp_path: Path) -> None:
    first, second, third = kept("chat", save(tmp_path / "rows.jsonl", CHAT))
    assert first.instance.question == "Hello there" and first.instance.meta["system"] == "Be brief."
    assert first.turns[0].text == 'Action: clock\nAction Input: {"zone": "UTC"}'
    assert (first.info["masked"], trained(first)) == ([2], [0, 4])
    assert second.instance.meta["system"] == "Be kind." and second.key.instance == "share_1"
    assert third.key.instance == "rows-2", "a row without an id is named by its place"


def test_adp_actions_are_read_in_the_one_grammar(tmp_path: Path) -> None:
    (item,) = kept("adp", save(tmp_path / "std.json", ADP))
    assert item.turns[0].text == "Thought: I count.\nAction: bash\n```bash\nls | wc -l\n```"
    assert item.turns[2].text == 'Action: note\nAction Input: {"n": "four"}'
    assert item.turns[3].text == "Thought: Done.\nThere are 4."


def test_ste_calls_are_graded_as_the_authors_do(tmp_path: Path) -> None:
    items = kept("ste", save(tmp_path / "results.json", STE))
    for item in items:
        stated = item.info["verdict"]
        assert {key: value for key, value in grade(item).items() if key in stated} == stated
    assert list(report(items)) == [("clock %%now", 1, 5)]
    assert items[0].instance.meta["system"].startswith("API_name")


def test_a_step_of_ohana_is_an_agents_turn(tmp_path: Path) -> None:
    scenario = optima_envs.scenario("twohop-asym", max_turns=4)
    episodes = rollout(scenario, make_policy("random"), episodes=5)
    rows: list[Any] = list(write("ohana", episodes))
    assert [len(row["steps"]) for row in rows] == [len(item.turns) for item in episodes]
    assert rows[0]["steps"][1]["input"].endswith(f"Alice: {episodes[0].turns[0].text}")
    (foreign,) = kept("ohana", save(tmp_path / "steps.json", STEPS))
    assert foreign.info["model"] == "some-model" and foreign.score == 0.5


LOSSLESS = [("ohana", ".json"), ("ohana", ".jsonl"), ("chat", ".jsonl"), ("adp", ".json"), ("adp", ".parquet"),
            ("optima", ".jsonl"), ("table", ".parquet"), ("table", ".jsonl")]  # fmt: skip


@pytest.mark.parametrize(("layout", "suffix"), LOSSLESS)
def test_every_record_of_ours_survives_a_lossless_layout(layout: str, suffix: str, tmp_path: Path) -> None:
    """Dialogues with private facts and sampled ids, failed ones, foreign ones, and ones that steps have changed."""
    scenario = optima_envs.scenario("twohop-asym", max_turns=4)
    own = list(rollout(scenario, make_policy("random"), episodes=20))
    ids = replace(own[0].turns[0], ids=(1, 2), prompt_ids=(3,), logprobs=(-0.5, -0.25))
    own[0] = replace(own[0], turns=(ids, *own[0].turns[1:]), reward=0.3, terms={"task": 1.0})
    own[1] = replace(own[1], error=optima_envs.ErrorInfo("timeout", "late \u2028 \x85"))
    own[2] = replace(own[2], turns=())
    foreign = kept("agentinstruct", save(tmp_path / "db.jsonl", AGENTINSTRUCT))
    foreign += kept("adp", save(tmp_path / "std.json", ADP))
    foreign.append(replace(foreign[0], info={**foreign[0].info, "rating": 4.0, "tags": {"2": "x"}}, score=0.5))
    episodes = [*own, *(item for item in foreign if suffix != ".parquet" or layout == "table")]
    assert layout in ("optima", "table") or getattr(WRITERS[layout], "carries", None)
    path = tmp_path / f"written{suffix}"
    assert write_file(path, write(layout, episodes)) == len(episodes)
    back = [replace(cast("Episode", item), info={k: v for k, v in cast("Episode", item).info.items() if k != "repeats"})
            for item in read("optima" if layout == "table" else layout, [path])]  # fmt: skip
    for one, other in zip(back, episodes, strict=True):
        named = replace(
            other,
            key=replace(other.key, instance=one.key.instance),
            instance=replace(other.instance, id=one.instance.id),
        )  # fmt: skip - the second record of an id is told apart when it is read
        assert one.to_json() == named.to_json()


def test_a_row_edited_by_hand_is_read_as_it_stands(tmp_path: Path) -> None:
    own = rollout(optima_envs.scenario("twohop-asym", max_turns=2), make_policy("random"), episodes=1)
    turn = replace(own[0].turns[0], ids=(1, 2))
    row: Any
    (row,) = write("chat", [replace(own[0], turns=(turn, *own[0].turns[1:]))])
    row["messages"][1]["content"] = "something else"
    (item,) = kept("chat", save(tmp_path / "edited.jsonl", [row]))
    assert item.turns[0].text == "something else" and item.turns[0].ids is None, "no ids of a text that is gone"


def test_a_plugin_reads_and_writes_without_loss(tmp_path: Path) -> None:
    from optima_envs import Turn
    from optima_train.trajectories import episode

    def reader(suffix: str = ""):
        return lambda row, at: episode("pairs", at.id, row["q"] + suffix, [Turn("assistant", row["a"])])

    def writer():
        return lambda item: {"q": item.instance.question, "a": item.turns[0].text}

    if "pairs" not in READERS:
        READERS.register("pairs", reader)
        WRITERS.register("pairs", writer)
    rows = [{"q": "one", "a": "1", "more": [1]}, {"q": "two"}, {"q": "three", "a": "3"}]
    path = save(tmp_path / "rows.jsonl", rows)
    found = list(read("pairs", [path]))
    assert found[1] == Dropped("rows.jsonl", 1, "", "KeyError: 'a'"), "what a plugin stumbles over is a dropped row"
    assert list(write("pairs", [item for item in found if isinstance(item, Episode)])) == [rows[0], rows[2]]
    assert cast("Episode", next(read("pairs", [path], suffix="?"))).instance.question == "one?"
    with pytest.raises(TypeError, match="reader pairs has no argument sufix; did you mean suffix"):
        next(read("pairs", [path], sufix="?"))
    with pytest.raises(KeyError, match="unknown reader 'pears'; did you mean pairs"):
        next(read("pears", [path]))


SAID = [{"from": "human", "value": "x"}, {"from": "gpt", "value": "y"}]
HOSTILE = [
    *(None, 7, "text", [], {}, [[]], {"conversations": 7}, {"conversations": [{}]}, {"messages": None}, {"steps": 7}),
    *({"instruction": 1, "output": 2}, {"conversation": {}}, {"content": [7]}, {"content": [{"class_": "x"}]}),
    *({"query": 1, "action": 2}, {"query": "x", "answers": "{"}, {"answer_generation": []}, {"traj": 7}),
    *({"id": {"a": 1}, "conversations": SAID}, {"schema": 1}, {"record": "[]"}, {"dialog_history": []}, {"prompt": 7}),
    {"user_query": "x", "steps": [7]},
]


@pytest.mark.parametrize("layout", sorted(READERS))
def test_hostile_rows_are_dropped_with_a_reason(layout: str, tmp_path: Path) -> None:
    deep: list = []
    for _ in range(400):
        deep = [deep]
    path = save(tmp_path / "rows.jsonl", [*HOSTILE, deep, {"conversations": deep, "messages": deep, "content": deep}])
    for number, item in enumerate(read(layout, [path])):
        if isinstance(item, Dropped):
            assert item.reason and item.file == "rows.jsonl" and 0 <= item.row <= number + 1
            assert not item.reason.startswith(("AttributeError", "IndexError")), item


@pytest.mark.parametrize("bad", [5, "abc", [99], [True], [-1], ["0"], {"a": 1}, [[1]], None])
def test_a_record_of_ours_that_masks_no_turn_of_its_own_is_a_dropped_row(tmp_path: Path, bad: object) -> None:
    sound = next(dialogues("twohop-asym", "arrows", 1)).to_json()
    rows = [{**sound, "info": {"masked": masked}} for masked in ([0], bad)]
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    kept, dropped = read("optima", [path])
    assert not isinstance(kept, Dropped) and isinstance(dropped, Dropped)
    assert dropped.reason == "masked is no list of numbers of its turns"
