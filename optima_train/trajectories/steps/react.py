"""Step ``react``: runs of any method in one grammar, ``Thought: ...`` and ``Action: name[argument]``.

A run that only thinks and answers (chain of thought) becomes one thought and one ``finish``, its answer unchanged;
what the world says loses its label. Odd turns are left as they are and named in ``info["flags"]``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from optima_envs.records import Episode, Turn
from optima_envs.scoring.answer_format import BOXED, MAX_ANSWER, TAG

from ..acts import Act, final, read_turn
from ..transcript import ENVIRONMENT, OTHERS, retold, trained

NO_THOUGHT = "no thought"
NO_ACTION = "no action"
INSIDE = "thought inside the answer"
SEVERAL = "several actions"
OWN = "own observation"
LABEL = "Observation:"
_ANSWER = re.compile(r"^(?:the )?answer(?: is)?[ ]?:(.*)\Z", re.IGNORECASE | re.MULTILINE)


def react() -> Callable[[Episode], Episode]:
    def step(item: Episode) -> Episode:
        learned = set(trained(item))
        first = min(learned, default=len(item.turns))
        flags: dict[str, None] = {}
        turns: list[Turn] = []
        for number, turn in enumerate(item.turns):
            if turn.agent in OTHERS:
                labelled = number > first and turn.text.startswith(LABEL)
                if labelled:
                    turn = Turn(ENVIRONMENT, turn.text.removeprefix(LABEL).removeprefix(" "))
            elif number in learned:
                text, odd = rewritten(turn.text, last=number == max(learned))
                turn = turn if text == turn.text else replace(turn, text=text, ids=None, prompt_ids=None, logprobs=None)
                flags |= dict.fromkeys(odd)
            turns.append(turn)
        masked = item.info.get("masked", ())
        return retold(item, turns, masked, **({"flags": list(flags)} if flags else {}))

    return step


def rewritten(text: str, *, last: bool = False) -> tuple[str, list[str]]:
    """(a turn in the one grammar, what is odd about it). ``last``: a stated answer ends the run even without an
    action."""
    found = read_turn(text)
    flags = [] if found.thought else [NO_THOUGHT]
    acts = found.acts
    if not acts and last and (answer := _stated(text)) is not None:
        acts = (Act("react", "finish", answer),)
    if found.observed:
        flags.append(OWN)
    if len(acts) != 1:
        return text, [*flags, SEVERAL if acts else NO_ACTION]
    (act,) = acts
    if final(act) and act.argument.lstrip().lower().startswith("thought:"):
        flags.append(INSIDE)
    name = "finish" if final(act) else act.name
    action = f"Action: {name}[{act.argument}]" if act.argument or act.kind != "command" else f"Action: {name}"
    return f"Thought: {found.thought}\n{action}" if found.thought else action, flags


def _stated(text: str) -> str | None:
    """The answer in a turn without labels, in one of the forms environments of ours ask for."""
    stated = _ANSWER.search(text[-MAX_ANSWER:])
    return TAG.find(text) or BOXED.find(text) or (stated and stated[1].strip()) or None
