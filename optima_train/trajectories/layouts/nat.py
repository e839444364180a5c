"""NAT, learning from failure: ``{conversations: [{role, content, loss}], info: {reward, acc, gt, pred}, id, source}``.

The question is not in the row: ``questions`` is a file of ``{id, question}`` rows to join by id. With ``prompts``, a
file of theirs, and the name of one ``prompt`` in it, the conversation begins with that instruction, and where the
prompt differs by outcome the one of this row's outcome is taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optima_envs.records import Episode, Turn
from optima_envs.tasks.loading import DataError

from ..files import Broken, entries
from ..messages import fields, read_chat, spoken, text_id
from ..registry import Read, Where, Write, row_id
from ..transcript import BadRow, episode, finite
from .agentinstruct import losses


def reader(
    questions: str | None = None, prompts: str | None = None, prompt: str = "zero-shot", finished: bool = False
) -> Read:
    """NAT, learning from failure: runs with their outcome; ``questions``, ``prompts`` and ``prompt`` as above.

    ``finished``: rows that do not end in an answer are dropped.
    """
    known = _questions(Path(questions)) if questions else {}
    opening = _prompt(Path(prompts), prompt) if prompts else None

    def read(row: Any, at: Where) -> Episode:
        rows = fields(row, "conversations")["conversations"]
        if rows == []:
            raise BadRow("no turns")
        name = text_id(row.get("id"), at)
        question = known.get(name) or row.get("question")
        if not isinstance(question, str) or not question.strip():
            raise BadRow("no question")
        told = row.get("info")
        told = told if isinstance(told, dict) else {}
        done = told.get("pred") is not None
        if finished and not done:
            raise BadRow("unfinished")
        reward = told.get("reward")
        score = None if reward is None else finite(reward, "info.reward")
        chat = read_chat(rows, question=question, observing=True)
        info: dict[str, Any] = {"finished": done}
        turns, masked = chat.turns, chat.masked
        if opening is not None:
            given, asked = opening
            first, *rest = [*given, Turn("user", asked(question, score))]
            question, turns = first.text, [*rest, *turns]
            masked = [k for k, turn in enumerate(rest) if turn.agent == "assistant"] + [k + len(rest) for k in masked]
            info["given"] = len(rest)
        gold = _answer(told.get("gt"))
        return episode(
            "nat",
            name,
            question,
            turns,
            masked=masked,
            answers=() if gold is None else (gold,),
            answer=_answer(told.get("pred")),
            score=score,
            info=info,
        )

    return read


def writer() -> Write:
    def write(item: Episode) -> dict[str, Any]:
        rows = spoken(item)
        for row in rows:
            row["role"] = "user" if row["role"] == "tool" else row["role"]
        rows = [{**row, "loss": loss} for row, loss in zip(rows, losses(item, len(rows), False), strict=True)]
        begin = len(rows) - len(item.turns) + item.info.get("given", 0)
        told = {} if item.info.get("unscored") else {"reward": item.correct, "acc": item.correct}
        return {"id": row_id(item), "conversations": rows[begin:], "info": told}

    return write


def _answer(value: Any) -> str | None:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return None if value is None else str(value)


def _questions(path: Path) -> dict[str, str]:
    found = {}
    for entry in entries(path):
        row = None if isinstance(entry, Broken) else entry.value
        if isinstance(row, dict) and isinstance(row.get("question"), str):
            found[str(row.get("id"))] = row["question"]
    if not found:
        raise DataError(f"{path} holds no row with an id and a question")
    return found


def _prompt(path: Path, name: str) -> tuple[list[Turn], Any]:
    (entry,) = entries(path)
    known = {} if isinstance(entry, Broken) or not isinstance(entry.value, dict) else entry.value
    form = known.get(name)
    if not isinstance(form, dict):
        usable = ", ".join(key for key, value in known.items() if isinstance(value, dict))
        raise DataError(f"{path} has no prompt {name!r} that says how to ask; it has {usable or 'none'}")
    chat = read_chat(form.get("conversations", []))
    given = ([Turn("user", chat.question)] if chat.question else []) + chat.turns
    plain = form.get("question_prompt")
    right, wrong = form.get("correct_question_prompt", plain), form.get("incorrect_question_prompt", plain)
    if not isinstance(right, str) or not isinstance(wrong, str):
        raise DataError(f"{path}: prompt {name!r} has no question_prompt")

    def asked(question: str, score: float | None) -> str:
        return (right if score is None or score >= 1 else wrong).replace("{question}", question)

    return given, asked
