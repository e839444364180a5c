"""README and docs tell the truth: their code runs, their commands parse, the file tree is the tree, links lead
somewhere, and the tests they name are there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import tree

from optima_train.cli.verbs import VERBS, module_of, parser_of
from optima_train.config.loading import RECIPES, load

EXAMPLES = tree.ROOT / "examples" / "README.md"
PAGES = [*sorted(tree.ROOT.glob("*.md")), EXAMPLES, *sorted((tree.ROOT / "docs").rglob("*.md"))]
# a block runs unless the line before it says why not: <!-- not run: the reason -->
BLOCK = re.compile(r"(?<!-->\n)^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^```(?:sh|bash)?\n(.*?)^```", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"(tests/[\w/]+)(?:(\.py)(?:::(\w+))?)?")


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name(page: Path) -> str:
    return page.relative_to(tree.ROOT).as_posix()


@pytest.mark.parametrize("page", [page for page in PAGES if BLOCK.search(text(page))], ids=name)
def test_code_runs(page: Path, tmp_path: Path):
    """A page is a story: its blocks run in their order, in one process and a folder of their own."""
    code, story = "\n".join(BLOCK.findall(text(page))), tmp_path / "story.py"
    story.write_text(code, encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(tree.ROOT)}
    done = subprocess.run([sys.executable, str(story)], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() or "print(" not in code


def test_the_tree_is_the_tree():
    assert tree.page() == tree.PAGE.read_text(encoding="utf-8"), "run make tree"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path):
    for link, _, part in re.findall(r"\]\(([^)#\s]*)(#([^)\s]*))?\)", prose(page)):
        if link.startswith("https://"):
            continue
        target = page.parent / link if link else page
        assert target.is_file(), link
        if part and "<!-- from the code" not in text(target):
            assert part in anchors(target), f"{link}#{part}"


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text(page), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", head.lower()).strip()) for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_tests_that_are_named_are_there(page: Path):
    for path, suffix, function in NAMED.findall(text(page)):
        assert (tree.ROOT / f"{path}{suffix}").exists(), path
        assert not function or f"def {function}(" in text(tree.ROOT / f"{path}{suffix}"), function


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=name)
def test_commands_are_understood(page: Path):
    """Command lines in blocks are parsed by the verb's own parser, settings of packaged recipes are checked; of those
    within the text the verb is."""
    project = tomllib.loads(text(tree.ROOT / "pyproject.toml"))["project"]
    known = {*VERBS, *project["entry-points"]["optima.commands"]}
    assert set(re.findall(r"`optima ([a-z]+)", text(page))) <= known
    makefile = text(tree.ROOT / "Makefile")
    for block in SHELL.findall(text(page)):
        for line in block.splitlines():
            words = shlex.split(line, comments=True) if line.startswith(("optima ", "python -m", "make ")) else []
            if words[:1] == ["optima"]:
                verb = words[1]
                assert verb in known, line
                given = parser_of(verb, module_of(verb)).parse_intermixed_args(words[2:])
                if verb == "train" and given.recipe in {path.stem for path in RECIPES.glob("*.yaml")}:
                    load(given.recipe, given.overrides)
            elif words[:1] == ["python"] and words[2].startswith(("optima", "benchmarks")):
                assert find_spec(words[2]), line
            elif words[:1] == ["make"]:
                assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), line


@pytest.mark.parametrize(
    ("given", "first"),
    [
        (
            "As Chen et al. do it (paper Alg. 2 and App. C). Then more.",
            "As Chen et al. do it (paper Alg. 2 and App. C)",
        ),
        ("One idea; another.", "One idea"),
        ("Reads ``a.json`` e.g. from disk.", "Reads ``a.json`` e.g. from disk"),
    ],
)
def test_a_first_sentence_is_not_cut_at_an_abbreviation(tmp_path: Path, given: str, first: str):
    path = tmp_path / "module.py"
    path.write_text(f'"""{given}\n"""\n')
    assert tree.role(path) == first
