"""The shared samples of the authors' own files, counted: what is kept and dropped, masked and scored, to the row."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from support.foreign import native, sample

from optima_envs import Episode
from optima_envs.scoring.metrics import exact_match, squad_f1
from optima_train.trajectories import Dropped, Mixture, make_steps, read, run_steps, write
from optima_train.trajectories.acts import read_turn
from optima_train.trajectories.layouts.ste import grade, report
from optima_train.trajectories.steps.flan import answer_in, calls_of, converted
from optima_train.trajectories.transcript import trained

COPIES = ("os", "alfworld", "webshop", "kg", "mind2web", "db")


def both(layout: str, *names: str, **options) -> tuple[list[Episode], list[Dropped]]:
    found = list(read(layout, [sample(name) for name in names], **options))
    kept = [item for item in found if isinstance(item, Episode)]
    return kept, [item for item in found if isinstance(item, Dropped)]


def kept(layout: str, *names: str, **options) -> list[Episode]:
    found, dropped = both(layout, *names, **options)
    assert not dropped
    return found


def questions() -> str:
    return str(sample("nat/strategyqa_questions.jsonl"))


def spoken(items: list[Episode]) -> list[str]:
    return [turn.text for item in items for turn in item.turns if turn.agent == "assistant"]


def test_agentinstruct() -> None:
    items = kept("agentinstruct", "agenttuning/db.jsonl")
    speakers = Counter(turn.agent for item in items for turn in item.turns)
    assert len(items) == 54 and sum(len(trained(item)) for item in items) == 122
    assert sum(len(item.info.get("masked", ())) for item in items) == 54
    assert (speakers["user"], speakers["environment"]) == (54, 68), "tasks and observations, beside 54 instructions"
    rows = native(sample("agenttuning/db.jsonl"))
    for item, row in zip(items, rows, strict=True):
        flagged = [turn["value"] for turn in row["conversations"] if turn["loss"]]
        assert [item.turns[number].text for number in trained(item)] == flagged
    flags = [turn["loss"] for row in rows for turn in row["conversations"]]
    assert sum(flag is not None for flag in flags) == 176, "without the flags all of them would be learned"


def test_agentinstruct_in_parquet_and_in_another_copy() -> None:
    pytest.importorskip("pyarrow")
    parquet = kept("agentinstruct", "agenttuning/db-00000-of-00001.parquet")
    assert parquet == kept("agentinstruct", "agenttuning/db.jsonl")
    copies = kept("agentinstruct", *(f"agenttuning/adp_layout/{name}.json" for name in COPIES))
    assert len(copies) == 24 and {item.info["note"] for item in copies} == {"no loss flags"}


def test_eto_rewards_are_a_filter() -> None:
    items = kept("eto", "eto/webshop_sft.json")
    step = make_steps([{"keep": {"min_score": 1.0}}])
    found = list(run_steps(step, items))
    assert [item.reason for item in found if isinstance(item, Dropped)] == ["score below 1"]
    assert len(found) == 3
    assert len(kept("eto", *(f"eto/icl_examples/{name}_icl.json" for name in ("alfworld", "sciworld", "webshop")))) == 3


@pytest.mark.parametrize(
    ("name", "rows", "failures", "actions", "thoughtless", "actless"),
    [("multitask", 41, 2, 81, [35, 36], [39, 40]), ("hotpotqa", 31, 6, 80, [15], [])],
)
def test_fireact_runs(name: str, rows: int, failures: int, actions: int, thoughtless: list, actless: list) -> None:
    items = kept("fireact", f"fireact/alpaca_format/{name}_multimethod.json")
    assert len(items) == rows and sum(len(read_turn(text).acts) for text in spoken(items)) == actions
    found = list(run_steps(make_steps(["react", {"keep": {"min_score": 1.0}}]), items))
    assert sum(isinstance(item, Dropped) for item in found) == failures
    flags = {number: item.info["flags"] for number, item in enumerate(run_steps(make_steps(["react"]), items))
             if isinstance(item, Episode) and "flags" in item.info}  # fmt: skip
    inside = ["no thought", "thought inside the answer"]
    assert flags == {k: inside if name == "multitask" else ["no thought"] for k in thoughtless} | {
        k: ["no action"] for k in actless
    }


def test_fireact_chats_and_scored_runs() -> None:
    chats = kept("fireact", "fireact/gpt_format/hotpotqa_multimethod.jsonl")
    assert (len(chats), sum(item.correct for item in chats), len(spoken(chats))) == (30, 27, 94)
    scored = [kept("fireact", f"fireact/trajs/{name}.json") for name in ("ft_gpt-3.5-turbo", "lora_llama-2-7b")]
    assert [(len(items), sum(item.correct for item in items)) for items in scored] == [(30, 16), (12, 3)]
    agree = [
        exact_match(item.outcome.answer or "", item.instance.answers[0]) == item.info["stated"]["em"]
        and squad_f1(item.outcome.answer or "", item.instance.answers[0]) == pytest.approx(item.info["stated"]["f1"])
        for items in scored
        for item in items
    ]
    assert agree == [True] * 42


def test_nat_outcomes() -> None:
    right, dropped = both("nat", "nat/strategyqa_gpt-3.5_positive.json", questions=questions())
    assert (len(right), dropped) == (30, [])
    wrong, dropped = both("nat", "nat/strategyqa_gpt-3.5_negative.json", questions=questions())
    assert len(wrong) == 25 and Counter(item.reason for item in dropped) == {"no turns": 7, "no question": 1}
    assert {item.row for item in dropped} == {22, 23, 25, 26, 29, 30, 31, 32}
    assert sum(item.info["finished"] for item in wrong) == 23
    steps = make_steps([{"keep": {"finished": True}}])
    assert [item.reason for item in run_steps(steps, wrong) if isinstance(item, Dropped)] == ["unfinished"] * 2


ROUND_TRIPS = {
    "agentinstruct": ["agenttuning/db.jsonl", *(f"agenttuning/adp_layout/{name}.json" for name in COPIES)],
    "nat": ["nat/strategyqa_gpt-3.5_positive.json", "nat/strategyqa_gpt-3.5_negative.json"],
    "fireact": [
        "fireact/gpt_format/hotpotqa_multimethod.jsonl",
        "fireact/alpaca_format/multitask_multimethod.json",
        "fireact/alpaca_format/hotpotqa_multimethod.json",
        "fireact/trajs/ft_gpt-3.5-turbo.json",
        "fireact/trajs/lora_llama-2-7b.json",
    ],
    "eto": ["eto/webshop_sft.json", *(f"eto/icl_examples/{name}_icl.json" for name in ("alfworld", "sciworld"))],
    "lumos": [
        "lumos/lumos_complex_qa_plan_onetime.jsonl",
        "lumos/annotation_exemplars.jsonl",
        *(f"lumos/derived/lumos_maths_{m}_{f}.jsonl" for m in ("plan", "ground") for f in ("onetime", "iterative")),
    ],
    "ohana": ["xlam/actionstudio_messages.json", "xlam/xlam_function_calling_60k.json"],
    "chat": ["agenttuning/db.jsonl", "xlam/actionstudio_messages.json"],
    "ste": ["ste/flan_v2_2k.json"],
}
COUNTS = {"agentinstruct": 78, "nat": 55, "fireact": 144, "eto": 5, "lumos": 38, "ohana": 3, "chat": 56, "ste": 30}


@pytest.mark.parametrize("layout", ROUND_TRIPS)
def test_native_rows_come_back_equal(layout: str) -> None:
    total = 0
    for name in ROUND_TRIPS[layout]:
        items, dropped = both(layout, name, **({"questions": questions()} if layout == "nat" else {}))
        left_out = {item.row for item in dropped}
        rows = [row for number, row in enumerate(native(sample(name))) if number not in left_out]
        texts = [json.dumps(row, sort_keys=True) for row in write(layout, items)]
        assert texts == [json.dumps(row, sort_keys=True) for row in rows], name
        total += len(rows)
    assert total == COUNTS[layout]


def test_debategpt_prompts() -> None:
    items = kept("debategpt", "debategpt/5k_alpaca_ft.csv")
    assert len(items) == 70 and items[45].key.instance == "103", "the index is the id"
    assert [item.key.instance for item in items if "flags" in item.info] == ["404", "493", "950", "1098"]


def toolbench() -> list[Episode]:
    return kept("flan", *(f"toolbench/answer/G1_answer/{k}_ChatGPT_DFS_woFilter_w2.json" for k in (10, 11)))


def test_flan_runs_as_talk() -> None:
    runs = [*kept("agentinstruct", "agenttuning/db.jsonl"), *toolbench()]
    talks = [converted(item) for item in runs]
    assert sum(calls_of(run) == calls_of(talk) for run, talk in zip(runs, talks, strict=True)) == 56
    answers = [(answer_in(run), answer_in(talk)) for run, talk in zip(runs, talks, strict=True)]
    assert sum(run == talk for run, talk in answers) == 56
    assert sum(talk is not None for _, talk in answers) == 54, "two rows end without an answer"
    texts = [text for item in talks for text in [item.instance.question, *(turn.text for turn in item.turns)]]
    assert not [text for text in texts for label in ("Action:", "Act:", '"Action Input"') if label in text]
    mixed = list(run_steps(make_steps([{"chat": {"format_share": 0.1, "seed": 5}}]), runs))
    assert len(mixed) == 56
    plain = [item for item in mixed if isinstance(item, Episode) and "form_kept" in item.info]
    assert len(plain) == 6 and all(item.turns in [run.turns for run in runs] for item in plain)


def test_flan_capabilities_are_weighed_to_the_turn() -> None:
    runs = [*kept("agentinstruct", "agenttuning/db.jsonl"), *toolbench()]
    weights = {"reasoning": 1.0, "retrieval": 0.25, "understanding": 0.75, "instruction": 0.75}
    found = list(run_steps(make_steps([{"chat": {"format_share": 0.0}}, {"tags": {"weights": weights}}]), runs))
    tags = [(item.info["tags"].get(str(k)), k in trained(item)) for item in found if isinstance(item, Episode)
            for k in range(len(item.turns))]  # fmt: skip
    for tag, weight in weights.items():
        all_of_it = sum(name == tag for name, _ in tags)
        assert abs(sum(learned for name, learned in tags if name == tag) - weight * all_of_it) < 1


SLIPS = ["siteDomain%%language list", "NumbersToLetters%%Convertir cantidad a letra Moneda MXN Ingles"]
SEVERAL_RIGHT = ["GamerPower%%Live giveaways by type", "Stadia Maps Time Zone API%%TZ Lookup by Location"]


def test_ste_verdicts() -> None:
    first = json.loads(sample("ste/tool_metadata/CL_batches.json").read_text())[0]
    expected = {"mistral_FT": (48, 36), "CL_round_0": (24, 17), "CL_round_1": (32, 23), "CL_round_1_no_replay": (32, 8)}
    firsts = {}
    for name, (calls, correct) in expected.items():
        items = kept("ste", f"ste/saved_results/{name}.json")
        agree = 0
        for item in items:
            verdict = grade(item)
            stated = item.info["verdict"]
            agree += all(verdict.get(key) == stated.get(key) for key in ("no_call", "err", "api_match"))
            if stated.get("api_match") and "chatgpt_args_jud" not in stated:
                differs = verdict["args_correct"] - stated["args_correct"]
                # equal arguments called wrong are the authors' slips; some tools have several right arguments
                known = {0: [item.info["tool"]], 1: SLIPS, -1: SEVERAL_RIGHT}[differs]
                assert item.info["tool"] in known
        rows = list(report(items))
        assert (agree, sum(right for _, right, _ in rows)) == (calls, correct) and len(items) == calls
        firsts[name] = sum(right for tool, right, _ in rows if tool in first)
    assert (firsts["CL_round_1"], firsts["CL_round_1_no_replay"]) == (16, 1)


def test_three_sources_are_drawn_to_the_row() -> None:
    nat = [sample(f"nat/strategyqa_gpt-3.5_{kind}.json") for kind in ("positive", "negative")]
    runs = kept("fireact", *(f"fireact/alpaca_format/{name}_multimethod.json" for name in ("multitask", "hotpotqa")))
    steps = make_steps([{"keep": {"min_score": 1.0}}])
    sizes = {
        "agentinstruct": len(kept("agentinstruct", "agenttuning/db.jsonl")),
        "nat": sum(isinstance(item, Episode) for item in read("nat", nat, questions=questions())),
        "fireact": sum(isinstance(item, Episode) for item in run_steps(steps, runs)),
    }
    assert sizes == {"agentinstruct": 54, "nat": 55, "fireact": 64}
    mixture = Mixture(sizes, {"agentinstruct": 0.5, "nat": 0.3, "fireact": 0.2}, seed=4)
    assert Counter(draw.source for draw in mixture.draws(5000)) == {"agentinstruct": 2500, "nat": 1500, "fireact": 1000}
    assert mixture.repeats(5000) == {"agentinstruct": 2446, "nat": 1445, "fireact": 936}
