"""The house rules that imports and file sizes show: layers one way, rooms too, no circles, small files, light start."""

from __future__ import annotations

import ast
import re
import statistics
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("optima_envs", "optima_agents", "optima_train", "benchmarks")
HEAVY = {
    "torch",
    "transformers",
    "datasets",
    "math_verify",
    "sympy",
    "trl",
    "peft",
    "accelerate",
    "vllm",
    "aiohttp",
    "pandas",
    "openenv",
    "skyrl",
    "starlette",
    "uvicorn",
    "verifiers",
    "verl",
    "ray",
}
FILES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
NAMES = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in FILES}
KNOWN = set(NAMES.values())


def imports(path: Path, *, at_start: bool) -> Iterator[str]:
    """Absolute names a file imports; ``at_start``: only what importing the file itself runs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = NAMES[path].split(".") if path.name == "__init__.py" else NAMES[path].split(".")[:-1]
    for node in run_at_start(tree) if at_start else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                name = f"{module}.{alias.name}"
                yield name if name in KNOWN else module


def run_at_start(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from (n for other in child.orelse for n in [other, *run_at_start(other)])
            continue
        yield child
        yield from run_at_start(child)


def test_there_is_something_to_check():
    assert len(FILES) > 40
    assert set(imports(ROOT / "optima_envs/games/rules.py", at_start=True)) >= {"optima_envs.records", "typing"}


@pytest.mark.parametrize("path", FILES, ids=NAMES.get)
def test_imports_run_one_way(path: Path):
    allowed = LAYERS[: LAYERS.index(NAMES[path].split(".")[0]) + 1]
    wrong = [
        name
        for name in imports(path, at_start=False)
        if name.split(".")[0] in LAYERS and name.split(".")[0] not in allowed
    ]
    assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}: only {allowed} are below it"


def starts() -> dict[str, set[str]]:
    """For each module those of ours that importing it imports."""
    return {NAMES[path]: {n for n in imports(path, at_start=True) if n in KNOWN and n != NAMES[path]} for path in FILES}


def test_the_way_in_loads_nothing_heavy():
    """What users import first never reaches torch and the like; modules behind it may, since they load on use."""
    edges, path_of = starts(), {name: path for path, name in NAMES.items()}
    ways_in = [name for name in KNOWN if path_of[name].name == "__init__.py" or ".cli." in name]
    ways_in += [
        "optima_train.cli.main",
        "optima_train.config.loading",
        "optima_agents.rollout",
        "optima_envs.adapters.parallel",
    ]
    seen, waiting = set(), list(ways_in)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        heavy = {module.split(".")[0] for module in imports(path_of[name], at_start=True)} & HEAVY
        assert not heavy, f"{name} imports {heavy} at the top: move it into the function that needs it"
        waiting += edges[name]


# room -> the rooms of its package that it may import from; modules beside the rooms are free to use each other and
# may use rooms as said for "". Imports inside functions and under TYPE_CHECKING count like all others.
ROOMS: dict[str, dict[str, set[str]]] = {
    "optima_envs": {
        "": {"adapters", "checks", "games", "scoring", "tasks", "tools"},
        "scoring": set(),
        "scoring.maths": {"scoring"},
        "tools": {"scoring"},
        "games": {"scoring", "tools"},
        "tasks": {"scoring", "tools"},
        "adapters": {"games", "scoring"},
        "checks": {"adapters", "games", "tasks"},
    },
    "optima_agents": {
        "": {"backends", "backends.chat", "results", "scripted", "serving", "workers"},
        "serving": {"backends"},
        "scripted": set(),
        "workers": {"backends"},
        "results": {"backends", "workers"},
        "backends": set(),
        "backends.chat": {"backends"},
        "backends.hf": {"backends", "backends.chat"},
        "backends.vllm_engine": {"backends", "backends.chat"},
        "backends.openai_api": {"backends", "backends.chat"},
    },
    "optima_train": {
        "": {
            "config",
            "run",
            "stages",
            "training",
            "tree_search",
            "trajectories",
            "imitation",
            "online",
            "online.credit",
            "loop",
            "hubs",
            "cli",
            "analysis",
        },
        "planning": {"training", "run", "config"},
        "config": set(),
        "analysis": set(),
        "tiny": set(),
        "run": {"config"},
        "report": {"run", "analysis"},
        "stages": {"run", "analysis", "config"},
        "training": {"run", "config"},
        "tree_search": {"stages", "training", "run", "config"},
        "online": {"online.credit", "online.trainer", "stages", "tree_search", "training", "run", "config"},
        "online.credit": {"stages", "tree_search", "run", "config"},
        "online.trainer": {"run", "config"},
        "trajectories": {"stages", "run", "config"},
        "imitation": {"trajectories", "stages", "run", "config"},
        "bridges": {"stages"},
        "hubs": {"report", "trajectories", "training", "run", "config"},
        "trajectories.layouts": {"trajectories"},
        "trajectories.steps": {"trajectories"},
        "loop": {"planning", "trajectories", "training", "tree_search", "report", "run", "config", "analysis"},
        "cli": {"hubs", "loop", "planning", "trajectories", "training", "report", "analysis", "config", "run"},
    },
    "benchmarks": {
        "": {"analysis", "report", "suite", "methods"},
        "methods": set(),
        "suite": {"methods"},
        "analysis": {"suite", "methods"},
        "report": {"analysis", "suite"},
        "training": {"suite"},
        "speed": set(),
        "scale": set(),
    },
}
MOST_MODULES = 14
MANY = {"cli", "methods", "tasks", "speed"}  # a folder of like things, one file each


def room(name: str) -> tuple[str, str]:
    """(package, room) of a module; a room's ``__init__`` belongs to it, modules beside the rooms to ``""``."""
    top, *inner = name.split(".")
    return top, ".".join(inner if PATH_OF[name].name == "__init__.py" else inner[:-1])


