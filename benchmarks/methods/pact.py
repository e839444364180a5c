"""``pact``: agents write as they like, but only a compact action-state record of a message reaches the others."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache, partial

from optima_agents.prompts import Messages, messages
from optima_envs.records import Said, View
from optima_envs.scoring.answer_format import format_named
from optima_envs.scoring.parsing import extract

from .baseline import Baseline, Session

FIELDS = ("state", "action")
PROTOCOL = (
    "Think first if you need to, then end each message with a record of two lines, State: what is known by now, new "
    "facts first, and Action: what the other shall do or tell next. Only the record and a stated answer are passed on."
)
WORDS = 40
_FIELD = re.compile(
    r"^[\s>*#-]{0,9}(state|action)\*{0,2}[ \t]{0,9}[:=]\*{0,2}[ \t]{0,9}(\S.*)", re.IGNORECASE | re.MULTILINE
)


async def pact(session: Session) -> str | None:
    """The environment's own dialogue in which each agent hears the records of all turns, its own among them.

    Source: arXiv 2606.05304 (its abstract and README; the repository could not be reached, so the names of the
    fields and the words of the protocol are ours): training-free; a raw output is projected into an action-state
    record before it enters the shared history. A message without a record is passed on as its last ``words`` words,
    and counted. Calls: one a turn, no further ones.
    """
    passed = cache(partial(record, answer_format=session.view().answer_format, limit=session.options["words"]))

    def prompt(view: View, hint: str | None) -> Messages:
        shared = tuple(Said(agent, passed(text)[0]) for agent, text in view.dialogue)
        return messages(replace(view, dialogue=shared), hint)

    answer = await session.dialogue(prompt=prompt, hint=PROTOCOL)
    session.info["without a record"] = sum(not passed(turn.text)[1] for turn in session.turns)
    return answer


def record(text: str, answer_format: str, limit: int = WORDS) -> tuple[str, bool]:
    """What of a message is passed on, and whether it held a record: its last value of each field and its answer."""
    found = {name.lower(): value.strip() for name, value in _FIELD.findall(text)}
    lines = [f"{name.capitalize()}: {found[name]}" for name in FIELDS if name in found]
    answer = extract(text, answer_format)
    stated = format_named(answer_format).state(answer) if answer is not None else ""
    if not lines:
        lines = [" ".join(text.split()[-limit:])]
        stated = "" if extract(lines[0], answer_format) == answer else stated
    elif extract("\n".join(lines), answer_format) == answer:
        stated = ""
    return "\n".join([*lines, *filter(None, [stated])]), bool(found)


PACT = Baseline("pact", pact, families=("exchange", "debate"), defaults={"words": WORDS}, plays=True)
