"""View -> chat messages. Own turns are ``assistant``, everybody else's are ``user`` with the speaker's name in
front and neighbours merged, so that any chat template works and the prompt only ever grows at its end. What a world
replies is in the role ``environment``; backends know what to make of it where a model has no such role.

In ``ROLES``, ``{instructions}`` is the environment's own statement of the game, which names the tools there are.
Content is inserted by concatenation, never by a format pass over it, so braces and the like in it stay text.
"""

from __future__ import annotations

from functools import lru_cache

from optima_envs.records import ENVIRONMENT, Said, View
from optima_envs.scoring.answer_format import FORMATS, TAG

Messages = tuple[dict[str, str], ...]
CHECKING = ("critic", "checker")
"""Roles that check another's work: hints are for those who do it."""

ROLES: dict[tuple[str, str], str] = {
    ("exchange", "holder"): (
        "You and {partners} answer a question together. Each of you holds facts that the others cannot see. "
        "Tell what matters, and when you are sure state the answer as {answer}. "
        "The talk ends when two of you state the same answer."
    ),
    ("exchange", "solo"): (
        "You answer a question from the facts you are given. Think step by step and state the answer as {answer}."
    ),
    ("debate", "solo"): "You solve a problem alone. Think step by step and state the answer as {answer}.",
    ("debate", "solver"): (
        "You solve a problem and {partners} checks your work. Show your steps and state your answer as {answer}. "
        "Correct it when a mistake is pointed out, and state it again when it stands."
    ),
    ("debate", "critic"): (
        "{partners} solves a problem and you check the work. Point out mistakes and say how to mend them, "
        "but do not state the answer yourself."
    ),
    ("tool", "actor"): (
        "{instructions} You are the one who acts. Think aloud in a line or two if it helps, write one action or the "
        "final answer, and stop there: what the environment replies is never yours to write."
    ),
    ("tool", "checker"): (
        "{instructions} You are the one who checks. Hold the latest action of {partners} against the task and against "
        "what was seen. Reply Approve if it is right; else reply Veto: and say in a sentence what to change. "
        "You take no action yourself."
    ),
    ("tool", "solo"): ("You answer a question without any tools. Think step by step and state the answer as {answer}."),
    ("plan", "planner"): (
        "{instructions} You are the one who plans. Say what has to be worked out, in words and with the numbers of the "
        "task, and leave calls and results to the others."
    ),
    ("plan", "grounder"): (
        "{instructions} You are the one who writes calls. Put the latest subgoal of {partners} into calls, one a line, "
        "and use earlier results by their names. Write no results and nothing else."
    ),
    ("plan", "solo"): ("You solve a problem without any tools. Think step by step and state the answer as {answer}."),
}


def messages(view: View, hint: str | None = None) -> Messages:
    """The chat prompt of ``view``; ``hint`` is one more instruction (a format of the pool)."""
    system = f"You are {view.agent}. " + instructions(view)
    if hint:
        system += " " + hint
    opening = f"Facts:\n{view.private}\nQuestion: {view.question}" if view.private else f"Question: {view.question}"
    out: list[dict[str, str]] = [{"role": "system", "content": system}, {"role": "user", "content": opening}]
    for said in view.dialogue:
        if said.agent == view.agent:
            out.append({"role": "assistant", "content": said.text})
        elif said.agent == ENVIRONMENT:
            out.append({"role": ENVIRONMENT, "content": indented(said.text)})
        elif out[-1]["role"] == "user":
            out[-1] = {"role": "user", "content": f"{out[-1]['content']}\n{heard(said)}"}
        else:
            out.append({"role": "user", "content": heard(said)})
    return tuple(out)


def heard(said: Said) -> str:
    """A partner's turn as text: later lines are indented, so none can pose as another speaker or as the question."""
    return f"{said.agent}: {indented(said.text)}"


def indented(text: str) -> str:
    """``text`` with its later lines indented."""
    return "\n ".join(text.splitlines())


def instructions(view: View) -> str:
    """What the role asks for; a role nobody wrote a prompt for falls back on the environment's own statement."""
    text = ROLES.get((view.family, view.role))
    if text is None:
        return view.instructions
    return _filled(text, tuple(view.partners), FORMATS.get(view.answer_format, TAG).ask(), view.instructions)


@lru_cache(maxsize=128)  # the same at every turn of a seat
def _filled(text: str, partners: tuple[str, ...], answer: str, stated: str) -> str:
    text = text.replace("{partners}", " and ".join(partners) or "nobody").replace("{answer}", answer)
    return text.replace("{instructions}", stated)  # last, so that nothing in it is taken for a place to fill
