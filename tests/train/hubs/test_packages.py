"""Exported environments: files that parse, literals that stay literals, and data that are the environment's own."""

from __future__ import annotations

import ast
import json
import tomllib
from pathlib import Path

import pytest

from optima_envs import EnvSpec, Instance, Sheet, register, scenario
from optima_envs.documents import load_yaml
from optima_train.hubs.dataset import licence, lines, to_hf
from optima_train.hubs.environment import KINDS
from optima_train.hubs.package import ExportError, Package, literal

HOSTILE = (
    'a "quoted" $env ${module} \\ `code` \n# line | cell\nimport os; os.system("x") <script> \'\'\' """ é \U0001f600'
)
ONE = [Instance("one", "Which?", ("A",), {"Alice": "x", "Bob": "y"})]


@pytest.fixture(scope="module")
def hostile() -> str:
    sheet = Sheet(summary=HOSTILE, source=HOSTILE, licence=HOSTILE, paper=HOSTILE, notes=(HOSTILE,), metric=HOSTILE)
    return register(EnvSpec("tests/hostile.card-v3", ONE, sheet=sheet)).id


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("env", ["twohop-asym", "arith-debate", "hotpotqa-asym", "twohop-search", "hostile"])
def test_every_file_parses_and_says_what_it_is_of(tmp_path: Path, kind: str, env: str, hostile: str):
    package = Package(hostile if env == "hostile" else env, {"max_turns": 4})
    out = tmp_path / "out"
    assert str(out) in KINDS[kind](package, out)
    files = {str(path.relative_to(out)): path.read_text(encoding="utf-8") for path in out.rglob("*") if path.is_file()}
    told = tomllib.loads(files["pyproject.toml"])["project"]
    assert told["name"] == package.distribution
    assert told["description"] == (" ".join(HOSTILE.split()) if env == "hostile" else package.spec.sheet.summary)
    assert any(row.startswith("optima-marl") for row in told["dependencies"])
    for name, text in files.items():
        if name.endswith(".py"):
            tree = ast.parse(text)
            names = {node.names[0].name for node in ast.walk(tree) if isinstance(node, ast.Import)}
            assert names <= {"os", "argparse", "uvicorn", "verifiers.v1"}
            calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
            assert "os.system" not in calls
        if name.endswith(".yaml"):
            assert load_yaml(text)["name"] == package.module
    code = "".join(text for name, text in files.items() if name.endswith(".py"))
    assert json.dumps(package.spec.id) in code and "'max_turns': 4" in code
    card = files["README.md"]
    assert f"`{package.spec.id}`" in card
    assert "<script>" not in card


def test_the_licence_and_the_scores_are_in_the_card():
    rows = [{"label": "a team", "n": 3, "score": 0.5, "score_ci": [0.25, 0.75], "tokens": 9.0, "turns": 2.0}]
    card = Package("hotpotqa-asym", {}, rows).card()
    assert "| licence of the data | CC BY-SA 4.0 |" in card
    assert "| a team | 3 | 0.500 [0.250, 0.750] |" in card
    assert (licence("CC BY-SA 4.0"), licence("Apache-2.0 (texts: Wikipedia)"), licence("who knows")) == (
        "cc-by-sa-4.0",
        "apache-2.0",
        "other",
    )


def test_what_cannot_travel_is_refused(tmp_path: Path):
    (tmp_path / "data.jsonl").write_text("{}")
    for settings, told in (
        ({"data": str(tmp_path / "data.jsonl")}, "is a file of this machine"),
        ({"distractors": {1, 2}}, "settings of a package are plain values"),
        ({"agents": ["class", "Bob"]}, "the agent 'class' cannot be a field's name"),
        ({"agents": ["A b", "Bob"]}, "cannot be a field's name"),
    ):
        with pytest.raises(ExportError, match=told):
            Package("twohop-asym", settings)
    with pytest.raises(ExportError, match="name a new folder"):
        KINDS["verifiers"](Package("twohop-asym", {}), tmp_path)
    with pytest.raises(TypeError, match="no argument nonsense"):
        Package("twohop-asym", {"nonsense": 1})


def test_three_agents_have_three_roles(tmp_path: Path):
    package = Package("twohop-asym", {"agents": 3})
    KINDS["verifiers"](package, tmp_path / "out")
    code = (tmp_path / "out" / f"{package.module}.py").read_text()
    assert [line.split(":")[0].strip() for line in code.splitlines() if "vf.AgentConfig" in line] == [
        "alice",
        "bob",
        "carol",
    ]


def test_a_generated_worlds_data_are_its_instances(tmp_path: Path):
    datasets = pytest.importorskip("datasets")
    package = Package("twohop-asym", {"distractors": 3})
    to_hf(package, tmp_path / "out", rows=20)
    found = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in found.items()} == {"train": 20, "validation": 20, "test": 20}
    task = scenario("twohop-asym", split="test", distractors=3).task
    read = [
        Instance(
            row["id"],
            row["question"],
            tuple(row["answers"]),
            {one["agent"]: one["text"] for one in row["private"]},
            json.loads(row["meta"]),
        )
        for row in found["test"]
    ]
    assert lines(read) == lines(task[index] for index in range(20))
    assert scenario("twohop-asym", instances=read).task[3].question == task[3].question


def test_other_peoples_data_stay_where_they_are(tmp_path: Path):
    to_hf(Package("hotpotqa-asym", {}), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["README.md"]
    head = load_yaml((tmp_path / "out" / "README.md").read_text().split("---")[1])
    assert (head["license"], "configs" in head) == ("cc-by-sa-4.0", False)


@pytest.mark.parametrize("sign", ["\x7f", "\x00", "\x85", "\x9c", "\ud800", "\u2028", "\n"])
def test_a_literal_is_one_whatever_stands_in_it(sign: str):
    text = f'a "b"{sign}c é'
    read = tomllib.loads(f"x = {literal(text)}")["x"]
    assert read == load_yaml(literal(text)) == ast.literal_eval(literal(text)) == 'a "b" c é'
