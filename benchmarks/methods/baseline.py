"""Baselines: each one small async function, a Session in, the answer out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optima_envs.registry import Registry

from .session import NOTHING_PRIVATE, Session

Run = Callable[[Session], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A method: ``run`` plays one instance and returns the final answer (None: it has none).

    ``block`` tells readers what it may use: ``fair``; ``oracle`` sees what no agent of the environment sees;
    ``feedback`` is told whether its answer is right. ``defaults`` are its options, ``choices`` the values of those
    that have only a few, ``families`` the environments it is for (empty: all). ``plays``: it plays the environment's
    own dialogue, and is told what that tells.
    """

    name: str
    run: Run
    block: str = "fair"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    families: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    plays: bool = False

    def settings(self, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """``options`` over the defaults. Raises TypeError for an option it does not have, ValueError for a value that
        is not of its default's kind; whole ones are at least 1 where the default is."""
        options = options or {}
        unknown = [name for name in options if name not in self.defaults]
        if unknown:
            known = ", ".join(self.defaults) or "none"
            raise TypeError(f"baseline {self.name} takes no option {', '.join(unknown)}; its options: {known}")
        for name, value in options.items():
            wanted = _wanted(self.defaults[name], self.choices.get(name))
            if not wanted[1](value):
                raise ValueError(f"baseline {self.name}: option {name} must be {wanted[0]}, got {value!r}")
        return {**self.defaults, **options}

    def block_in(self, family: str, options: Mapping[str, Any] | None = None, *, told: bool = False) -> str:
        """``block`` in environments of ``family``: an oracle is fair where nothing is private, and where its option
        ``context`` is ``half``. ``told``: its dialogue tells whether an answer is right (see ``session.tells``)."""
        if told and self.plays:
            return "feedback"
        plain = family in NOTHING_PRIVATE or self.settings(options).get("context") == "half"
        return "fair" if self.block == "oracle" and plain else self.block


# what comes with the suite: one row each, imported when first used
METHODS = {
    "cot": "cot:COT",
    "cot-half": "cot:COT_HALF",
    "self-consistency": "self_consistency:SELF_CONSISTENCY",
    "dialogue": "dialogue:DIALOGUE",
    "dialogue-sc": "self_consistency:DIALOGUE_SC",
    "solver-critic": "dialogue:SOLVER_CRITIC",
    "autoform": "dialogue:AUTOFORM",
    "react": "dialogue:REACT",
    "pact": "pact:PACT",
    "context-dump": "context_dump:CONTEXT_DUMP",
    "self-refine": "self_refine:SELF_REFINE",
    "reflexion": "reflexion:REFLEXION",
    "mad": "debate_du:MAD",
    "divergent-debate": "debate_liang:DIVERGENT",
    "dylan": "dylan:DYLAN",
    "macnet": "macnet:MACNET",
    "mixture-of-agents": "mixture:MIXTURE",
    "debategpt": "debategpt:DEBATEGPT",
}
BASELINES: Registry[Baseline] = Registry("baseline", "optima.baselines")
for _name, _target in METHODS.items():
    BASELINES.register(_name, f"{__package__}.{_target}")


def baseline(
    name: str, *, block: str = "fair", families: Sequence[str] = (), plays: bool = False, **defaults: Any
) -> Callable[[Run], Run]:
    """Register ``async def method(session) -> answer``; further keywords are its options and their defaults."""

    def add(run: Run) -> Run:
        BASELINES.register(name, Baseline(name, run, block, defaults, tuple(families), plays=plays))
        return run

    return add


def _wanted(default: Any, choices: tuple[str, ...] | None) -> tuple[str, Callable[[Any], bool]]:
    """What an option with that default must be, in words and as a test."""
    if choices is not None:
        return f"one of {', '.join(choices)}", lambda value: value in choices
    if type(default) is int:
        least = min(1, default)
        return f"a whole number of at least {least}", lambda value: type(value) is int and value >= least
    if default is None or type(default) is float:
        kind = "a number of at least 0" + (", or null" if default is None else "")
        return kind, lambda value: (value is default) or (type(value) in (int, float) and 0 <= value < float("inf"))
    return f"a {type(default).__name__}", lambda value: type(value) is type(default)
