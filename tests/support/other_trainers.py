"""The blocks of docs/other_trainers.md, run as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[2] / "docs" / "other_trainers.md").read_text(encoding="utf-8")
BLOCKS = {name.strip() or "drive": code for name, code in re.findall(r"```python([^\n]*)\n(.*?)```", PAGE, re.DOTALL)}


def run(name: str, **given: Any) -> dict[str, Any]:
    """The names that a block leaves behind, ``given`` those it begins with."""
    names = dict(given)
    exec(compile(BLOCKS[name], f"{name} in other_trainers.md", "exec"), names)  # noqa: S102 - our own page
    return names
