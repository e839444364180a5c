"""Agent-FLAN: runs as talk, weights of capabilities, and negatives."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.acting import play, record, script, sql
from support.foreign import TOOLBENCH, sample, save
from support.foreign_runs import AGENTINSTRUCT
from support.steps import go, made, reasons

from optima_envs import Episode, EpisodeKey, Outcome, Turn, scenario
from optima_train.tiny.dialogues import dialogues
from optima_train.trajectories import read
from optima_train.trajectories.acts import read_turn
from optima_train.trajectories.rows import Tokeniser, as_transcript
from optima_train.trajectories.steps.flan import WEIGHTS, answer_in, calls_of, labelled
from optima_train.trajectories.steps.negatives import ABSENT, IDLE
from optima_train.trajectories.transcript import trained


def runs(tmp_path: Path) -> list[Episode]:
    found = [*read("agentinstruct", [save(tmp_path / "db.jsonl", AGENTINSTRUCT)])]
    return [*found, *read("flan", [save(tmp_path / "tb.json", TOOLBENCH)])]  # type: ignore[list-item]


def test_chat_keeps_calls_and_answers_and_loses_the_format(tmp_path: Path) -> None:
    items = runs(tmp_path)
    talks = go([{"chat": {"format_share": 0.0}}], items)
    for run, talk in zip(items, talks, strict=True):
        assert calls_of(run) == calls_of(talk) and answer_in(run) == answer_in(talk)
        texts = [talk.instance.question, *(turn.text for turn in talk.turns)]
        assert not [text for text in texts if "Action:" in text or "Action Input" in text]
        assert all(talk.info["tags"][str(k)] for k in trained(talk))
    assert [calls_of(item) for item in items] == [
        [("Operation", "SELECT COUNT(*) FROM pets")],
        [("Operation", "DELETE FROM cafes")],
        [("look", "{}")],
    ]
    assert [answer_in(item) for item in talks] == ['["3"]', None, "It is here."]
    assert 0 not in trained(talks[0]), "what carried no loss carries none"


def test_our_own_dialogues_with_tools_become_talk_and_rows(random_model: Path, tmp_path: Path) -> None:
    game = scenario("twohop-search")
    lines = ["search[a thing]", "search[another]", "Final Answer: x"]
    inst = game.task[0]
    turns, outcome = play(game.rules, inst, script({"actor": lines}))
    run = Episode(EpisodeKey(inst.id), game.id, inst, turns, outcome, 1.0, True)
    (talk,) = go([{"chat": {"format_share": 0.0}}], [run])
    assert calls_of(talk) == [("search", "a thing"), ("search", "another")]
    assert answer_in(talk) == "x" and (talk.score, talk.outcome.answer) == (1.0, "x")
    replies = [turn.text for turn in run.turns if turn.agent == "environment"]
    assert [turn.text for turn in talk.turns if turn.agent == "environment"] == replies
    assert sum(sum(row.completion_mask) for row in Tokeniser(str(random_model)).rows(talk)) > 0
    rows = scenario("dbbench-sql", data=save(tmp_path / "rows.jsonl", [record("SELECT", ["43"], "How many?")]))
    inst = rows.task[0]
    turns, outcome = play(rows.rules, inst, script({"actor": [sql("SELECT 1"), "<A>43</A>"]}))
    (talk,) = go([{"chat": {"format_share": 0.0}}], [Episode(EpisodeKey(inst.id), rows.id, inst, turns, outcome)])
    assert calls_of(talk) == [("sql", "SELECT 1")]
    several = next(dialogues("twohop-asym", "arrows", 1))
    found = go([{"chat": {"format_share": 0.0}}], [several])
    assert [reason for reason in reasons(found) if "no tools" in reason]


@pytest.mark.parametrize(
    ("text", "calls", "answer"),
    [
        ("I look.\nsearch[a thing]", [("search", "a thing")], None),
        ("I look.\n- `search[a thing]`", [("search", "a thing")], None),
        ("I look.\nAction: search[a thing]", [("search", "a thing")], None),
        ('I look.\nAction: search\nAction Input: {"query": "a"}', [("search", '{"query": "a"}')], None),
        ("I look.\nfinish[x]", [], "x"),
        ('I look.\nsearch[a [thing]\nAction: search\nAction Input: {"q": "né"}',
         [("search", "a [thing"), ("search", '{"q": "né"}')], None),
        ("I look.\n<A>x</A>", [], "x"),
        ("I look.\n&lt;A&gt; x &lt;/A&gt;", [], "x"),
        ("I look.\n<A>one\ntwo</A>", [], "one\ntwo"),
        ('I look.\nAction: finish\nAction Input: {"answer": "né"}', [], "né"),
        ("I look.\nFinal Answer: x", [], "x"),
        ("I look.\n```sql\nSELECT ids[1]\nFROM t\n```", [("sql", "SELECT ids[1]\nFROM t")], None),
        ("I look.\nsearch[cut", [], None),
    ],
)  # fmt: skip
def test_own_actions_in_every_form_of_the_grammar_are_labelled(
    text: str, calls: list[tuple[str, str]], answer: str | None
) -> None:
    said = labelled(text, {"search", "sql"}, "tag")
    run = made(0, said)
    assert (calls_of(run), answer_in(run)) == (calls, answer)
    assert read_turn(said).thought == ("I look." if calls or answer else text), "nothing of a form is left in the prose"


def test_a_boxed_answer_leaves_nothing_in_the_prose() -> None:
    said = labelled("I count.\nSo it is $\\boxed{7}$.", set(), "boxed")
    assert answer_in(made(0, said)) == "7" and "boxed" not in said


def test_a_retold_dialogue_keeps_its_key_and_what_carries_no_loss() -> None:
    game = scenario("twohop-search")
    inst = game.task[0]
    turns, outcome = play(game.rules, inst, script({"actor": ["search[a thing]", "search[more]", "Final Answer: x"]}))
    own = [number for number, turn in enumerate(turns) if turn.agent != "environment"]
    key = EpisodeKey(inst.id, 3, 7)
    run = Episode(key, game.id, inst, turns, outcome, 1.0, True, info={"masked": [own[0]]})
    told = as_transcript(run)
    assert told.key == key and trained(told) == own[1:]
    (trial,) = go(["explored"], [run])
    assert trial.key == key
    hidden = trial.turns[trial.info["masked"][0]]
    assert hidden.text == turns[own[0]].text


@pytest.mark.parametrize(
    ("share", "count", "wanted"), [(0.1, 56, 6), (0.5, 5, 3), (0.0, 9, 0), (1.0, 9, 9), (0.1, 3000, 300)]
)
def test_the_share_that_keeps_its_format_is_exact_and_seeded(share: float, count: int, wanted: int) -> None:
    items = [made(k, "Action: look[x]") for k in range(count)]

    def chosen(seed: int) -> list[str]:
        found = go([{"chat": {"format_share": share, "seed": seed}}], items)
        return [item.key.instance for item in found if "form_kept" in item.info]

    assert len(chosen(1)) == wanted and chosen(1) == chosen(1)
    assert wanted in (0, count) or len({tuple(chosen(seed)) for seed in range(8)}) > 1


def test_tags_weigh_turns_exactly_and_drop_what_is_left_empty() -> None:
    text = "Thought: t\nAction: look\nAction Input: {}"
    found = go([{"chat": {"format_share": 0.0}}, "tags"], [made(k, text) for k in range(40)])
    learned = Counter(item.info["tags"][str(k)] for item in found for k in trained(item))
    assert learned == {tag: 40 * WEIGHTS[tag] for tag in ("reasoning", "retrieval", "understanding")}
    none = go(
        [{"chat": {"format_share": 0.0}}, {"tags": {"weights": {"reasoning": 0.5}}}], [made(k, "x") for k in range(4)]
    )
    assert reasons(none) == {"no turn with a loss is left": 2}


def test_negatives_are_labelled_and_call_nothing(tmp_path: Path) -> None:
    found = go(["negatives"], [*runs(tmp_path), made(0, "just talk")])
    kinds = Counter(item.info.get("negative") for item in found)
    assert kinds == {None: 4, ABSENT: 3, IDLE: 3}
    for item in found:
        if item.info.get("negative"):
            assert not calls_of(item) and len(trained(item)) == 1
            assert bool(item.instance.meta.get("tools")) == (item.info["negative"] == IDLE)
    absent = next(item for item in found if item.info.get("negative") == ABSENT)
    assert absent.instance.question == "How many rows has the table pets?", "the task, not the instruction to act"
    assert sum("negative" in item.info for item in go([{"negatives": {"share": 0.5}}], runs(tmp_path))) == 4
    assert [item.to_json() for item in go(["negatives"], runs(tmp_path))] == [
        item.to_json() for item in go(["negatives"], runs(tmp_path))
    ]


@pytest.mark.parametrize("env", ["twohop-search", "dbbench-sql"])
def test_negatives_of_every_instance_of_our_tool_environments(tmp_path: Path, env: str) -> None:
    """T4 c, on look-alikes: a tool is needed and none offered; tools are offered and somebody only talks."""
    rows = [record("SELECT", ["43"], f"How many crates of cod, day {k}?") for k in range(4)]
    data = save(tmp_path / "rows.jsonl", rows) if env == "dbbench-sql" else None
    game = scenario(env, data=data) if data else scenario(env)
    lines = ["search[x]", sql("SELECT 1"), "<A>x</A>"]
    runs = []
    for inst in map(game.task.__getitem__, range(4)):
        turns, outcome = play(game.rules, inst, script({"actor": lines}))
        runs.append(Episode(EpisodeKey(inst.id), game.id, inst, turns, outcome))
    found = go(["negatives"], runs)
    assert Counter(item.info.get("negative") for item in found) == {None: 4, ABSENT: 4, IDLE: 4}
    by_kind = {kind: [item for item in found if item.info.get("negative") == kind] for kind in (ABSENT, IDLE)}
    for absent, idle, run in zip(by_kind[ABSENT], by_kind[IDLE], runs, strict=True):
        assert run.instance.question in absent.instance.question
        assert "system" not in absent.instance.meta and "tools" not in absent.instance.meta
        assert idle.instance.question not in run.instance.question
        names = [tool["function"]["name"] for tool in idle.instance.meta["tools"]]
        assert names == (["sql"] if env == "dbbench-sql" else ["search", "lookup"])
        assert all(name in idle.instance.meta["system"] for name in names)
    plain = next(dialogues("twohop-asym", "arrows", 1))
    assert go(["negatives"], [plain]) == [plain], "without tools there is no mistake to make"


def test_negatives_of_real_records() -> None:
    """T4 c on the shared records."""
    game = scenario("dbbench-sql", data=sample("agentbench/dbbench_standard.jsonl"))
    runs = [Episode(EpisodeKey(i.id), game.id, i, (Turn("Alice", "x"),), Outcome("max_turns")) for i in game.task]
    kinds = Counter(item.info.get("negative") for item in go(["negatives"], runs))
    assert runs and kinds == {None: len(runs), ABSENT: len(runs), IDLE: len(runs)}
