"""The built-in environments by their ids. Each is described, by an ``EnvSpec``, at the top of the file named here; the
file is imported when the environment is first asked for."""

from __future__ import annotations

from .spec import announce

CATALOGUE = {
    "optima/twohop-asym-v0": "twohop",
    "optima/arith-debate-v0": "arith",
    "optima/hotpotqa-asym-v0": "hotpotqa",
    "optima/2wmh-asym-v0": "twowiki",
    "optima/triviaqa-asym-v0": "triviaqa",
    "optima/cbt-asym-v0": "cbt",
    "optima/gsm8k-debate-v0": "gsm8k",
    "optima/math-debate-v0": "hendrycks",
    "optima/arc-debate-v0": "arc",
    "optima/mmlu-debate-v0": "mmlu",
}


def announce_built_in() -> None:
    """Put the built-in environments into the register."""
    for name, module in CATALOGUE.items():
        announce(name, f"optima_envs.tasks.{module}:SPEC")
