"""README and docs tell the truth: their code runs, the file tree is the tree, links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import tree

from optima_train.cli.verbs import VERBS

TEXT = (tree.ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_code_runs(code: str):
    done = subprocess.run([sys.executable, "-c", code], cwd=tree.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_tree_is_the_tree():
    assert tree.page() == tree.PAGE.read_text(encoding="utf-8"), "run make tree"


PAGES = [tree.ROOT / "README.md", tree.ROOT / "CONTRIBUTING.md", *sorted((tree.ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert link.startswith("https://") or (page.parent / link).is_file(), link


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (
            "As Chen et al. do it (paper Alg. 2 and App. C). Then more.",
            "As Chen et al. do it (paper Alg. 2 and App. C)",
        ),
        ("One idea; another.", "One idea"),
        ("Reads ``a.json`` e.g. from disk.", "Reads ``a.json`` e.g. from disk"),
    ],
)
def test_a_first_sentence_is_not_cut_at_an_abbreviation(tmp_path: Path, text: str, first: str):
    path = tmp_path / "module.py"
    path.write_text(f'"""{text}\n"""\n')
    assert tree.role(path) == first


def test_verbs_exist():
    project = tomllib.loads((tree.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = {*VERBS, *project["entry-points"]["optima.commands"]}
    assert set(re.findall(r"^optima (\w+)", TEXT, re.MULTILINE)) <= known
