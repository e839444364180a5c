"""vLLM's own server, but it ends with the process that started it, and its engines end with it.

``python -m optima_agents.backends.vllm_engine.serve`` takes vLLM's arguments.
"""

from __future__ import annotations

import os
import runpy

from .bound import children_end_with_us, end_with


def main() -> None:
    """Be the server until it ends."""
    end_with(os.getppid())
    with children_end_with_us():
        runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
