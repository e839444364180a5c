"""The documentation site without its builder: every public name, setting and verb has an entry, every page its place
in the navigation, and the files of the guide to an environment of one's own are an environment that can be trained."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import docs_site
import pytest
from test_public_api import PUBLIC
from tree import LAYERS

from optima_train.cli.verbs import VERBS
from optima_train.config.describe import settings

PAGES = {path.relative_to(docs_site.DOCS).as_posix(): path for path in docs_site.DOCS.rglob("*.md")}
MARKS = {mark.groups() for path in PAGES.values() for mark in docs_site.MARK.finditer(path.read_text("utf-8"))}

ARXIV = re.compile(r"(?<![\d.])\d{4}\.\d{5}(?!\d)")


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_has_an_entry_that_says_what_it_is(package: str):
    assert ("api", package) in MARKS
    entries = re.findall(rf"^::: {re.escape(package)}\.(\w+)$", docs_site.api(package), re.MULTILINE)
    assert sorted(entries) == sorted(PUBLIC[package].split())
    top = Path(str(import_module(package).__file__))
    assert [name for name in entries if not told(top, name)] == []


def told(module: Path, name: str) -> str | None:
    """What the source says of a name: the docstring of a function or class, or the text below an assignment; where the
    module imports the name from another one of ours, what that says."""
    tree = ast.parse(module.read_text("utf-8"))
    for node, below in reversed([*zip(tree.body, [*tree.body[1:], None], strict=True)]):  # behind its overloads
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name == name:
            return ast.get_docstring(node)
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == name and isinstance(below, ast.Expr):
            return ast.literal_eval(below.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and name in {alias.name for alias in node.names}:
            folder = module.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            return told(folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py"), name)
    return None


def test_every_setting_and_every_verb_has_an_entry():
    assert {("settings", None), ("verbs", None), ("names", None)} <= MARKS
    table = docs_site.settings()
    for setting in settings():
        assert table.count(f'<span id="{setting.key}">`{setting.key}`</span>') == 1
        assert setting.meaning.replace("|", "\\|") in table and setting.meaning
    assert set(re.findall(r"^## (\w+)$", docs_site.verbs(), re.MULTILINE)) >= {*VERBS, "bench"}
    assert "| `isft` | Iterative SFT" in docs_site.names()
    assert "## 01_play.py" in docs_site.sources("examples")


def test_every_page_has_its_place():
    brought = {str(docs_site.site_path(path)) for path in docs_site.outside() if path.suffix == ".md"}
    assert set(docs_site.pages()) == {*PAGES, *brought}, "name the page in the nav of mkdocs.yml"


@pytest.mark.parametrize("page", PAGES)
def test_marks_are_filled_and_links_lead_to_files_of_the_site(page: str):
    text = docs_site.fill(docs_site.relinked(PAGES[page].read_text("utf-8"), PAGES[page]))
    assert not docs_site.MARK.search(text)
    brought = {docs_site.site_path(path) for path in docs_site.outside()}
    for _, link, _ in docs_site.LINK.findall(re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)):
        place = docs_site.target(link, Path("/") / page).relative_to("/").as_posix()
        assert (docs_site.DOCS / place).is_file() or place in brought, link


def test_every_extra_and_every_paper_of_the_code_is_told():
    extras = tomllib.loads((docs_site.ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    start, papers = (PAGES[page].read_text("utf-8") for page in ("start.md", "papers.md"))
    assert [extra for extra in extras if f"`{extra}`" not in start] == []
    sources = [path for package in LAYERS for path in (docs_site.ROOT / package).rglob("*.py")]
    named = {paper for path in sources for paper in ARXIV.findall(path.read_text("utf-8"))}
    assert sorted(paper for paper in named if paper not in papers) == [], "add it to docs/papers.md"


@pytest.mark.slow
def test_the_environment_of_the_guide_is_trained(tmp_path: Path):
    guide = PAGES["guides/own_environment.md"].read_text("utf-8")
    module, *_ = re.findall(r"^```python\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    (recipe,) = re.findall(r"^```yaml\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    (tmp_path / "relatives.py").write_text(module, encoding="utf-8")
    (tmp_path / "relatives.yaml").write_text(recipe, encoding="utf-8")

    def optima(*args: str) -> str:
        command = [sys.executable, "-m", "optima_train", *args]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "passed" in optima("envs", "check", "mine/relatives", "--plugin", "relatives")
    final = re.search(r"^final +60 ([\d.]+)", optima("train", "relatives.yaml"), re.MULTILINE)
    assert final is not None and float(final[1]) > 0.5
