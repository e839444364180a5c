"""The file tree in the README, made from the first line of each module's docstring. ``make tree`` writes it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
LAYERS = ("optima_envs", "optima_agents", "optima_train", "benchmarks")
OPEN, CLOSE = "<!-- tree: make tree -->\n```\n", "```\n<!-- /tree -->"
WIDTH = 110
DATA = {
    "tiny": "the embedded model: weights, tokenizer, chat template, model card",
    "recipes": "settings as YAML: the paper's constants, and the small run",
    "configs": "suites of methods, and comparisons of trainings, as YAML",
    "page": "the page's HTML, style and scripts",
}


def role(path: Path) -> str:
    """The first clause of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<!Eq)\. |; ", " ".join(text.split("\n\n")[0].split()))[0].rstrip(".")


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


def readme() -> str:
    """The README with the tree as it should be."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    head, _, rest = text.partition(OPEN)
    _, _, tail = rest.partition(CLOSE)
    tree = "\n".join(line for layer in LAYERS for line in lines(ROOT / layer))
    return f"{head}{OPEN}{tree}\n{CLOSE}{tail}"


if __name__ == "__main__":
    (ROOT / "README.md").write_text(readme(), encoding="utf-8")
