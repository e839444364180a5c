"""One good row of every data set's layout."""

from __future__ import annotations

from typing import Any

from optima_envs.tasks.arc import ARC
from optima_envs.tasks.cbt import CBT
from optima_envs.tasks.gsm8k import GSM8K
from optima_envs.tasks.hendrycks import HendrycksMath
from optima_envs.tasks.hotpotqa import HotpotQA
from optima_envs.tasks.mmlu import MMLU
from optima_envs.tasks.triviaqa import TriviaQA
from optima_envs.tasks.twowiki import TwoWiki

TASKS = (HotpotQA, TwoWiki, TriviaQA, CBT, GSM8K, HendrycksMath, ARC, MMLU)

SUM = {"question": "1 + 1?", "answer": "Two.\n#### 2"}
HOP: dict[str, Any] = {
    "_id": "h1",
    "question": "Who?",
    "answer": "Ann",
    "context": [["T1", ["a.", "b."]], ["T2", ["c."]], ["T3", ["d."]]],
    "supporting_facts": [["T1", 0], ["T2", 0]],
}
STORY = {
    "sentences": [f"line {i} ." for i in range(20)],
    "question": "the XXXXX .",
    "answer": "cat",
    "options": ["cat", "dog"],
}
TRIVIA: dict[str, Any] = {
    "question": "Who?",
    "question_id": "tc_0",
    "answer": {"value": "Ann", "aliases": ["Anne"]},
    "search_results": {"description": ["Ann did", "Bob did not"], "title": ["A", "B"]},
    "entity_pages": {"wiki_context": [], "title": []},
}
QUIZ: dict[str, Any] = {
    "id": "q1",
    "question": "Which?",
    "choices": {"text": ["x", "y", "z"], "label": ["1", "2", "3"]},
    "answerKey": "2",
}
EXAM: dict[str, Any] = {"question": "Which?", "subject": "art", "choices": ["w", "x", "y", "z"], "answer": 3}
PROBLEM = {"problem": "1 + 1?", "solution": "It is $\\boxed{2}$.", "level": "Level 1", "type": "Algebra"}
