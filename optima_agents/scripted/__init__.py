"""Policies without a model: fixed lines, oracles that bound what a team can reach, experts for it to imitate."""

from .fixed import Indexed, Oracle, Random, Scripted, Solver, oracle, solver, state

__all__ = ["Indexed", "Oracle", "Random", "Scripted", "Solver", "oracle", "solver", "state"]
