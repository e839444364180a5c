"""The built-in environments by their ids. Each is described, by an ``EnvSpec``, at the top of the file named here (its
``SPEC``, or the one named after the colon); the file is imported when the environment is first asked for."""

from __future__ import annotations

from .spec import announce

CATALOGUE = {
    "optima/twohop-asym-v0": "twohop",
    "optima/arith-debate-v0": "arith",
    "optima/hotpotqa-asym-v0": "hotpotqa",
    "optima/2wmh-asym-v0": "twowiki",
    "optima/hotpotqa-solo-v0": "hotpotqa:SOLO",
    "optima/2wmh-solo-v0": "twowiki:SOLO",
    "optima/triviaqa-asym-v0": "triviaqa",
    "optima/cbt-asym-v0": "cbt",
    "optima/gsm8k-debate-v0": "gsm8k",
    "optima/math-debate-v0": "hendrycks",
    "optima/arc-debate-v0": "arc",
    "optima/mmlu-debate-v0": "mmlu",
    "optima/dbbench-sql-v0": "dbbench",
    "optima/dbbench-sql-checked-v0": "dbbench:CHECKED",
    "optima/hotpotqa-search-v0": "searching",
    "optima/twohop-search-v0": "searching:TWOHOP",
    "optima/gsm8k-calc-v0": "reckoning",
    "optima/gsm8k-plan-v0": "reckoning:GSM8K_PLAN",
    "optima/arith-plan-v0": "reckoning:ARITH_PLAN",
}


def announce_built_in() -> None:
    """Put the built-in environments into the register."""
    for name, where in CATALOGUE.items():
        announce(name, f"optima_envs.tasks.{where if ':' in where else f'{where}:SPEC'}")
