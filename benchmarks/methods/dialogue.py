"""The environment's own dialogue: untrained, of a trained checkpoint, or with an instruction: AutoForm's, ReAct's."""

from __future__ import annotations

from optima_agents.formats import ACTING

from .baseline import Baseline, Session

COMPACT = (
    "Do not write prose: choose whatever form carries a message in the fewest words, such as code, logic, tables, "
    "lists or symbols, and go on in it."
)


async def dialogue(session: Session) -> str | None:
    """Plain prompts, agents in turn, until the rules end it; with a trained model, how a checkpoint is measured."""
    return await session.dialogue()


async def autoform(session: Session) -> str | None:
    """The same dialogue, its agents told to pick a compact form that is not prose (Chen et al. 2024,
    arXiv 2402.18439)."""
    return await session.dialogue(hint=COMPACT)


async def react(session: Session) -> str | None:
    """The same dialogue with a demonstration of thoughts and actions (Yao et al. 2023, arXiv 2210.03629)."""
    return await session.dialogue(hint=ACTING["react"])


DIALOGUE = Baseline("dialogue", dialogue, plays=True)
AUTOFORM = Baseline("autoform", autoform, plays=True)
REACT = Baseline("react", react, families=("tool",), plays=True)
# where one agent solves and another checks, the dialogue is this protocol: solve, advise, revise until the answer
# stands; two calls a round, and max_turns / 2 rounds
SOLVER_CRITIC = Baseline("solver-critic", dialogue, families=("debate",), plays=True)
