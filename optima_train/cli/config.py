"""Show the settings of training, or the JSON schema of recipes.

show lists the settings by sections, a line each; with sections or settings named (train, train.lora) it says all about
these. With a recipe, and settings a.b=c on top, it shows their values there. schema prints a JSON schema, with which an
editor completes and checks recipes.
"""

from __future__ import annotations

import argparse
import difflib
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING

from . import UserError

if TYPE_CHECKING:
    from ..config.describe import Setting

EXAMPLE = "optima config show 2wmh-isft train reward"
COLUMN = 42  # where the meaning of a setting begins


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("show", "schema"))
    parser.add_argument("what", nargs="*", metavar="RECIPE SECTION a.b=c", help="all of them may be left out")


def run(args: argparse.Namespace) -> int:
    if args.action == "schema":
        if args.what:
            raise UserError("the schema is that of all recipes; optima config schema takes nothing more")
        import json

        from ..config.describe import schema

        print(json.dumps(schema(), indent=2))
        return 0
    from ..config.describe import settings

    keys = {setting.key for setting in settings()}
    known = {key.rsplit(".", dots)[0] for key in keys for dots in range(key.count(".") + 1)}
    overrides = [item for item in args.what if "=" in item]
    named = [item for item in args.what if item in known]
    recipes = [item for item in args.what if "=" not in item and item not in known]
    if len(recipes) > 1 or (overrides and not recipes):
        raise UserError("one recipe at a time; " + (", ".join(recipes) or "name the one that these settings are for"))
    for name in recipes:
        check_recipe(name, known)
    values = values_of(recipes[0], overrides) if recipes else {}
    print("\n".join(details(named, values)) if named else listing(values))
    return 0


def check_recipe(name: str, known: set[str]) -> None:
    """Raises UserError for a name that is no recipe, with the nearest settings, sections and recipes: it may be any."""
    from ..config.loading import RECIPES, ConfigError, find

    try:
        find(name)
    except ConfigError as err:
        packaged = {file.stem for file in RECIPES.glob("*.yaml")}
        if near := difflib.get_close_matches(name, sorted(known | packaged), n=3):
            raise UserError(f"no recipe or setting {name!r}; did you mean {' or '.join(near)}?") from err
        raise


def values_of(recipe: str, overrides: list[str]) -> dict[str, str]:
    """Every setting of a recipe by its key, as YAML."""
    from ..config.describe import as_yaml
    from ..config.loading import flatten, load

    return {key: as_yaml(value) for key, value in flatten(load(recipe, overrides)).items()}


def listing(values: Mapping[str, str] = MappingProxyType({})) -> str:
    """Every setting by sections: its value in ``values`` (else its default) and the first sentence on its meaning."""
    from ..config.describe import sections, settings
    from .listing import sentence

    about, found = sections(), []

    def section_of(setting: Setting) -> str:
        head = setting.key.partition(".")[0]
        return head if head in about else ""

    grouped = {name: list(group) for name, group in groupby(sorted(settings(), key=section_of), key=section_of)}
    for section, meaning in about.items():
        found += ["", f"{section or 'run'}: {meaning}"]
        for setting in grouped[section]:
            value, default = shown(setting, values), setting.default
            changed = f" (default {default})" if default is not None and value != default else ""
            head = f"  {setting.key}={'...' if value is None else value}{changed}  "
            text = head.ljust(COLUMN) + sentence(setting.meaning)
            found += textwrap.wrap(text, width(), subsequent_indent=" " * COLUMN, break_on_hyphens=False,
                                   drop_whitespace=True)  # fmt: skip
    return "\n".join(
        [*found[1:], "", "optima config show SECTION says all about a section, such as train or train.lora"]
    )


def details(named: Sequence[str], values: Mapping[str, str]) -> Iterator[str]:
    """All about the settings called ``named``, and those in sections called so: key and value, kind and default,
    meaning."""
    from ..config.describe import settings

    for setting in settings():
        if any(f"{setting.key}.".startswith(f"{name}.") for name in named):
            value, notes = shown(setting, values), [setting.kind]
            if setting.default is None:
                notes.append("no default")
            elif value != setting.default:
                notes.append(f"default {setting.default}")
            yield f"{setting.key}={'...' if value is None else value}  ({'; '.join(notes)})"
            yield from textwrap.wrap(setting.meaning, width(), initial_indent="    ", subsequent_indent="    ")


def shown(setting: Setting, values: Mapping[str, str]) -> str | None:
    """A setting's value; that of a mapping is put together from what is in it."""
    prefix = f"{setting.key}."
    inside = [f"{key.removeprefix(prefix)}: {value}" for key, value in values.items() if key.startswith(prefix)]
    return values.get(setting.key) or (f"{{{', '.join(inside)}}}" if inside else setting.default)


def width() -> int:
    """Of the terminal, at most 120."""
    return min(120, shutil.get_terminal_size((100, 24)).columns)
