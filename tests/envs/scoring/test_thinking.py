"""Thinking is cut out in the tags and channels that models use, closed or cut, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optima_envs.scoring import thinking
from optima_envs.scoring.answer_format import TAG
from optima_envs.scoring.thinking import visible

THOUGHT, SAID = "<A>London</A>", "<A>Paris</A>"
MARKS = [
    ("<think>", "</think>"),
    ("<THINK>", "</Think>"),
    ("<think >", "</think >"),
    ("< think>", "</ think>"),
    ("<think id=1>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<think>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<thoughts>", "</thoughts>"),
    ("<inner_thoughts>", "</inner_thoughts>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ("<thinking_process>", "</thinking_process>"),
    ("<reasoning>", "</reasoning>"),
    ("<analysis>", "</analysis>"),
    ("<reason>", "</reason>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<scratch_pad>", "</scratch_pad>"),
    ("<reflection>", "</reflection>"),
    ("<cot>", "</cot>"),
    ("<seed:think>", "</seed:think>"),
    ("<mm:think>", "</mm:think>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<think_never_used_51bce0c7>", "</think_never_used_51bce0c7>"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    ("[THINK]", "[/THINK]"),
    ("<|think|>", "<|/think|>"),
    ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel|>commentary to=functions.add <|constrain|>json<|message|>", "<|call|>"),
    ("<|channel>thought\n", "<channel|>"),
    ("analysisHm ", "assistantfinal"),
]


@pytest.mark.parametrize(("opening", "closing"), MARKS)
def test_no_answer_is_found_in_thinking(opening: str, closing: str) -> None:
    assert TAG.find(f"{opening}{THOUGHT}{closing}{SAID}") == "Paris"
    assert TAG.find(f"{opening}{THOUGHT}{closing} not sure") is None
    assert TAG.find(f"{opening}{THOUGHT}") is None, "cut before its end"
    if not opening.startswith("analysis"):
        assert TAG.find(f"{SAID} {opening}{THOUGHT}{closing}") in ("Paris", None if "final" in closing else "Paris")


@pytest.mark.parametrize("closing", [mark for _, mark in MARKS if mark not in ("<|call|>", "assistantfinal")])
def test_what_stands_before_a_mark_that_nothing_opened_is_thinking(closing: str) -> None:
    assert TAG.find(f"{THOUGHT}{closing}{SAID}") == "Paris"


def test_a_text_may_begin_inside_the_thinking_its_prompt_opened() -> None:
    assert TAG.find(f"Maybe {THOUGHT}, but let me check", opened=True) is None
    assert TAG.find(f"Maybe {THOUGHT}</think>{SAID}", opened=True) == "Paris"
    assert visible("all of it", opened=True) == ""


@pytest.mark.parametrize(
    "text",
    [
        "I think <A>Paris</A>",
        "<no_think> <A>Paris</A>",
        "[thinking aloud] <A>Paris</A>",
        "analysis of it: <A>Paris</A>",
        "Analysis\n<A>Paris</A>",
        "<answer><A>Paris</A></answer>",
        "<A>Paris</A><|end|>",
        "<thinker><A>Paris</A>",
        "reasoning: <A>Paris</A>",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert TAG.find(text) == "Paris"


def test_one_kind_of_thinking_inside_another_does_not_end_it() -> None:
    assert TAG.find(f"<think>a <reasoning>b</reasoning> {THOUGHT}</think> {SAID}") == "Paris"
    assert TAG.find(f"<think>a </reasoning> {THOUGHT}") is None


@given(st.text("<>/think[]|\u25c1\u25b7 anlysifm_:", max_size=80))
def test_text_without_marks_comes_back_and_nothing_is_added(text: str) -> None:
    assert set(visible(text)) <= set(text) | {" "}


@pytest.mark.parametrize(
    "piece", ["<think", "<", "<|channel|>analysis ", "<think x", "[", "</think>", "<|channel|>final", "<a_", "analysis"]
)
def test_five_megabytes_are_read_in_one_pass(piece: str) -> None:
    visible(piece * (5_000_000 // len(piece)))


@given(st.from_regex(thinking._MARK))
def test_every_mark_holds_one_of_the_roots_that_are_looked_for_first(text: str):
    mark = thinking._MARK.search(text)
    assert mark and any(root in mark[0].lower() for root in thinking._ROOTS)
    assert thinking._HINT.search(text)
