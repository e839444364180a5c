"""Child process of the math pool: one JSON request a line in, one JSON reply a line out.

Run by file name; imports nothing of ours, and lets no text reach ``eval``: answers are read by math-verify's LaTeX
grammar only, not by its Python one. Request ``{"answer": str, "gold": str, "limit": seconds}``; reply ``{"equal":
bool}`` or ``{"error": str}``; the first line out is ``{"ready": true}``. The limit is processor time, so that a
loaded machine changes no verdict; the process ends itself when it is used up, whether or not the parent still lives.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
from functools import lru_cache
from typing import Any

MEMORY = 2 << 30  # bytes of address space


@lru_cache(maxsize=2_000)
def read(text: str) -> Any:
    """The expressions math-verify reads; an empty list when it reads none."""
    from math_verify import LatexExtractionConfig, parse

    # 0: no timeout of its own, which would need the main thread's signals
    return parse(f"$\\boxed{{{text}}}$", [LatexExtractionConfig(boxed_match_priority=0)], parsing_timeout=0)


def equal(answer: str, gold: str) -> bool:
    """Whether both read as the same mathematical object."""
    from math_verify import verify

    left, right = read(gold), read(answer)
    return bool(left and right and verify(left, right, strict=True, timeout_seconds=None))


def main() -> None:
    """Serve until the input ends."""
    # replies have their own descriptor, so that nothing a library prints can pass for one
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(2_000)
    equal("1", "\\frac{2}{2}")  # imports the libraries and builds their parsers
    print(json.dumps({"ready": True}), file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, request["limit"])  # no handler: the signal ends the process
        try:
            reply = {"equal": equal(request["answer"], request["gold"])}
        except Exception as err:  # whatever a parser raises on hostile text is that text's fault
            reply = {"error": f"{type(err).__name__}: {str(err)[:200]}"}
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
