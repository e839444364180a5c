"""Small files in the form of the eight data sets, each question its own, so that environments open without the hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def hop(k: int) -> dict[str, Any]:
    context = [[f"Page {k}-{n}", [f"Person {k} met guide {n}.", "It rained."]] for n in range(4)]
    return {
        "_id": f"hop-{k}",
        "question": f"Whom did person {k} meet?",
        "answer": f"guide {k % 4}",
        "context": context,
        "supporting_facts": [[context[0][0], 0], [context[1][0], 0]],
        "type": "comparison",
        "level": "easy",
        "evidences": [],
    }


def trivia(k: int) -> dict[str, Any]:
    return {
        "question": f"What is written in book {k}?",
        "question_id": f"tc_{k}",
        "answer": {"value": f"verse {k}", "aliases": [f"the verse {k}"]},
        "search_results": {"description": [f"verse {k} it is", "nothing here"], "title": ["One", "Two"]},
        "entity_pages": {"wiki_context": [], "title": []},
    }


def cloze(k: int) -> dict[str, Any]:
    lines = [f"line {i} of tale {k} ." for i in range(20)]
    return {"sentences": lines, "question": f"in tale {k} came the XXXXX .", "answer": "fox", "options": ["fox", "hen"]}


def quiz(k: int) -> dict[str, Any]:
    choices = {"text": ["red", "blue", "grey"], "label": ["A", "B", "C"]}
    return {"id": f"quiz-{k}", "question": f"Which colour is number {k}?", "choices": choices, "answerKey": "B"}


def exam(k: int) -> dict[str, Any]:
    return {"question": f"Which letter is number {k}?", "subject": "art", "choices": ["w", "x", "y", "z"], "answer": 3}


def sums(k: int) -> dict[str, Any]:
    return {"question": f"What is {k} + 1?", "answer": f"One more.\n#### {k + 1}"}


def problem(k: int) -> dict[str, Any]:
    solution = f"It is $\\boxed{{{k + 1}}}$."
    return {"problem": f"What is ${k} + 1$?", "solution": solution, "level": "Level 1", "type": "Algebra"}


ROWS = {
    "hotpotqa-asym": hop,
    "2wmh-asym": hop,
    "triviaqa-asym": trivia,
    "cbt-asym": cloze,
    "gsm8k-debate": sums,
    "math-debate": problem,
    "arc-debate": quiz,
    "mmlu-debate": exam,
}


def write_lookalike(folder: Path, env: str, rows: int = 8) -> Path:
    """A file of ``rows`` rows that the environment reads."""
    path = folder / f"{env}.jsonl"
    path.write_text("".join(json.dumps(ROWS[env](k)) + "\n" for k in range(rows)), encoding="utf-8")
    return path
