"""A release says one thing everywhere: version and date, the workflows' commands, the tools' versions."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
HEADING = re.compile(r"^## (\S+)(?: - (\d{4}-\d\d-\d\d))?$", re.MULTILINE)
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_version_is_one():
    """pyproject.toml has it; code asks the installed package, the citation and the changelog follow."""
    assert PROJECT["version"] == loaded(ROOT / "CITATION.cff")["version"]
    assert HEADING.findall(CHANGELOG)[1][0] == PROJECT["version"]
    assert version("optima-marl")
    written = [
        path for path in ROOT.glob("optima_*/**/*.py") if re.search(r"^__version__ =", path.read_text("utf-8"), re.M)
    ]
    assert not written


def test_the_changelog_is_dated_newest_first():
    (first, undated), *releases = HEADING.findall(CHANGELOG)
    assert (first, undated) == ("Unreleased", "")
    dates = [date for _, date in releases]
    assert all(dates) and dates == sorted(dates, reverse=True)
    assert loaded(ROOT / "CITATION.cff")["date-released"] == dates[0]
    parts = re.findall(r"^### (.*)$", CHANGELOG, re.MULTILINE)
    assert set(parts) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_what_there_is(path: Path):
    found = loaded(path)
    assert found["permissions"] == {"contents": "read"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = "\n".join(step.get("run", "") for job in found["jobs"].values() for step in job["steps"])
    assert re.search(r"^(make|\.ci/run)", commands, re.MULTILINE)
    for target in re.findall(r"^make (\w+)", commands, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for name in re.findall(r"(?:\$GITHUB_WORKSPACE/|^)([\w.]+/[\w./]+)", commands, re.MULTILINE):
        assert (ROOT / name).exists(), name


def test_every_form_asks_something():
    assert {path.stem for path in FORMS} == {"bug", "idea", "config"}
    for path in FORMS:
        if path.stem != "config":
            found = loaded(path)
            assert found["name"] and found["description"]
            assert all(part["attributes"]["label"] for part in found["body"])


def test_the_hooks_are_of_the_locked_version():
    (repo,) = loaded(ROOT / ".pre-commit-config.yaml")["repos"]
    locked = re.search(r"^ruff==(\S+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert locked is not None and repo["rev"] == f"v{locked[1]}"
    assert [hook["id"] for hook in repo["hooks"]] == ["ruff-check", "ruff-format"]
