"""gsm8k-calc, gsm8k-plan and arith-plan: word problems for agents with a calculator."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..records import Instance
from ..scoring.numerals import read_number
from ..spec import PLAN, TOOLS, EnvSpec, Sheet
from ..tools.calculator import CalculatorError, calculate
from .arith import Arith
from .gsm8k import GSM8K
from .gsm8k import SPEC as DEBATED
from .loading import Row

STEPS = "meta['steps'] holds the expressions of a worked solution: GSM8K's own <<...=...>> marks that can be computed"
SPEC = EnvSpec(
    "optima/gsm8k-calc-v0",
    "optima_envs.tasks.reckoning:GSM8KSteps",
    TOOLS,
    "number",
    {"world": "calculator", "max_turns": 20},
    replace(DEBATED.sheet, summary="GSM8K grade-school maths with a calculator, for one agent.", notes=(STEPS,)),
)
GSM8K_PLAN = replace(
    SPEC,
    id="optima/gsm8k-plan-v0",
    rules=PLAN,
    defaults={"max_turns": 40},
    sheet=replace(SPEC.sheet, summary="GSM8K grade-school maths: one agent plans, one writes calls, code executes."),
)
ARITH_PLAN = EnvSpec(
    "optima/arith-plan-v0",
    "optima_envs.tasks.reckoning:ArithSteps",
    PLAN,
    "number",
    sheet=Sheet(
        "Small word problems: one agent plans, one writes calls, code executes.",
        notes=(
            "the instances of arith-debate; nobody's words are the answer, only the value executed last",
            "meta['steps'] holds an expression for each gain and loss",
        ),
    ),
)
_MARK = re.compile(r"<<([^<>=]{1,200})=[^<>]{0,200}>>")


class GSM8KSteps(GSM8K):
    """GSM8K with the steps of its solutions. See ``Dataset`` for what is raised."""

    name = "gsm8k-calc"

    def build(self, row: Row, index: int) -> Instance:
        inst = super().build(row, index)
        return replace(inst, meta={**inst.meta, "steps": _computable(_MARK.findall(row["answer"]))})

    def solution(self, inst: Instance) -> dict[str, list[str]]:
        """What each role says in a perfect dialogue; see ``solution``."""
        return solution(inst)


class ArithSteps(Arith):
    """The arithmetic world (arguments and errors: see ``Arith``) with the steps of its stories."""

    name = "arith-plan"

    def __getitem__(self, index: int) -> Instance:
        inst = super().__getitem__(index)
        amount: int = inst.meta["start"]
        steps: list[str] = []
        for change in inst.meta["changes"]:
            steps.append(f"{amount} {'+' if change > 0 else '-'} {abs(change)}")
            amount += change
        return replace(inst, meta={**inst.meta, "steps": steps})

    def solution(self, inst: Instance) -> dict[str, list[str]]:
        """What each role says in a perfect dialogue; see ``solution``."""
        return solution(inst)


def solution(inst: Instance) -> dict[str, list[str]]:
    """Lines of the actor (a call for each step, and the answer), the planner (a subgoal for each step, and the end)
    and the grounder. A step that gives the answer is added where the worked solution ends with another number."""
    steps, answer = list(inst.meta["steps"]), inst.answers[0]
    if not steps or calculate(steps[-1])[0] != read_number(answer):
        steps.append(answer)
    return {
        "actor": [*(f"calculate[{step}]" for step in inst.meta["steps"]), f"Final Answer: {answer}"],
        "planner": [*(f"Subgoal {n}: Calculate {step}." for n, step in enumerate(steps, 1)), "Yes, stop planning."],
        "grounder": [f"R{n} = Calculator({step})" for n, step in enumerate(steps, 1)],
    }


def _computable(steps: Sequence[str]) -> list[str]:
    kept: list[str] = []
    for step in steps:
        try:
            calculate(step)
        except CalculatorError:
            continue
        kept.append(step)
    return kept
