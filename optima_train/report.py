"""report.html: one self-contained page, no network. Its parts are in ``report_page/``.

Dialogues are hostile text. They go into the page as JSON without a single ``<``, so that no ``</script>`` can end the
block they are in; the script shows them through ``textContent`` only; and the page's content security policy lets no
script run but its own, and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from .files import write_text
from .report_data import collect

PAGE = Path(__file__).parent / "report_page"


def write_report(directory: Path) -> Path:
    """Write ``report.html`` into a run directory, from what is there so far; returns its path.

    Raises FileNotFoundError when ``directory`` is no run directory, ValueError for a damaged file in it.
    """
    path = directory / "report.html"
    write_text(path, render(collect(directory)))
    return path


def render(data: Mapping[str, Any]) -> str:
    """The page for what ``report_data.collect`` gathered."""
    script = _part("page.js") + _part("browser.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(_part("page.html")).substitute(
        style=_part("style.css"), script=script, script_hash=f"sha256-{digest}", data=inert(data)
    )


def inert(data: Mapping[str, Any]) -> str:
    """JSON that holds no character HTML gives a meaning to; a lone surrogate becomes ``?``.

    Raises ValueError for NaN and infinity.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.encode("utf-8", "replace").decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _part(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")
