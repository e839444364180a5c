"""List what there is to choose from: recipes, methods, metrics, suites and more.

Each with its first sentence; what plugins and installed packages add is among it. Without a kind, the kinds are listed.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import UserError

if TYPE_CHECKING:
    from optima_envs.registry import Registry

EXAMPLE = "optima list recipes"
# kind -> where its registry is, or the folder of its files; other packages add kinds as entry points of this group
KINDS = {
    "recipes": "optima_train.config.loading:RECIPES",
    "methods": "optima_train.methods:METHODS",
    "policies": "optima_agents.making:POLICIES",
    "backends": "optima_agents.making:BACKENDS",
    "formats": "optima_agents.formats:FORMATS",
    "terms": "optima_envs.rewards:TERMS",
    "metrics": "optima_envs.scoring.metrics:METRICS",
    "envs": "optima_envs.spec:ENVS",
    "worlds": "optima_envs.tools.world:WORLDS",
    "experts": "optima_agents.scripted.experts:EXPERTS",
    "advantages": "optima_train.online.credit.estimators:ADVANTAGES",
    "readers": "optima_train.trajectories.registry:READERS",
    "writers": "optima_train.trajectories.registry:WRITERS",
    "steps": "optima_train.trajectories.registry:STEPS",
}
GROUP = "optima.lists"
# a full stop behind one of these ends no sentence
ABBREVIATIONS = ("al", "Dr", "Alg", "App", "Fig", "e.g", "i.e", "cf", "vs")
END = re.compile("".join(rf"(?<!\b{re.escape(word)})" for word in ABBREVIATIONS) + r"[.;](?:\s|$)")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", nargs="?", metavar="KIND", help="one of: " + ", ".join(KINDS) + ", and of others")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")


def run(args: argparse.Namespace) -> int:
    places = {**KINDS, **{point.name: point.value for point in entry_points(group=GROUP)}}
    if args.kind is None:
        rows = dict.fromkeys(places, "")
    elif args.kind in places:
        rows = dict(entries(places[args.kind]))
    else:
        from optima_envs.registry import unknown_name

        raise UserError(str(unknown_name("kind", args.kind, places)))
    if args.json:
        import json

        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    from rich.console import Console

    from ..report.tables import Table

    if args.kind is None:
        print("\n".join(rows))
        return 0
    told = [{"name": name, "what it is": text} for name, text in rows.items()]
    Table(("name", "what it is"), told).print(Console())
    return 0


def entries(place: str) -> Iterator[tuple[str, str]]:
    """The names behind a place, each with its first sentence: of a registry's items, or of a folder's YAML files."""
    from optima_envs.registry import load_attr

    found: Registry[Any] | Path = load_attr(place)
    if isinstance(found, Path):
        for path in sorted(found.glob("*.yaml")):
            lines = path.read_text(encoding="utf-8").splitlines()
            comment = [line.removeprefix("#").strip() for line in lines[: _code(lines)]]
            yield path.stem, sentence(" ".join(comment))
        return
    for name in found:
        path = found.where(name)
        heavy = path is not None and not path.startswith("optima_envs.")
        yield name, sentence(_source(str(path)) if heavy else described(found[name]))


def described(item: Any) -> str:
    """What tells what ``item`` is: a hint, a summary, its docstring, or that of the function it was made of."""
    for name in ("hint", "summary"):
        if isinstance(text := getattr(item, name, None), str):
            return text
    sheet = getattr(item, "sheet", None)
    if isinstance(text := getattr(sheet, "summary", None), str):
        return text
    if hasattr(item, "__name__"):
        return item.__doc__ or ""
    made_of = (getattr(item, part, None) for part in ("function", "run", "rate"))
    own = type(item).__doc__
    return next((part.__doc__ for part in made_of if part is not None and part.__doc__), own) or ""


def sentence(text: str) -> str:
    """The first sentence, on one line, without its full stop."""
    first = " ".join(text.strip().partition("\n\n")[0].split())
    end = END.search(first)
    return first[: end.start()] if end else first


def _source(path: str) -> str:
    """The docstring of ``"module:attr"``, read and not imported; of its module, where the object has none."""
    module, _, attr = path.partition(":")
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    own = (ast.get_docstring(node) for node in tree.body if isinstance(node, kinds) and node.name == attr)
    return next(own, None) or ast.get_docstring(tree) or ""


def _code(lines: list[str]) -> int:
    return next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))
