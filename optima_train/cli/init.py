"""Write a package with an environment of your own, its test and a recipe.

What is written works as it is: the test passes and the recipe trains the embedded model. Change env.py from there. The
package is called as the folder unless --name says otherwise; a folder that holds anything is left alone.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from string import Template

from . import UserError

EXAMPLE = "optima init my-world"
SCAFFOLD = Path(__file__).parent / "scaffold"
# what is written, by where it comes from; PACKAGE is the package's name
FILES = {
    "README.md.in": "README.md",
    "pyproject.toml.in": "pyproject.toml",
    "recipe.yaml.in": "recipe.yaml",
    "env.py.in": "PACKAGE/env.py",
    "test_env.py.in": "tests/test_env.py",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR", help="a new or empty folder")
    parser.add_argument("--name", help="of the package (default: the folder's name)")


def run(args: argparse.Namespace) -> int:
    directory: Path = args.directory
    project, package = named(args.name or directory.resolve().name)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UserError(f"{directory} is there already and not an empty folder; name another")
    names = {"project": project, "package": package, "env": f"{package}/cousins-v0"}
    for source, target in FILES.items():
        text = Template((SCAFFOLD / source).read_text(encoding="utf-8")).substitute(names)
        put(directory / target.replace("PACKAGE", package), text)
    put(directory / package / "__init__.py", f'"""{project}: an environment for Optima."""\n')
    print(f"{directory}/{package}/env.py is the environment; next:\n")
    for command in (f"cd {directory}", "python -m pytest", f"optima envs check {names['env']} --plugin {package}.env",
                    "optima train recipe.yaml"):  # fmt: skip
        print(f"  {command}")
    return 0


def named(text: str) -> tuple[str, str]:
    """(project, package): ``my-world`` and ``my_world``. Raises UserError for what cannot be imported, or is taken."""
    package = text.replace("-", "_").replace(" ", "_").lower()
    if not package.isidentifier() or not package.isascii():
        raise UserError(f"{text!r} is no name for a package; give one of letters, digits and dashes by --name")
    if package in {*sys.stdlib_module_names, "tests"} or find_spec(package) is not None:
        raise UserError(f"a module {package} is there already; give the package another name by --name")
    return package.replace("_", "-"), package


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
