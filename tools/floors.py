"""The oldest versions that pyproject.toml allows, as pip constraints: ``python tools/floors.py [EXTRA ...]``.

``make floors`` installs them into an environment of their own and runs the tests that need no engine there.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"
FLOOR = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?>=([\w.]+)")


def floors(extras: Sequence[str] = ()) -> dict[str, str]:
    """Version by package, of the core dependencies and of ``extras``. Raises KeyError for an unknown extra."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    rows = [*project["dependencies"], *(row for extra in extras for row in project["optional-dependencies"][extra])]
    found = (FLOOR.match(row) for row in rows)
    return {match[1]: match[2] for match in found if match}


if __name__ == "__main__":
    print("\n".join(f"{name}=={version}" for name, version in floors(sys.argv[1:]).items()))
