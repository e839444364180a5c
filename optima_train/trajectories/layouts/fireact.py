"""FireAct in its three layouts: Alpaca rows whose ``output`` is the whole run as text, chat ``messages``, and
``trajs``, one object of runs with their scores. The last observation says the reward.

In some Alpaca rows the options of a question stand before the first thought, in the output: they are read as a part of
the question. A thought without an action stays a turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from optima_envs.records import Episode, Turn

from ..messages import fields, read_chat, spoken, text_id
from ..registry import Read, Where, Write
from ..transcript import AGENT, ENVIRONMENT, OTHERS, BadRow, episode, finite

_PART = re.compile(r"^(?:Thought|Action|Observation):", re.MULTILINE)
_REWARD = re.compile(r"Episode finished, reward = (\w+)")
_RUN = re.compile(r"### Instruction:\n(.*?)\n\n### Response:\n", re.DOTALL)
SEEN = "Observation: "
HEAD = "Below is an instruction that describes a task. Write a response that appropriately completes the request."


def reader() -> Read:
    def read(row: Any, at: Where) -> Episode:
        row = fields(row)
        if "traj" in row:
            return _scored(row, at)
        if "messages" in row:
            chat = read_chat(row["messages"], observing=True)
            return _made("messages", at, row, chat.question, chat.turns)
        question, run = (fields(row, "instruction", "output")[key] for key in ("instruction", "output"))
        if not isinstance(question, str) or not isinstance(run, str):
            raise BadRow("instruction and output must be text")
        spilled, turns = split_run(run)
        return _made("alpaca", at, row, f"{question}\n{spilled}" if spilled else question, turns)

    return read


setattr(reader, "keyed", True)  # noqa: B010 - a mark of the factory, see registry.py


def _scored(row: dict[str, Any], at: Where) -> Episode:
    run = row["traj"]
    if isinstance(run, str):
        head = _RUN.search(run)
        if head is None:
            raise BadRow("no instruction in the run's text")
        question, turns = head[1], split_run(run[head.end() :])[1]
        return _made("text", at, row, question, turns)
    chat = read_chat(run, observing=True)
    return _made("trajs", at, row, chat.question, chat.turns)


def _made(form: str, at: Where, row: dict[str, Any], question: str, turns: list[Turn]) -> Episode:
    said = _REWARD.search(turns[-1].text) if turns and turns[-1].agent in OTHERS else None
    reward = row.get("em", row.get("reward", said[1] if said else None))
    score = None if reward is None else {"True": 1.0, "False": 0.0}.get(str(reward))
    if reward is not None and score is None:
        score = finite(reward, "reward")
    gold, given = row.get("gt"), row.get("pred")
    terms = {name: finite(row[name], name) for name in ("em", "f1") if name in row}
    return episode(
        "fireact",
        text_id(row.get("id"), at),
        question,
        turns,
        answers=(gold,) if isinstance(gold, str) else (),
        answer=given if isinstance(given, str) else None,
        score=score,
        info={"form": form, **({"stated": terms} if terms else {})},
    )


def split_run(text: str) -> tuple[str, list[Turn]]:
    """(what stands before the first thought, the turns) of a run written as one text."""
    marks = [match.start() for match in _PART.finditer(text)]
    if not marks:
        return "", [Turn(AGENT, text)] if text.strip() else []
    turns: list[Turn] = []
    for start, end in zip(marks, [*marks[1:], len(text)], strict=True):
        part = text[start:end]
        if part.startswith("Observation:"):
            part = part.removeprefix("Observation:").removeprefix(" ")
            turns.append(Turn(ENVIRONMENT, part.removesuffix("\n")))
        elif turns and turns[-1].agent == AGENT:
            turns[-1] = Turn(AGENT, f"{turns[-1].text}\n{part.removesuffix(chr(10))}")
        else:
            turns.append(Turn(AGENT, part.removesuffix("\n")))
    return text[: marks[0]].removesuffix("\n"), turns


def joined(turns: tuple[Turn, ...]) -> Iterator[str]:
    for turn in turns:
        if turn.agent not in (AGENT, ENVIRONMENT):
            raise BadRow(f"a run is one agent's and its world's, here speaks {turn.agent}")
        yield SEEN + turn.text if turn.agent == ENVIRONMENT else turn.text


def writer(form: str = "alpaca") -> Write:
    """FireAct's Alpaca rows, chats or runs. ``form``: ``alpaca`` or ``messages``, for what its reader did not read."""

    def write(item: Episode) -> dict[str, Any]:
        kind, question = item.info.get("form", form), item.instance.question
        if kind == "alpaca":
            return {"instruction": question, "input": "", "output": "\n".join(joined(item.turns))}
        if kind == "text":
            run = f"{HEAD}\n\n### Instruction:\n{question}\n\n### Response:\n" + "\n".join(joined(item.turns))
            return {**_scores(item), "prompt": "", "traj": run, "traj_by_line": run.split("\n")}
        rows = [{**row, "role": "user" if row["role"] == "tool" else row["role"]} for row in spoken(item)]
        return {"messages": rows} if kind == "messages" else {**_scores(item), "prompt": [], "traj": rows}

    return write


def _scores(item: Episode) -> dict[str, Any]:
    stated = item.info.get("stated", {})
    scores = {"reward": item.correct, "em": item.correct, "f1": stated.get("f1", item.score)}
    answers = item.instance.answers
    return {**scores, "gt": answers[0] if answers else None, "pred": item.outcome.answer}
