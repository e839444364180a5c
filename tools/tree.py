"""The file tree in docs/architecture.md, from each module's first sentence. ``make tree`` writes it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
LAYERS = ("optima_envs", "optima_agents", "optima_train", "benchmarks")
OPEN, CLOSE = "<!-- tree: make tree -->\n```\n", "```\n<!-- /tree -->"
WIDTH = 110
# a full stop ends a sentence unless it ends one of these
ABBREVIATIONS = ("al", "Alg", "App", "Eq", "Fig", "Sec", "Tab", "cf", "vs", "e.g", "i.e", "etc", "No")
END = re.compile("".join(rf"(?<!\b{re.escape(word)})" for word in ABBREVIATIONS) + r"\.(?=\s+[A-Z`\"'(*0-9]|$)|;(?=\s)")
DATA = {
    "tiny": "the embedded model: weights, tokenizer, chat template, model card",
    "recipes": "settings as YAML: the paper's constants, and the small run",
    "configs": "suites of methods, and comparisons of trainings, as YAML",
    "scaffold": "what optima init fills in",
    "page": "the page's HTML, style and scripts",
}


def role(path: Path) -> str:
    """The first sentence (or its part before a semicolon) of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = " ".join(text.split("\n\n")[0].split())
    end = END.search(first)
    return first[: end.start()] if end else first


def lines(folder: Path, depth: int = 0) -> list[str]:
    """A folder, its modules with their roles, then its subfolders."""
    pad = "  " * depth
    start = folder / "__init__.py"
    found = [entry(f"{pad}{folder.name}/", role(start) if start.is_file() else DATA.get(folder.name, ""))]
    for path in sorted(folder.glob("*.py")):
        if path.name != "__init__.py":
            found.append(entry(f"{pad}  {path.name}", role(path)))
    for sub in sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"):
        found += lines(sub, depth + 1)
    return found


def entry(name: str, text: str) -> str:
    return f"{name:<27} {text if len(text) <= WIDTH else text[: WIDTH - 3].rsplit(' ', 1)[0] + ' ...'}".rstrip()


def page() -> str:
    """docs/architecture.md with the tree as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(OPEN)
    _, _, tail = rest.partition(CLOSE)
    tree = "\n".join(line for layer in LAYERS for line in lines(ROOT / layer))
    return f"{head}{OPEN}{tree}\n{CLOSE}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
