"""The documentation site: what its pages take from the code, and where links out of docs/ lead. A hook of mkdocs.

A page holds marks such as ``<!-- from the code: settings -->``; ``fill`` puts in their place what the code says of
itself, so nothing is written down twice and nothing grows stale.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os.path
import re
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CONFIG = ROOT / "mkdocs.yml"
MARK = re.compile(r"<!-- from the code: (\w+)(?: ([\w.]+))? -->")
LINK = re.compile(r"(\]\(|src=\"|href=\")([^)#\"\s:]+)(#[^)\"\s]*)?(?=[)\"])")
FENCE = re.compile(r"^(```\w+) \w+$", re.MULTILINE)  # a second word is the name by which a test finds the block
BROUGHT = "project/"  # where files from outside docs/ are on the site
WIDTH = 96  # of a verb's help


def settings() -> str:
    """Every setting of training, a section for each first part of its key."""
    from optima_train.config.describe import settings as described

    sections: dict[str, list[str]] = {"of the run": []}
    for one in described():
        section, dot, _ = one.key.partition(".")
        sections.setdefault(section if dot else "of the run", []).append(
            f'| <span id="{one.key}">`{one.key}`</span> | {_cell(one.kind)} | {_default(one.default)} '
            f"| {_cell(one.meaning)} |"
        )
    head = ["", "| setting | what it takes | default | meaning |", "|---|---|---|---|"]
    return "\n\n".join("\n".join([f"## {section}", *head, *rows]) for section, rows in sections.items())


def verbs() -> str:
    """What ``optima VERB --help`` prints, for every verb."""
    from optima_train.cli.verbs import VERBS, added, described, module_of, parser_of

    parts = []
    for verb in (*VERBS, *added()):
        command = module_of(verb)
        parser = parser_of(verb, command)
        parser.formatter_class = _wide
        text = re.sub(r"\x1b\[[0-9;]*m", "", parser.format_help()).rstrip()
        parts.append(f"## {verb}\n\n{_sentence(described(command)[0])}\n\n```text\n{text}\n```")
    return "\n\n".join(parts)


def names() -> str:
    """What recipes, command lines and calls may name, kind by kind."""
    from optima_train.cli.listing import GROUP, KINDS, entries

    parts = []
    for kind, place in {**KINDS, **{point.name: point.value for point in entry_points(group=GROUP)}}.items():
        rows = [f"| `{name}` | {_cell(text)} |" for name, text in entries(place)]
        parts.append("\n".join([f"## {kind}", "", "| name | what it is |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def api(package: str) -> str:
    """An entry for every public name of a package, under the headings that its ``__all__`` has as comments."""
    parts = []
    for head, group in public(package):
        parts += [f"## {head[:1].upper()}{head[1:]}"] if head else []
        parts += [f"::: {package}.{name}" for name in group]
    return "\n\n".join(parts)


def public(package: str) -> list[tuple[str, list[str]]]:
    """The names in ``__all__``, by the comment above them (an empty text where there is none)."""
    path = Path(str(importlib.import_module(package).__file__))
    text = path.read_text(encoding="utf-8")
    (node,) = (
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__"
    )
    found: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines()[node.lineno - 1 : node.end_lineno]:
        if line.strip().startswith("#"):
            found.append((line.strip(" #"), []))
        found[-1][1].extend(re.findall(r'"(\w+)"', line))
    return [(head, group) for head, group in found if group]


def sources(folder: str) -> str:
    """The files of a folder as they stand there, each under its name."""
    parts = []
    for path in sorted((ROOT / folder).glob("*.py")):
        code = path.read_text(encoding="utf-8").rstrip()
        parts.append(f"## {path.name}\n\n```python\n{code}\n```")
    return "\n\n".join(parts)


PARTS: dict[str, Callable[..., str]] = {
    "settings": settings,
    "verbs": verbs,
    "names": names,
    "api": api,
    "sources": sources,
}


def fill(text: str) -> str:
    """A page with every mark replaced. Raises KeyError for a mark that nothing stands behind."""
    return MARK.sub(lambda mark: PARTS[mark[1]](*([mark[2]] if mark[2] else [])), text)


def pages() -> dict[str, str]:
    """The pages of the navigation: address below docs/ and title, in their order."""

    def walk(items: list[Any]) -> Iterator[tuple[str, str]]:
        for item in items:
            for title, inner in item.items():
                if isinstance(inner, list):
                    yield from walk(inner)
                else:
                    yield inner, title

    return dict(walk(yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["nav"]))


def target(link: str, page: Path) -> Path:
    """The file that a link of a page leads to."""
    return Path(os.path.normpath(page.parent / link))


def site_path(path: Path) -> str | None:
    """The address of a file of the project below the site's root: a page of docs/ keeps its own, files elsewhere are
    put into a folder of their own; None for what is no file of the project."""
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    if path.is_relative_to(ROOT) and path.is_file():
        return f"{BROUGHT}{path.relative_to(ROOT).as_posix()}"
    return None


def outside() -> list[Path]:
    """Files out of docs/ that are in the navigation, or that a page links to, those of such files among them."""
    found = {ROOT / page.removeprefix(BROUGHT): None for page in pages() if page.startswith(BROUGHT)}
    waiting = [*found, *sorted(DOCS.rglob("*.md"))]
    while waiting:
        page = waiting.pop()
        for _, link, _ in LINK.findall(page.read_text(encoding="utf-8")):
            path = target(link, page)
            if not path.is_relative_to(DOCS) and path not in found and site_path(path):
                found[path] = None
                waiting += [path] if path.suffix == ".md" else []
    return list(found)


def relinked(text: str, page: Path) -> str:
    """The text of a page of the project with its links as they lead on the site."""
    start = Path(site_path(page) or "").parent

    def moved(found: re.Match[str]) -> str:
        place = site_path(target(found[2], page))
        return f"{found[1]}{os.path.relpath(place, start) if place else found[2]}{found[3] or ''}"

    return LINK.sub(moved, text)


def on_files(files: Any, config: Any) -> Any:
    """mkdocs: bring along what pages link to out of docs/."""
    from mkdocs.structure.files import File

    for path in outside():
        place = site_path(path)
        if path.suffix == ".md":
            files.append(File.generated(config, place, content=path.read_text(encoding="utf-8")))
        else:
            files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """mkdocs: fill the marks, mend the links."""
    address = page.file.src_uri
    path = ROOT / address.removeprefix(BROUGHT) if address.startswith(BROUGHT) else DOCS / address
    return FENCE.sub(r"\1", fill(relinked(markdown, path)))


def _wide(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, width=WIDTH)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _default(text: str | None) -> str:
    return "none" if text is None else f"`{_cell(text)}`"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
