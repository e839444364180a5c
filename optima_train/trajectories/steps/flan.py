"""Steps of Agent-FLAN: ``chat`` turns runs of any format into ordinary talk, ``tags`` weighs what the talk trains.

In the converted share every field of a turn is asked for by a short question and answered alone, so that reasoning is
learned apart from a format; a small share stays as it is, so that the format is known too. Each answer is tagged by the
capability it needs.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from optima_envs.records import Episode, Turn
from optima_envs.tools.grammar import FINISH, Place, scan

from ..acts import Act, answer_of, call_text, final, read_turn
from ..exploring import tools_of
from ..rows import as_transcript, rules_of
from ..transcript import AGENT, OTHERS, USER, BadRow, Dropped, imported, retold, trained

REASONING, RETRIEVAL, UNDERSTANDING, INSTRUCTION = "reasoning", "retrieval", "understanding", "instruction"
WEIGHTS = {REASONING: 1.0, RETRIEVAL: 0.25, UNDERSTANDING: 0.75, INSTRUCTION: 0.75}
"""Agent-FLAN's, as remembered: less of the data hurts most for reasoning, then for understanding."""
ASK_TOOL, ASK_INPUT, ASK_ANSWER = "What do you use next?", "What do you give it?", "What is your final answer?"
BLOCK = 1024
MARKS = " \t\n*_>`-"  # what markup leaves of itself around an action
_MENTION = re.compile(
    r"[\"'`*]{0,3}\b(?:Action[ _]Input|Action|Act|Observation|Final Answer)\b[\"'`*]{0,3}[ \t]{0,8}:[ \t]?"
    r"|[\"'`]Action[ _]Input[\"'`]",
    re.IGNORECASE,
)

Whole = Callable[[Iterator[Episode]], Iterator[Episode | Dropped]]


def chat(format_share: float = 0.1, seed: int = 0) -> Whole:
    """Convert all but ``format_share`` of the runs, exactly (to the nearest one), drawn by ``seed`` within blocks of
    1024. Our own dialogues with tools are runs too; those of several agents are dropped. Raises ValueError for a share
    outside [0, 1]."""
    if not 0 <= format_share <= 1:
        raise ValueError(f"format_share is a share from 0 to 1, not {format_share}")

    def step(items: Iterator[Episode]) -> Iterator[Episode | Dropped]:
        rng = random.Random(f"chat/{seed}")
        before = 0
        while block := list(islice(items, BLOCK)):
            wanted = due(before + len(block), format_share) - due(before, format_share)
            kept = set(rng.sample(range(len(block)), wanted))
            for place, item in enumerate(block):
                if place in kept:
                    yield replace(item, info={**item.info, "form_kept": True})
                    continue
                try:
                    yield converted(item if imported(item) else own_run(item))
                except ValueError as err:
                    yield Dropped("", 0, item.instance.id, str(err))
            before += len(block)

    setattr(step, "whole", True)  # noqa: B010 - it sees the stream, see pipeline.py
    return step


def due(count: int, share: float) -> int:
    """How many of the first ``count`` a share is, to the nearest one."""
    return int(count * share + 0.5)


def own_run(item: Episode) -> Episode:
    """A dialogue of ours as a run, its actions behind labels, as the grammar reads them. Raises ValueError for one of
    several agents, or without tools."""
    rules: Any = rules_of(item)  # tools_of refuses all but those of an agent with tools
    names = {name.casefold() for name in tools_of(rules, item.instance.meta)}
    run = as_transcript(item)
    label = lambda text: labelled(text, names, rules.answer_format)  # noqa: E731
    turns = [turn if turn.agent in OTHERS else replace(turn, text=label(turn.text)) for turn in run.turns]
    return replace(run, turns=tuple(turns))


def labelled(text: str, names: set[str], answer_format: str) -> str:
    """A turn with its prose first and each well-formed action of the world's grammar on lines of its own behind
    ``Action:``, the final answer behind ``Final Answer:``. A turn without any stays as it is."""
    found = scan(text, names | {FINISH}, answer_format)
    places = [place for place in found.places if not place.problem]
    if not places:
        return text
    ends = [0, *(place.end for place in places)]
    starts = [*(place.start for place in places), len(found.text)]
    pieces = (found.text[end:start].strip(MARKS) for end, start in zip(ends, starts, strict=True))
    return "\n".join([*filter(None, pieces), *map(_action, places)])


