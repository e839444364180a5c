"""Data sets as TRL takes them (with datasets' ``load_dataset`` or ``Dataset.from_list``).

* ``trl-conversation``: ``{messages}``. TRL trains on all of it, or on every turn of the assistant: trajectories with
  turns that carry no loss are refused.
* ``trl-prompt``: ``{prompt, completion}``, one row a trained turn, so that only that turn is scored.
* ``trl-preference``: ``{prompt, chosen, rejected}``, the best against the worst run of an instance. TRL's DPO scores
  all that follows the prompt, the world's answers too, so only pairs that part in their last turn are written.
* ``trl-tokens``: ``{input_ids, completion_mask}`` of one ``model``'s tokenizer: exactly our rows, token for token.

In the first three TRL renders and tokenises itself: what looks like a control token inside a text becomes one there,
and whatever a template puts behind a turn (a line break, say) is scored with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from optima_envs.records import Episode

from ..registry import Write, row_id
from ..transcript import AGENT, BadRow, Dropped, Message, Transcript, imported, messages, trained


def conversation_writer() -> Write:
    """TRL's conversational language modelling: ``{messages}``."""

    def write(item: Episode) -> dict[str, Any]:
        if item.info.get("masked"):
            raise BadRow(
                "some turns carry no loss, which TRL's conversations cannot say: write trl-prompt or trl-tokens"
            )
        return {"messages": [*_before(item, len(item.turns))]}

    return write


def prompt_writer() -> Write:
    """TRL's prompt-completion: ``{prompt, completion}``, one row a trained turn."""

    def write(item: Episode) -> list[dict[str, Any]]:
        return [
            {"prompt": list(_before(item, number)), "completion": [_own(item.turns[number].text)]}
            for number in trained(item)
        ]

    return write


def _before(item: Episode, number: int) -> tuple[Message, ...]:
    if not imported(item):
        raise BadRow(f"a dialogue of {item.env} has a prompt for each agent: write trl-tokens")
    return messages(Transcript(item).view(item.instance, item.turns[:number], AGENT))


def _own(text: str) -> Message:
    return {"role": "assistant", "content": text}


def preference_writer(min_gap: float = 0.0) -> Callable[[Iterable[Episode]], Iterator[Any]]:
    """TRL's preferences: ``{prompt, chosen, rejected}``.

    Pairs of runs of one instance (ids apart from ``#2``) whose scores differ by more than ``min_gap``. The best and
    the worst run of each instance are held in memory.
    """

    def write(items: Iterable[Episode]) -> Iterator[Any]:
        groups: dict[str, list[Episode]] = {}
        for number, item in enumerate(items):
            if item.info.get("unscored") or not imported(item):
                yield Dropped(
                    "", number, item.instance.id, "no score" if imported(item) else f"a dialogue of {item.env}"
                )
                continue
            best, worst = groups.setdefault(row_id(item), [item, item])
            groups[row_id(item)] = [
                item if item.score > best.score else best,
                item if item.score < worst.score else worst,
            ]
        for number, (name, (best, worst)) in enumerate(groups.items()):
            try:
                yield _pair(best, worst, min_gap)
            except BadRow as err:
                yield Dropped("", number, name, str(err))

    setattr(write, "whole", True)  # noqa: B010 - it takes all episodes, not one; see registry.write
    return write


def _pair(best: Episode, worst: Episode, min_gap: float) -> dict[str, Any]:
    if best.score - worst.score <= min_gap:
        raise BadRow("all runs of the instance score alike")
    ends = [messages(Transcript(item).view(item.instance, item.turns, AGENT)) for item in (best, worst)]
    common = next((k for k, (a, b) in enumerate(zip(*ends, strict=False)) if a != b), min(map(len, ends)))
    rests = [end[common:] for end in ends]
    if any([row["role"] for row in rest] != ["assistant"] for rest in rests):
        raise BadRow("the runs part before their last turn, and TRL would score the world's answers")
    return {"prompt": list(ends[0][:common]), "chosen": list(rests[0]), "rejected": list(rests[1])}


def tokens_writer(model: str = "tiny", max_length: int | None = None) -> Write:
    """Our own rows, token for token: ``{input_ids, completion_mask}``.

    Raises what loading ``model``'s tokenizer raises.
    """
    from ..rows import Tokeniser

    tokeniser = Tokeniser(model, max_length)

    def write(item: Episode) -> list[dict[str, Any]]:
        rows = tokeniser.rows(item)
        if not rows:
            raise BadRow(f"no turn fits ({', '.join(tokeniser.dropped) or 'no turn carries a loss'})")
        return [{"input_ids": list(row.input_ids), "completion_mask": list(row.completion_mask)} for row in rows]

    return write
