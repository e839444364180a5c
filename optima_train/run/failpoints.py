"""Numbered places at which a test kills the process; a no-op unless OPTIMA_FAILPOINT is set."""

from __future__ import annotations

import os
import signal

VARIABLE = "OPTIMA_FAILPOINT"


def failpoint(stage: str, point: str | int) -> None:
    """SIGKILL this very process when OPTIMA_FAILPOINT is ``stage:point``, for example ``it000/generate:3``."""
    if os.environ.get(VARIABLE) == f"{stage}:{point}":
        os.kill(os.getpid(), signal.SIGKILL)
