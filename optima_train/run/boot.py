"""The start of a child process, run as a script: ``boot.py MODULE ARG ...`` runs that module of ours.

Under ``python -P`` nothing in the current folder is imported by accident, whatever it is called. That this package can
be imported is seen to here: last on the path, so that it hides nothing.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
