"""The world ``calculator``: ``calculate[expression]``; each result gets a name, R1, R2, ..., for use in later ones."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import Instance
from ..scoring.metrics import METRICS
from .calculator import CalculatorError, Value, calculate, show
from .world import Call, Done, Tool, clip


class CalculatorWorld:
    """See ``world.World``."""

    tools = (Tool("calculate", ("expression",), "gives the value of an expression and a name for it: R1, R2, ..."),)

    def observe(self, inst: Instance, done: Sequence[Done], call: Call) -> str:
        known: dict[str, Value] = {}
        for one in done:
            try:
                known[f"R{len(known) + 1}"] = _single(one.call.text, known)
            except CalculatorError:  # it had no value then either
                continue
        try:
            value = _single(call.text, known)
        except CalculatorError as err:
            return clip(f"error: {err}")
        return f"R{len(known) + 1} = {show(value)}"

    def answer(self, inst: Instance, done: Sequence[Done], stated: str | None) -> str | None:
        return stated

    def solved(self, inst: Instance, answer: str | None) -> bool:
        metric = METRICS["number"]
        return metric.correct(metric.score(answer, inst.answers))


def _single(text: str, known: dict[str, Value]) -> Value:
    values = calculate(text, known)
    if len(values) != 1:
        raise CalculatorError("one expression at a time")
    return values[0]


WORLD = CalculatorWorld()