PATH_OF = {name: path for path, name in NAMES.items()}


@cache
def all_edges() -> dict[str, set[str]]:
    """For each module those of ours that it imports anywhere in its text."""
    found = {NAMES[path]: set(imports(path, at_start=False)) for path in FILES}
    return {name: {other for other in others if other in KNOWN and other != name} for name, others in found.items()}


def test_every_folder_is_a_known_room():
    assert {room(name) for name in KNOWN} == {(top, inner) for top, rooms in ROOMS.items() for inner in rooms}


@pytest.mark.parametrize("path", FILES, ids=NAMES.get)
def test_rooms_import_as_allowed(path: Path):
    top, inner = room(NAMES[path])
    others = {room(name) for name in all_edges()[NAMES[path]]} - {(top, inner)}
    wrong = {there for package, there in others if package == top and there and there not in ROOMS[top][inner]}
    assert not wrong, f"{NAMES[path]} imports from {sorted(wrong)}; {inner or top} may use {sorted(ROOMS[top][inner])}"


@pytest.mark.parametrize("top", ROOMS)
def test_rooms_stand_on_floors(top: str):
    """The allowed arrows themselves go one way."""
    floors = TopologicalSorter({inner: others for inner, others in ROOMS[top].items() if inner})
    floors.prepare()  # raises CycleError


def test_rooms_are_small():
    sizes = Counter(path.parent for path in FILES if path.name != "__init__.py")
    crowded = {str(folder.relative_to(ROOT)): n for folder, n in sizes.items() if n > MOST_MODULES}
    assert not {name for name in crowded if name.rsplit("/", 1)[-1] not in MANY}, crowded


def test_no_circles():
    edges = all_edges()
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"imports go round: {' -> '.join([*above[above.index(name) :], name])}"
        if name not in done:
            for other in sorted(edges[name]):
                visit(other, (*above, name))
            done.add(name)

    for name in sorted(edges):
        visit(name, ())


def test_files_are_small():
    tests = sorted((ROOT / "tests").rglob("*.py"))
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in [*FILES, *tests]}
    large = {str(path.relative_to(ROOT)): size for path, size in sizes.items() if size > 300}
    assert not large, f"over 300 lines: {large}"
    assert statistics.median(size for size in sizes.values() if size > 1) <= 120


def test_no_file_shadows_a_module():
    """A file run directly puts its folder first on the path; a ``types.py`` there would break the standard library."""
    dependencies = HEAVY | {"numpy", "gymnasium", "pettingzoo", "pydantic", "yaml", "rich", "filelock"}
    taken = sys.stdlib_module_names | dependencies
    assert not [str(path.relative_to(ROOT)) for path in FILES if path.stem in taken]


def test_every_import_is_declared_and_every_dependency_used():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = {re.split(r"[^\w-]", row)[0] for row in project["dependencies"]}
    extras = {re.split(r"[^\w-]", row)[0] for rows in project["optional-dependencies"].values() for row in rows}
    used = {name.split(".")[0] for path in FILES for name in imports(path, at_start=False)}
    used = {"pyyaml" if name == "yaml" else name.replace("_", "-") for name in used - sys.stdlib_module_names}
    undeclared = used - core - extras - {layer.replace("_", "-") for layer in LAYERS}
    assert not undeclared
    unused = core - used
    assert not unused
