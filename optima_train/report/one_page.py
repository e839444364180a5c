"""One self-contained HTML page: no network, and no text in it that could become markup.

Text of a run is hostile. It goes into a page as JSON without a single ``<``, so that no ``</script>`` can end the
block it is in; the scripts show it through ``textContent`` only; and the content security policy lets no script run
but the page's own, and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

PARTS = Path(__file__).parent / "page"


def assemble(
    title: str, *, before: Sequence[Path], after: Sequence[Path] = (), style: Sequence[Path], script: Sequence[Path],
    data: str, index: str, chunks: str,
) -> str:  # fmt: skip
    """The frame of a page with its ``title``, with the parts ``before`` and ``after`` its dialogue browser, and with
    ``data``, ``index`` and ``chunks`` filled in. Parts are joined in order. Values must be safe as they are: see
    ``inert`` and ``Dialogues``."""
    code, look, above, below = map(_joined, (script, style, before, after))
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    template = Template((PARTS / "frame.html").read_text(encoding="utf-8"))
    return template.substitute(
        data=data,
        index=index,
        chunks=chunks,
        title=title,
        before=above,
        after=below,
        style=look,
        script=code,
        script_hash=f"sha256-{digest}",
    )


def _joined(parts: Sequence[Path]) -> str:
    return "".join(part.read_text(encoding="utf-8") for part in parts)


def inert(data: Any) -> str:
    """JSON that holds no character HTML gives a meaning to; a lone surrogate becomes ``?``.

    Raises ValueError for NaN and infinity.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.encode("utf-8", "replace").decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