def _action(place: Place) -> str:
    given = place.given if isinstance(place.given, str) else json.dumps(place.given, ensure_ascii=False)
    if place.tool.casefold() == FINISH and isinstance(place.given, str):
        return f"Final Answer: {given}"
    return call_text("", [(place.tool, given)])


def converted(item: Episode) -> Episode:
    """A run as talk: own turns field by field, labels of the format gone from what others say before it."""
    learned = set(trained(item))
    first = min(learned, default=0)
    turns: list[Turn] = []
    masked: list[int] = []
    tags: dict[str, str] = {}
    for number, turn in enumerate(item.turns):
        if number in learned:
            for speaker, text, tag in _talk(turn.text):
                if tag:
                    tags[str(len(turns))] = tag
                turns.append(Turn(speaker, text))
        elif turn.agent in OTHERS:
            text = turn.text.removeprefix("Observation:").lstrip(" ") if number > first else unlabelled(turn.text)
            turns.append(replace(turn, text=text))
        else:
            masked.append(len(turns))
            turns.append(replace(turn, text=unlabelled(turn.text), ids=None, prompt_ids=None, logprobs=None))
    meta = item.instance.meta
    meta = {**meta, "system": unlabelled(str(meta["system"]))} if "system" in meta else meta
    inst = replace(item.instance, question=unlabelled(item.instance.question), meta=meta)
    return replace(retold(item, turns, masked, tags=tags), instance=inst)


def unlabelled(text: str) -> str:
    """A text without the labels of the format."""
    return _MENTION.sub("", text)


def _talk(text: str) -> Iterator[tuple[str, str, str | None]]:
    """(speaker, text, tag) of what becomes of one turn of the agent."""
    found = read_turn(text)
    if found.thought or not found.acts:
        yield AGENT, unlabelled(found.thought or text), REASONING
    for act in found.acts:
        if final(act):
            answer = answer_of(act)
            yield from ((USER, ASK_ANSWER, None), (AGENT, answer, INSTRUCTION)) if answer else ()
            continue
        yield USER, ASK_TOOL, None
        yield AGENT, act.name, RETRIEVAL
        if act.argument:
            yield USER, ASK_INPUT, None
            yield AGENT, act.argument, UNDERSTANDING


def calls_of(item: Episode) -> list[tuple[str, str]]:
    """(tool, input) of every call in order, of a run in any format or as talk."""
    tags = item.info.get("tags")
    if not isinstance(tags, Mapping):
        acts = [act for k in trained(item) for act in read_turn(item.turns[k].text).acts if not final(act)]
        return [(act.name, act.argument) for act in acts]
    calls: list[tuple[str, str]] = []
    for number, turn in enumerate(item.turns):
        if tags.get(str(number)) == RETRIEVAL:
            calls.append((turn.text, ""))
        elif tags.get(str(number)) == UNDERSTANDING and calls:
            calls[-1] = calls[-1][0], turn.text
    return calls


def answer_in(item: Episode) -> str | None:
    """The final answer of a run in any format or as talk."""
    tags = item.info.get("tags")
    if isinstance(tags, Mapping):
        return next((item.turns[int(k)].text for k in reversed(list(tags)) if tags[k] == INSTRUCTION), None)
    acts: list[Act] = [act for k in trained(item) for act in read_turn(item.turns[k].text).acts]
    return next((answer for act in reversed(acts) if final(act) and (answer := answer_of(act))), None)


def tags(weights: Mapping[str, float] | None = None) -> Callable[[Episode], Episode]:
    """Of the turns of each capability the given share keeps its loss, exactly to within one turn over the stream.

    Default: Agent-FLAN's. A trajectory without a turn left to learn is dropped. Raises ValueError for a weight outside
    [0, 1].
    """
    shares = dict(WEIGHTS if weights is None else weights)
    if wrong := [name for name, share in shares.items() if not 0 <= share <= 1]:
        raise ValueError(f"the weight of {wrong[0]} is a share from 0 to 1, not {shares[wrong[0]]}")
    seen = dict.fromkeys(shares, 0)

    def step(item: Episode) -> Episode:
        tagged = item.info.get("tags", {})
        masked = set(item.info.get("masked", ()))
        for number in trained(item):
            tag = tagged.get(str(number))
            if tag in shares:
                seen[tag] += 1
                if due(seen[tag], shares[tag]) == due(seen[tag] - 1, shares[tag]):
                    masked.add(number)
        out = retold(item, item.turns, masked)
        if not trained(out):
            raise BadRow("no turn with a loss is left")
        return out

    return step
