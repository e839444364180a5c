"""The transformers and the vLLM backend on the same dialogues with the same model, in turn: tokens a second of each.

Each chooses its number format by itself. Both are up at the same time; every round begins with empty caches.
"""

from __future__ import annotations

import asyncio
from typing import Any

from optima_agents import make_backend

from .engine_table import SAMPLES, Setup, afresh
from .timing import Figure, arguments, conclude, figure, in_turn

NAMES = ("hf", "vllm")


def measure(setup: Setup, **engine: Any) -> list[Figure]:
    """Figures of ``setup``'s dialogues; ``engine`` are further options of vLLM."""
    open_: dict[str, Any] = {"hf": make_backend(f"hf:{setup.model}")}
    try:
        open_["vllm"] = make_backend(f"vllm:{setup.model}", **engine)
        few = Setup(setup.model, instances=1, max_turns=1, max_tokens=8)
        contenders = {name: lambda name=name: afresh(setup, open_[name]).tokens_per_second for name in NAMES}
        warm_up = {name: lambda name=name: afresh(few, open_[name]).tokens_per_second for name in NAMES}
        rounds = in_turn(contenders, setup.rounds, warm_up=warm_up, tell=True)
        figures = [figure(f"{name}: tokens sampled a second", rounds.median(name)) for name in NAMES]
        return [*figures, figure("vllm over hf", rounds.ratio("vllm", "hf"))]
    finally:
        for backend in open_.values():
            asyncio.run(backend.aclose())


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--model", default="smollm2", help="a folder or name (default smollm2)")
    parser.add_argument("--instances", type=int, default=2, help=f"questions, {SAMPLES} dialogues each (default 2)")
    parser.add_argument("--turns", type=int, default=4, help="of a dialogue, at most (default 4)")
    parser.add_argument("--tokens", type=int, default=64, help="of a turn, at most (default 64)")
    parser.add_argument("--rounds", type=int, default=2, help="after the warm-up (default 2)")
    parser.add_argument("--eager", action="store_true", help="do not compile vLLM's model: starts sooner, runs slower")
    args = parser.parse_args()
    setup = Setup(
        args.model, instances=args.instances, max_turns=args.turns, max_tokens=args.tokens, rounds=args.rounds
    )
    return conclude(measure(setup, enforce_eager=args.eager), args.json)


if __name__ == "__main__":
    raise SystemExit(main())
